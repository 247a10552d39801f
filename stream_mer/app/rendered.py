"""Synthetic clips as a source of video, for trials whose whole truth is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stream_mer.app.portraits import Portrait
from stream_mer.core.windowing import FRAMES_PER_EVENT
from stream_mer.synth.clip import iterate_clip
from stream_mer.synth.spec import ClipSpec, TrueEvent
from stream_mer.types import Frame, SourceInfo

FACE_PX = (48.0, 160.0)
"""Smallest and largest face of a trial clip, px (log-uniform)."""
PEAKS = (0.005, 0.03)
"""Smallest and largest displacement of an event, face widths (log-uniform)."""
HEAD_SPEEDS = (0.1, 0.3)
"""Eye distances a second, as real heads move."""


@dataclass(slots=True)
class ClipSource:
    """A Source that renders a clip of one person, frame by frame.

    Args:
        person: who.
        spec: what happens.
        seed: the same one gives the same clip.
    """

    person: Portrait
    spec: ClipSpec
    seed: int
    _truth: tuple[TrueEvent, ...] = ()
    _stopped: bool = False

    @property
    def info(self) -> SourceInfo:
        s = self.spec
        name = f"{self.person.name}-{self.seed}"
        return SourceInfo(name, name, s.width, s.height, s.fps, None, s.duration_s, False)

    @property
    def losses(self) -> Mapping[str, int]:
        return {}

    @property
    def warnings(self) -> Sequence[str]:
        return ()

    def __iter__(self) -> Iterator[Frame]:
        plan, frames = iterate_clip(self.person.rgb, self.person.mesh, self.spec, self.seed)
        self._truth = plan.events
        for index, frame in enumerate(frames):
            if self._stopped:
                return
            yield Frame(index, frame.pts_ns, frame.rgb)

    def truth(self) -> tuple[TrueEvent, ...]:
        """The clip's events, known once it has been iterated."""
        return self._truth

    def interrupt(self) -> None:
        self._stopped = True

    def close(self) -> None:
        self._stopped = True


def trial_spec(
    seed: int,
    fps: float,
    seconds: float,
    *,
    durations_s: tuple[float, float] = (0.04, 0.2),
    peaks: tuple[float, float] = PEAKS,
    face_px: tuple[float, float] = FACE_PX,
) -> ClipSpec:
    """A clip of the test version: face, head motion and noise drawn, blinks, speech and the rest as usual.

    Args:
        seed: non-negative.
        fps: frames a second.
        seconds: length.
        durations_s: shortest and longest event; the shortest is raised to what the frame rate shows.
        peaks: smallest and largest displacement, face widths.
        face_px: smallest and largest face, px of the frame.
    """
    rng = np.random.default_rng([seed, 77])
    size = float(np.exp(rng.uniform(*np.log(face_px))))
    side = round(max(160.0, size * 2.2) / 16) * 16
    low = min(max(durations_s[0], FRAMES_PER_EVENT / fps), durations_s[1])
    return ClipSpec(
        duration_s=seconds,
        fps=fps,
        width=side,
        height=side,
        face_px=size,
        event_rate=20.0,
        event_durations_s=(low, durations_s[1]),
        event_peaks=peaks,
        head_speed=float(np.exp(rng.uniform(*np.log(HEAD_SPEEDS)))),
        shot_noise=float(rng.uniform(0.0, 0.04)),
        read_noise=float(rng.uniform(0.5, 2.0)),
        version="test",
    )
