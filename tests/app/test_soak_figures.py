"""What the soak test makes of a curve of memory: noise is no leak, and a leak in noise is one."""

from __future__ import annotations

import numpy as np
import pytest
from soak_figures import first_result_after, growth, never_back, quantile

SEVEN_MINUTES = np.arange(0, 7 / 60, 0.3 / 3600)


def curve(mb_per_hour: float) -> np.ndarray:
    """Memory that jumps by some 20 MB with every load, is trimmed once a minute, and may grow besides."""
    noise = np.random.default_rng(0).normal(0, 20, len(SEVEN_MINUTES))
    return 450 + 15 * (SEVEN_MINUTES * 60 % 1) + noise + mb_per_hour * SEVEN_MINUTES


def test_ups_and_downs_are_no_growth() -> None:
    slope, error = growth(SEVEN_MINUTES, curve(0))
    assert abs(slope) < 60 + 2 * error
    assert error < 60


def test_a_leak_shows_through_them() -> None:
    flat, _ = growth(SEVEN_MINUTES, curve(0))
    slope, error = growth(SEVEN_MINUTES, curve(500))
    assert slope - flat == pytest.approx(500, abs=40)
    assert slope > 60 + 2 * error


def test_too_short_a_run_says_that_it_cannot_know() -> None:
    hours = SEVEN_MINUTES[SEVEN_MINUTES < 2.5 / 60]
    assert growth(hours, curve(500)[: len(hours)])[1] == float("inf")


def test_quantiles_lie_inside_their_bucket() -> None:
    buckets = {"0.1": 50.0, "0.25": 90.0, "+Inf": 100.0}
    assert quantile(buckets, 0.5) == pytest.approx(0.1)
    assert quantile(buckets, 0.7) == pytest.approx(0.175)


def test_the_first_result_after_a_return() -> None:
    history = [(at, {"0": {"processed": n}}) for at, n in ((0.0, 5), (1.0, 7), (2.0, 7), (3.0, 8))]
    assert first_result_after(history, "0", 1.5) == pytest.approx(1.5)
    assert first_result_after(history, "0", 3.5) is None


def test_a_camera_that_never_comes_back_is_lost_and_a_late_fault_is_not() -> None:
    history = [(float(at), {"0": {"processed": float(min(at, 10))}}) for at in range(100)]
    early, late = ({"camera": 0.0, "back": back} for back in (20.0, 90.0))
    assert never_back(history, [early, late], 30.0) == [early]
    assert never_back(history, [{"camera": 0.0, "back": 5.0}], 30.0) == []
