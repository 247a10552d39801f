"""Real video with micro-expressions injected into it: exact truth on real skin, light and motion."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_mer.app.through import Through
from stream_mer.capture.pyav import PyAvSource
from stream_mer.core.metrics import Interval
from stream_mer.core.windowing import FRAMES_PER_EVENT
from stream_mer.protocols import FaceDetector, Source
from stream_mer.synth.inject import Injector, draw_injections, injected
from stream_mer.synth.landmarks import pose_keypoints
from stream_mer.synth.mesh import MeshRun, fit_mesh
from stream_mer.synth.pulse import Version
from stream_mer.synth.spec import TrueEvent
from stream_mer.types import LABELS, ArrayF64, Frame, SourceInfo

MIN_FACE_SCORE = 0.5
EVENT_RATE = 20.0
"""Injected events a minute: one every three seconds, far enough apart to be told from one another."""


@dataclass(slots=True)
class MeshFollower:
    """The strongest face's mesh in every frame: found by detection, then followed from frame to frame."""

    detector: FaceDetector
    run: MeshRun
    _last: ArrayF64 | None = None

    def mesh(self, frame: Frame) -> ArrayF64 | None:
        """``(468, 3)`` in frame px, or None without a clear face."""
        points = self._last
        if points is None:
            found = self.detector.detect(frame.rgb)
            if not found:
                return None
            keypoints, rounds = found[0].keypoints, 2
        else:
            keypoints, rounds = pose_keypoints(points), 1
        mesh, score = fit_mesh(frame.rgb, keypoints, self.run, rounds)
        self._last = mesh if score >= MIN_FACE_SCORE else None
        return self._last


@dataclass(slots=True)
class Injection:
    """Puts events into the strongest face of a recording, and knows what of them was to be seen.

    ``seen`` grows with every frame: its time, and when its picture was taken (earlier, where the camera shows
    one again; None without a face).
    """

    injector: Injector
    seen: list[tuple[int, int | None]] = field(default_factory=list)

    def frames(
        self, detector: Callable[[SourceInfo], FaceDetector], run: MeshRun, source: Source
    ) -> Iterator[Frame]:
        """The source's frames with the events in them."""
        with closing(detector(source.info)) as finder:
            follower = MeshFollower(finder, run)
            shown = ((frame, follower.mesh(frame)) for frame in source)
            for frame, taken_ns in injected(shown, self.injector):
                self.seen.append((frame.pts_ns, taken_ns))
                yield frame

    def truth(self) -> tuple[TrueEvent, ...]:
        """The events that everybody can be asked for, see ``clear_events``."""
        return clear_events(self.injector.events, self.seen)

    def shown(self) -> tuple[TrueEvent, ...]:
        """The events of which a picture with the face shows anything, wholly visible or not."""
        return self.injector.shown([taken for _, taken in self.seen if taken is not None])

    def unclear(self) -> tuple[TrueEvent, ...]:
        """The events that show, but not clearly: nobody is asked for them, nor wrong to report them."""
        clear = self.truth()
        return tuple(event for event in self.shown() if event not in clear)


def clear_events(
    events: Sequence[TrueEvent], seen: Sequence[tuple[int, int | None]]
) -> tuple[TrueEvent, ...]:
    """The events that show in three pictures, the face in each of their frames and one either side.

    Args:
        events: what was put in.
        seen: every frame's time in order, and when its picture was taken; None without a face.
    """
    times = np.array([t for t, _ in seen], np.int64)
    taken = [p for _, p in seen]
    there = [p is not None for p in taken]

    def clear(span: Interval) -> bool:
        first, last = np.searchsorted(times, span)
        new = {p for p in taken[first:last] if p is not None and p >= span[0]}
        return len(new) >= FRAMES_PER_EVENT and whole_face(times, there, span)

    return tuple(e for e in events if clear((e.onset_ns, e.offset_ns)))


def whole_face(times_ns: NDArray[np.int64], there: Sequence[bool], span: Interval) -> bool:
    """Whether a face is in each frame of a span, and in one either side.

    Args:
        times_ns: ``(T,)`` rising times of all frames.
        there: whether each shows the face.
        span: from the first time to before the second.
    """
    first, last = np.searchsorted(times_ns, span)
    return bool(first > 0 and last < len(there) and all(there[first - 1 : last + 1]))


def inject_into(
    video: Path,
    detector: Callable[[SourceInfo], FaceDetector],
    run: MeshRun,
    seed: int,
    *,
    durations_s: tuple[float, float],
    peaks: tuple[float, float],
    rate: float = EVENT_RATE,
    version: Version = "test",
    one_sided: float = 0.0,
    labels: Sequence[str] = LABELS,
    smile: ArrayF64 | None = None,
) -> tuple[Source, Injection]:
    """Open a recording with events drawn at random into it.

    Args:
        video: the recording.
        detector: builds the detector for its size.
        run: the landmark network's run function.
        seed: the same seed injects the same into the same content, and into any other something else.
        durations_s: shortest and longest event; the shortest is raised to what the frame rate shows.
        peaks: smallest and largest peak displacement, face widths.
        rate: events a minute.
        version: family of warps and pulses; 'test' differs from what trains.
        one_sided: share of the events on one side only, where their units can.
        labels: classes drawn from.
        smile: how a real face smiled (``synth.measured``): smiles move so.

    Returns:
        A source of the same frames and times with the events in them, and what is put in; its truth is known
        once the source has been iterated.

    Raises:
        SourceError: the recording cannot be read.
    """
    source = PyAvSource(video)
    info = source.info
    seed = int(hashlib.sha256(f"{seed}:{info.digest}".encode()).hexdigest()[:12], 16)
    fps = info.fps_nominal or 25.0
    low = min(max(durations_s[0], FRAMES_PER_EVENT / fps), durations_s[1])
    events = draw_injections(
        seed,
        info.duration_s or 10.0,
        rate,
        durations_s=(low, durations_s[1]),
        peaks=peaks,
        version=version,
        one_sided=one_sided,
        labels=labels,
    )
    injection = Injection(Injector(events, seed, version, smile=smile))
    return Through(source, partial(injection.frames, detector, run)), injection
