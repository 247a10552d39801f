"""Real video with micro-expressions injected into it: exact truth on real skin, light and motion."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from stream_mer.capture.pyav import PyAvSource
from stream_mer.core.metrics import Interval
from stream_mer.protocols import FaceDetector, Source
from stream_mer.synth.inject import Injector, PictureTimes, draw_injections
from stream_mer.synth.landmarks import pose_keypoints
from stream_mer.synth.mesh import MeshRun, fit_mesh
from stream_mer.synth.pulse import Version
from stream_mer.synth.spec import TrueEvent
from stream_mer.types import ArrayF64, Frame, SourceInfo

MIN_FACE_SCORE = 0.5
EVENT_RATE = 20.0
"""Injected events a minute: one every three seconds, far enough apart to be told from one another."""
FRAMES_SEEN = 3.0
"""Events of fewer frames are not injected, nor true where a header promised too many frames a second or the
camera shows pictures again: no method could see them."""


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
class InjectedSource:
    """A Source around a recording: same frames and times, with micro-expressions in the strongest face.

    ``seen`` grows with every frame: its time, whether it had a face, and when its picture was taken (earlier,
    where the camera shows one again); ``truth`` gives the events that were wholly visible.
    """

    source: Source
    follower: MeshFollower
    injector: Injector
    seen: list[tuple[int, bool, int]] = field(default_factory=list)

    @property
    def info(self) -> SourceInfo:
        return self.source.info

    @property
    def losses(self) -> Mapping[str, int]:
        return self.source.losses

    @property
    def warnings(self) -> Sequence[str]:
        return self.source.warnings

    def __iter__(self) -> Iterator[Frame]:
        times = PictureTimes()
        for frame in self.source:
            mesh = self.follower.mesh(frame)
            if mesh is None:
                self.seen.append((frame.pts_ns, False, frame.pts_ns))
                yield frame
                times = PictureTimes()
                continue
            taken_ns, its_mesh = times.push(frame.rgb, frame.pts_ns, mesh)
            self.seen.append((frame.pts_ns, True, taken_ns))
            yield replace(frame, rgb=self.injector.apply(frame.rgb, taken_ns, its_mesh))

    def interrupt(self) -> None:
        self.source.interrupt()

    def close(self) -> None:
        self.source.close()
        self.follower.detector.close()

    def truth(self) -> tuple[TrueEvent, ...]:
        """The events that show in three pictures, the face in each of their frames and one either side."""
        times = np.array([t for t, _, _ in self.seen], np.int64)
        face = np.array([f for _, f, _ in self.seen], bool)
        taken = np.array([p for _, _, p in self.seen], np.int64)

        def visible(span: Interval) -> bool:
            first, last = np.searchsorted(times, span)
            new = np.unique(taken[first:last])
            seen = last < len(times) and np.count_nonzero(new >= span[0]) >= FRAMES_SEEN
            return bool(seen and face[max(0, first - 1) : last + 1].all())

        return tuple(e for e in self.injector.events if visible((e.onset_ns, e.offset_ns)))

    def shown(self) -> tuple[TrueEvent, ...]:
        """The injected events of which a frame with the face shows anything, wholly visible or not."""
        times = [taken for _, face, taken in self.seen if face]
        return tuple(e for e in self.injector.events if any(e.onset_ns < t < e.offset_ns for t in times))


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
) -> InjectedSource:
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

    Raises:
        SourceError: the recording cannot be read.
    """
    source = PyAvSource(video)
    info = source.info
    seed = int(hashlib.sha256(f"{seed}:{info.digest}".encode()).hexdigest()[:12], 16)
    fps = info.fps_nominal or 25.0
    low = min(max(durations_s[0], FRAMES_SEEN / fps), durations_s[1])
    events = draw_injections(
        seed,
        info.duration_s or 10.0,
        rate,
        durations_s=(low, durations_s[1]),
        peaks=peaks,
        version=version,
        one_sided=one_sided,
    )
    return InjectedSource(source, MeshFollower(detector(info), run), Injector(events, seed, version))
