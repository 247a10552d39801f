"""What recognition is measured on: events resampled in time, the classifier's best-fitting window."""

from __future__ import annotations

import numpy as np
import pytest

from stream_mer.app.recognition import best_class, resampled
from stream_mer.types import Score

MS = 1_000_000


def score(centre_ms: int, length_ms: int, label: int, p: float = 0.6) -> Score:
    five = tuple(p if i == label else 0.05 for i in range(5))
    return Score(1, 0, 0, centre_ms * MS, length_ms * MS, five)


def test_the_window_that_fits_best_speaks() -> None:
    scores = [score(500, 160, 1), score(520, 100, 2), score(620, 100, 3)]
    assert best_class(scores, (470 * MS, 570 * MS)) == 2
    assert best_class(scores, (570 * MS, 670 * MS)) == 3


def test_no_window_on_the_event_is_no_answer() -> None:
    assert best_class([], (0, MS)) is None
    assert best_class([score(500, 40, 1)], (400 * MS, 600 * MS)) is None


@pytest.mark.parametrize("count", [3, 5, 16, 40])
def test_resampling_keeps_ends_and_straight_lines(count: int) -> None:
    pictures = np.arange(count, dtype=np.float32)[:, None, None] * np.ones((4, 4), np.float32) * 5
    out = resampled(pictures, 16)
    assert out.shape == (16, 4, 4)
    assert out.dtype == np.uint8
    assert out[0, 0, 0] == 0
    assert out[-1, 0, 0] == 5 * (count - 1)
    assert np.abs(np.diff(out[:, 0, 0].astype(float), 2)).max() <= 2
