"""Logits become probabilities: rows sum to one, hotter is nearer to even, a bias speaks for none."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.core.reading import Reading

ROWS = st.lists(st.lists(st.floats(-50, 50), min_size=6, max_size=6), min_size=1, max_size=5)


@given(ROWS, st.floats(0.1, 5), st.floats(-5, 5))
def test_rows_sum_to_one_and_the_logits_stay_as_they_were(
    rows: list[list[float]], temperature: float, bias: float
) -> None:
    logits = np.array(rows)
    table = Reading(temperature, bias).probabilities(logits)
    assert np.allclose(table.sum(1), 1)
    assert (table >= 0).all()
    assert np.array_equal(logits, np.array(rows))


def test_a_bias_moves_the_odds_of_none_alone() -> None:
    logits = np.array([[2.0, 1.0, 0.0, 0.0, 0.0, 1.0]], np.float32)
    plain, biased = (Reading(2.0, b).probabilities(logits)[0] for b in (0.0, 1.5))
    assert np.isclose(np.log(biased[5] / biased[0]) - np.log(plain[5] / plain[0]), 1.5)
    assert np.allclose(biased[:5] / biased[:5].sum(), plain[:5] / plain[:5].sum())
    hot = Reading(10.0).probabilities(logits)[0]
    assert hot.max() - hot.min() < plain.max() - plain.min()
