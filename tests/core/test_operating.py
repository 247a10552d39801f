"""Curves, thresholds for a rate, and intervals over people."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.core.operating import (
    CountTable,
    alarms,
    bootstrap,
    f1,
    precision,
    recall,
    right_class,
    threshold_for,
)

THRESHOLDS = np.array([0.5, 0.7, 0.9])


def table(rows: list[list[tuple[int, int, int, int]]], people: str = "abc") -> CountTable:
    return CountTable(THRESHOLDS, np.array(rows, float), np.full(len(rows), 0.5), tuple(people[: len(rows)]))


TWO = table([[(4, 6, 0, 3), (3, 1, 1, 3), (1, 0, 3, 1)], [(2, 2, 2, 1), (2, 1, 2, 1), (0, 0, 4, 0)]])


def test_measures_are_those_of_the_pooled_counts() -> None:
    assert recall(TWO) == pytest.approx([6 / 8, 5 / 8, 1 / 8])
    assert precision(TWO) == pytest.approx([6 / 14, 5 / 7, 1.0])
    assert alarms(TWO) == pytest.approx([8, 2, 0])
    assert f1(TWO) == pytest.approx([12 / 22, 10 / 15, 2 / 9])
    assert right_class(TWO) == pytest.approx([4 / 6, 4 / 5, 1.0])


def test_nothing_there_is_no_number() -> None:
    empty = table([[(0, 0, 0, 0)] * 3])
    assert np.isnan(recall(empty)).all()
    assert np.isnan(bootstrap(empty, recall, 10)).all()
    assert (alarms(empty) == 0).all()


@pytest.mark.parametrize(("rate", "threshold"), [(8.0, 0.5), (7.9, 0.7), (2.0, 0.7), (1.0, 0.9), (0.0, 0.9)])
def test_the_threshold_for_a_rate_is_the_lowest_that_keeps_it(rate: float, threshold: float) -> None:
    assert threshold_for(TWO, rate) == threshold


def test_a_dip_in_the_alarms_below_the_rate_is_not_trusted() -> None:
    """More alarms at a higher threshold (a veto's side effect): the rate must hold from there on."""
    odd = table([[(1, 1, 0, 1), (1, 3, 0, 1), (1, 0, 0, 1)]])
    assert threshold_for(odd, 2.0) == 0.9


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=6))
def test_the_interval_holds_the_value_and_one_person_has_none(rows: list[tuple[int, int]]) -> None:
    counts = [[(a, b, b, 0)] * 3 for a, b in rows]
    many = CountTable(
        THRESHOLDS, np.array(counts, float), np.ones(len(rows)), tuple(map(str, range(len(rows))))
    )
    low, high = bootstrap(many, alarms, 200)
    assert (low <= alarms(many) + 1e-9).all()
    assert (high >= alarms(many) - 1e-9).all()
    one = CountTable(many.thresholds, many.counts, many.minutes, ("x",) * len(rows))
    low, high = bootstrap(one, alarms, 20)
    assert np.allclose(low, high)
    assert np.allclose(low, alarms(one))


def alarms_of(per_person: dict[str, list[int]]) -> CountTable:
    """One minute and so many false alarms a trial, several trials a person."""
    rows = [(person, count) for person, counts in per_person.items() for count in counts]
    counts = np.array([[(0, count, 0, 0)] * 3 for _, count in rows], float)
    return CountTable(THRESHOLDS, counts, np.ones(len(rows)), tuple(person for person, _ in rows))


def test_people_are_drawn_whole_and_their_trials_pooled() -> None:
    """Only a is drawn (three trials of 4 alarms), only b (one of 8), or both (20 in four minutes)."""
    two = alarms_of({"a": [4, 4, 4], "b": [8]})
    assert bootstrap(two, alarms, 200)[:, 0].tolist() == [4.0, 8.0]
    mixed = alarms_of({"a": [0, 12], "b": [6]})
    assert bootstrap(mixed, alarms, 200)[:, 0].tolist() == [6.0, 6.0], "a's own trials never come apart"


def test_the_interval_leaves_out_the_outer_fortieths() -> None:
    """Three people of 0 and three of 6: all drawn are of 0 with a chance of 1 in 64, 1.6 %."""
    six = alarms_of({name: [6 * (name > "c")] for name in "abcdef"})
    assert bootstrap(six, alarms, 8000)[:, 0].tolist() == [1.0, 5.0]
    three = alarms_of({"a": [0], "b": [3], "c": [6]})  # of 0 only: 1 in 27, 3.7 %
    assert bootstrap(three, alarms, 4000)[:, 0].tolist() == [0.0, 6.0]


def test_a_draw_that_gives_no_number_does_not_take_the_interval_away() -> None:
    """Who has no event has no recall; drawn alone, that is no number."""
    counts = np.array([[(3, 0, 1, 0)] * 3, [(0, 0, 0, 0)] * 3], float)
    half = CountTable(THRESHOLDS, counts, np.ones(2), ("a", "b"))
    assert bootstrap(half, recall, 200)[:, 0].tolist() == [0.75, 0.75]


def test_the_nearest_threshold_is_taken() -> None:
    assert [TWO.at(t) for t in (0.0, 0.59, 0.61, 0.81, 1.0)] == [0, 0, 1, 2, 2]


def test_malformed_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="counts must be"):
        CountTable(THRESHOLDS, np.zeros((1, 2, 4)), np.ones(1), ("a",))
