"""Fewer detections under overload, and never so few that faces are lost for good."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.core.tracking import TrackerSettings
from stream_mer.pipeline.sparse import SPARSE_NS, SparseTracker
from stream_mer.types import Detection, FaceTrack, Frame

PICTURE = np.zeros((4, 4, 3), np.uint8)
FRAME_NS = 40_000_000


class Eager:
    """A tracker that always wants detections."""

    def __init__(self) -> None:
        self.detected: list[int] = []

    def wants_detection(self, pts_ns: int, epoch: int) -> bool:
        return True

    def update(self, frame: Frame, detections: list[Detection] | None) -> tuple[FaceTrack, ...]:
        if detections is not None:
            self.detected.append(frame.pts_ns)
        return ()


def drive(tracker: SparseTracker, frames: range, epoch: int = 0) -> None:
    for index in frames:
        frame = Frame(index, index * FRAME_NS, PICTURE, epoch)
        wants = tracker.wants_detection(frame.pts_ns, epoch)
        tracker.update(frame, [] if wants else None)


def test_a_new_face_is_still_seen_twice_before_it_is_given_up() -> None:
    slowest_frame_ns = 100_000_000
    assert SPARSE_NS + slowest_frame_ns < TrackerSettings().hold_s * 1e9


def test_thins_only_while_it_must_and_begins_anew_with_an_epoch() -> None:
    inner, sparse = Eager(), [False]
    tracker = SparseTracker(inner, lambda: sparse[0])
    drive(tracker, range(10))
    assert len(inner.detected) == 10
    sparse[0] = True
    drive(tracker, range(10, 110))
    steps = np.diff(inner.detected[9:])
    assert steps.min() >= SPARSE_NS
    assert steps.max() < SPARSE_NS + FRAME_NS
    before = len(inner.detected)
    drive(tracker, range(0, 1), epoch=1)
    assert len(inner.detected) == before + 1, "another epoch, another picture"


@given(st.lists(st.integers(0, 10**10), min_size=1, max_size=50))
def test_a_clock_that_goes_back_does_not_stop_detection(times: list[int]) -> None:
    inner = Eager()
    tracker = SparseTracker(inner, lambda: True)
    last = None
    for index, pts_ns in enumerate(times):
        wants = tracker.wants_detection(pts_ns, 0)
        assert wants == (last is None or not 0 <= pts_ns - last < SPARSE_NS)
        tracker.update(Frame(index, pts_ns, PICTURE), [] if wants else None)
        last = pts_ns if wants else last
