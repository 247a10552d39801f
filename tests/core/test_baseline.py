"""What is usual for a face is taken off its evidence; a resting face loses nothing."""

from __future__ import annotations

import numpy as np
import pytest

from stream_mer.core.baseline import EvidenceBaseline, log_odds
from stream_mer.types import Score

MS = 1_000_000


def score(t_ms: int, p: float, track: int = 1) -> Score:
    return Score(track, 0, 0, t_ms * MS, 100 * MS, (p / 5,) * 5)


def run(baseline: EvidenceBaseline, course: list[float]) -> list[float]:
    return [s.event_probability for i, p in enumerate(course) for s in baseline.push([score(40 * i, p)])]


def test_a_resting_face_keeps_its_scores_and_a_restless_one_loses_some() -> None:
    rng = np.random.default_rng(0)
    peak = 0.95
    quiet = run(EvidenceBaseline(share=1.0), [*rng.uniform(0.001, 0.01, 100), peak])
    busy = run(EvidenceBaseline(share=1.0), [*rng.uniform(0.2, 0.7, 100), peak])
    assert quiet[-1] == pytest.approx(peak, abs=1e-6)
    assert busy[-1] < 0.5


def test_it_is_causal_and_needs_enough() -> None:
    assert run(EvidenceBaseline(share=1.0), [0.6] * 10) == pytest.approx([0.6] * 10)
    long = [0.6] * 100
    assert run(EvidenceBaseline(share=1.0), [*long, 0.9])[:100] == run(EvidenceBaseline(share=1.0), long)


def test_classes_keep_their_shares_and_share_zero_does_nothing() -> None:
    baseline = EvidenceBaseline(share=1.0)
    run(baseline, [0.6] * 100)
    (lowered,) = baseline.push([Score(1, 0, 0, 5000 * MS, 100 * MS, (0.6, 0.2, 0.0, 0.0, 0.1))])
    assert lowered.probabilities[0] == pytest.approx(3 * lowered.probabilities[1])
    assert lowered.event_probability < 0.9
    original = [score(40, 0.7)]
    assert EvidenceBaseline().push(original) == original


def test_tracks_do_not_mix_and_the_median_forgets() -> None:
    baseline = EvidenceBaseline(share=1.0)
    for i in range(100):
        baseline.push([score(40 * i, 0.7, 1), score(40 * i, 0.005, 2)])
    assert baseline.usual(1, 0) > baseline.quiet + 2
    assert baseline.usual(2, 0) < baseline.quiet
    for i in range(100, 700):
        baseline.push([score(40 * i, 0.005, 1)])
    assert baseline.usual(1, 0) == pytest.approx(log_odds(0.005), abs=0.01)


def test_median_and_spread_above_a_quiet_face_are_what_is_taken_off() -> None:
    """Log odds of 0 and 2 by turns: the median is 1, the deviation from it 1, its robust sigma 1.4826."""
    baseline = EvidenceBaseline(share=0.5, quiet=-1.0, spread=2.0)
    run(baseline, [1 / (1 + np.exp(-odds)) for odds in [0.0, 2.0] * 50])
    usual = 1 + 2 * 1.4826
    assert baseline.usual(1, 0) == pytest.approx(usual)
    (lowered,) = baseline.push([score(4000, 1 / (1 + np.exp(-3.0)))])
    assert log_odds(lowered.event_probability) == pytest.approx(3 - 0.5 * (usual + 1))


def test_the_strongest_score_of_a_step_is_remembered() -> None:
    baseline = EvidenceBaseline(share=1.0)
    for i in range(50):
        baseline.push([score(40 * i, 0.2), score(40 * i + 10, 0.6), score(40 * i + 20, 0.4)])
    assert baseline.usual(1, 0) == pytest.approx(log_odds(0.6))
    few = EvidenceBaseline(share=1.0)
    for i in range(39):
        few.push([score(40 * i, 0.6)])
    assert few.usual(1, 0) == few.quiet
    few.push([score(40 * 39, 0.6)])
    assert few.usual(1, 0) == pytest.approx(log_odds(0.6))
