"""The detector that replays a script."""

from __future__ import annotations

import numpy as np

from stream_mer.face.boxes import detection_at
from stream_mer.face.replay import ReplayDetector
from stream_mer.types import Similarity

FIRST = detection_at(Similarity(0.5, 0, 10, 10), score=0.4)
SECOND = detection_at(Similarity(0.5, 0, 100, 10), score=0.8)
PICTURE = np.zeros((120, 200, 3), np.uint8)


def _scores(detector: ReplayDetector) -> list[float]:
    return [seen.score for seen in detector.detect(PICTURE)]


def test_replays_call_by_call_then_sees_nothing() -> None:
    detector = ReplayDetector([[FIRST, SECOND], [], [FIRST]])
    assert [_scores(detector) for _ in range(5)] == [[0.8, 0.4], [], [0.4], [], []]
    assert detector.calls == 5


def test_loops() -> None:
    detector = ReplayDetector(iter([[FIRST], [SECOND]]), loop=True)
    assert [_scores(detector) for _ in range(5)] == [[0.4], [0.8], [0.4], [0.8], [0.4]]
    assert _scores(ReplayDetector([], loop=True)) == []


def test_what_lies_outside_the_picture_is_not_seen() -> None:
    far = detection_at(Similarity(0.5, 0, 1000, 10))
    assert ReplayDetector([[far]]).detect(PICTURE) == []
