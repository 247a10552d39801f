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


def test_malformed_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="counts must be"):
        CountTable(THRESHOLDS, np.zeros((1, 2, 4)), np.ones(1), ("a",))
