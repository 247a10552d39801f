"""What is usual for a face is taken off its evidence; a resting face loses nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.core.baseline import ENOUGH, MOST_FACES, EvidenceBaseline, log_odds, moved
from stream_mer.types import Event, Score

MS = 1_000_000
PERSON = 1


def score(t_ms: int, p: float, track: int = PERSON) -> Score:
    return Score(track, 0, 0, t_ms * MS, 100 * MS, (p / 5,) * 5)


def event(onset_ms: int, p: float = 0.9, track: int = PERSON) -> Event:
    times = (onset_ms * MS, (onset_ms + 50) * MS, (onset_ms + 100) * MS)
    return Event("", "v", 0, track, *times, "happiness", p, (p, 0.0, 0.0, 0.0, 0.0), 92.0, False)


def seen(course: list[float], share: float = 1.0) -> EvidenceBaseline:
    baseline = EvidenceBaseline(share)
    for i, p in enumerate(course):
        baseline.push([score(40 * i, p)])
    return baseline


def test_a_resting_face_keeps_its_evidence_and_a_restless_one_loses_some() -> None:
    rng = np.random.default_rng(0)
    assert seen([*rng.uniform(0.0001, 0.001, 100)]).excess(event(4000)) == 0
    busy = seen([*rng.uniform(0.2, 0.7, 100)])
    assert moved(event(4000, 0.95), -busy.excess(event(4000))).probability < 0.5


@given(share=st.floats(0.05, 1.0), odds=st.floats(-5.9, 5.0))
def test_a_share_of_what_is_usual_above_rest_is_taken_off(share: float, odds: float) -> None:
    p = 1 / (1 + np.exp(-odds))
    assert seen([p] * 100, share).excess(event(4000)) == pytest.approx(share * (odds + 6), abs=1e-6)


def test_too_little_says_nothing_and_share_zero_does_nothing() -> None:
    assert seen([0.6] * (ENOUGH - 1)).excess(event(4000)) == 0
    assert seen([0.6] * ENOUGH).excess(event(4000)) > 0
    nothing = seen([0.6] * 100, share=0.0)
    assert nothing.excess(event(4000)) == 0
    assert not nothing._steps


def test_what_the_event_showed_itself_and_what_came_after_it_is_not_usual() -> None:
    quiet = [0.001] * 60
    alone, with_itself = seen(quiet), seen([*quiet, *[0.99] * 60])
    assert with_itself.excess(event(60 * 40)) == alone.excess(event(60 * 40)) == 0
    assert with_itself.excess(event(120 * 40)) > 2


def test_all_windows_of_a_step_count_as_their_strongest() -> None:
    one, many = EvidenceBaseline(1.0), EvidenceBaseline(1.0)
    for i in range(100):
        one.push([score(40 * i, 0.6)])
        many.push([score(40 * i, 0.2), score(40 * i, 0.6), score(40 * i + 20, 0.4)])
    assert many.usual(PERSON, 0, 4000 * MS) == one.usual(PERSON, 0, 4000 * MS)


def test_tracks_do_not_mix_and_the_median_forgets() -> None:
    baseline = EvidenceBaseline(share=1.0)
    for i in range(100):
        baseline.push([score(40 * i, 0.7, 1), score(40 * i, 0.001, 2)])
    assert baseline.usual(1, 0, 4000 * MS) > baseline.resting + 2
    assert baseline.usual(2, 0, 4000 * MS) < baseline.resting
    assert baseline.usual(1, 1, 4000 * MS) == baseline.resting, "another epoch is another stream"
    for i in range(100, 700):
        baseline.push([score(40 * i, 0.005, 1)])
    assert baseline.usual(1, 0, 28_000 * MS) == pytest.approx(log_odds(0.005), abs=0.01)
    assert len(baseline._steps[(1, 0)]) <= 301


def test_weeks_of_passers_by_are_forgotten_but_not_who_is_still_there() -> None:
    baseline = EvidenceBaseline(share=1.0)
    for i in range(4 * MOST_FACES):
        baseline.push([score(40 * i, 0.7, 1), score(40 * i, 0.7, 2 + i)])
    assert len(baseline._steps) <= MOST_FACES
    assert baseline.usual(1, 0, 10**12) > baseline.resting + 2
    assert baseline.usual(2, 0, 10**12) == baseline.resting


@given(p=st.floats(0.01, 0.99), by=st.floats(-6, 6))
def test_moving_keeps_the_classes_shares_and_can_be_undone(p: float, by: float) -> None:
    five = tuple(p * share for share in (0.4, 0.3, 0.2, 0.1, 0.0))
    before = Event("", "v", 0, 1, 0, 1, 2, "happiness", p, five, 92.0, False)
    after = moved(before, by)
    assert log_odds(after.probability) == pytest.approx(log_odds(p) + by, abs=1e-6)
    assert sum(after.probabilities) == pytest.approx(after.probability)
    assert after.probabilities[0] == pytest.approx(4 / 3 * after.probabilities[1])
    assert moved(after, -by).probability == pytest.approx(p, abs=1e-6)
