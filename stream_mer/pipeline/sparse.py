"""Looks for faces less often while the machine is overloaded; those that are followed stay followed."""

from __future__ import annotations

from collections.abc import Callable

from stream_mer.pipeline.steps import Tracker
from stream_mer.types import Detection, FaceTrack, Frame

SPARSE_NS = 350_000_000
"""Distance of detections under overload, instead of 0.04 s (new and lost faces) and 0.2 s (the rest). It
must stay well below the 0.5 s after which a new face that was not seen again is given up, or no new face
would ever be followed."""


class SparseTracker:
    """A tracker around a tracker that asks for fewer detections while ``sparse`` says so.

    Args:
        tracker: does the work.
        sparse: asked for every frame.
    """

    def __init__(self, tracker: Tracker, sparse: Callable[[], bool]) -> None:
        self._tracker, self._sparse = tracker, sparse
        self._last: tuple[int, int] | None = None

    def wants_detection(self, pts_ns: int, epoch: int) -> bool:
        """As the tracker inside, but not sooner than ``SPARSE_NS`` after the last one if sparse."""
        wants = self._tracker.wants_detection(pts_ns, epoch)
        if not wants or self._last is None or not self._sparse():
            return wants
        since = pts_ns - self._last[1]
        return epoch != self._last[0] or not 0 <= since < SPARSE_NS

    def update(self, frame: Frame, detections: list[Detection] | None) -> tuple[FaceTrack, ...]:
        """As the tracker inside."""
        if detections is not None:
            self._last = (frame.epoch, frame.pts_ns)
        return self._tracker.update(frame, detections)
