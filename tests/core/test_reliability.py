"""The expected calibration error: by hand, by another formula, and for the honest and the boastful."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.core.reliability import BINS, calibration_error


def test_by_hand() -> None:
    stated = np.array([0.9, 0.2, 0.8, 0.1])  # lower half says .15 on average, upper half .85
    true = np.array([True, True, False, False])
    assert calibration_error(stated, true, 2) == pytest.approx(0.5 * 0.35 + 0.5 * 0.35)
    assert calibration_error(stated, true, 1) == pytest.approx(0.0)
    assert calibration_error(stated, true, 99) == pytest.approx((0.1 + 0.8 + 0.8 + 0.1) / 4)
    assert np.isnan(calibration_error(np.empty(0), np.empty(0, bool)))


@given(
    st.lists(
        st.tuples(st.integers(0, 10_000), st.booleans()), min_size=1, max_size=80, unique_by=lambda r: r[0]
    )
)
def test_bins_hold_equally_many_and_order_does_not_matter(rows: list[tuple[int, bool]]) -> None:
    """Against bins by rank, filled one candidate at a time."""
    ranked = sorted(rows)
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(min(BINS, len(ranked)))]
    sizes = [len(ranked) // len(bins) + (k < len(ranked) % len(bins)) for k in range(len(bins))]
    for k, size in enumerate(sizes):
        for _ in range(size):
            p, true = ranked.pop(0)
            bins[k].append((p / 10_000, true))
    expected = sum(abs(sum(p - true for p, true in one)) for one in bins) / len(rows)
    for order in (rows, rows[::-1]):
        stated, true = np.array([p / 10_000 for p, _ in order]), np.array([t for _, t in order])
        assert calibration_error(stated, true) == pytest.approx(expected, abs=1e-12)


def test_the_honest_are_near_zero_and_the_boastful_as_far_off_as_they_boast() -> None:
    rng = np.random.default_rng(0)
    meant = rng.uniform(0.3, 0.9, 40_000)
    true = rng.random(40_000) < meant
    assert calibration_error(meant, true) < 0.01
    assert calibration_error(meant + 0.1, true) == pytest.approx(0.1, abs=0.01)
    # Errors of both signs do not cancel out: too sure above the middle, too timid below it.
    stretched = np.clip(meant + 0.5 * (meant - 0.6), 0, 1)
    assert calibration_error(stretched, true) == pytest.approx(np.abs(stretched - meant).mean(), abs=0.01)
