from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.core.assignment import assign


def brute(cost, unmatched):
    rows, columns = cost.shape
    padded = np.full((rows, columns + rows), unmatched)
    padded[:, :columns] = cost
    return min(sum(padded[r, c] for r, c in enumerate(p)) for p in permutations(range(columns + rows), rows))


@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 10_000), st.floats(0.1, 3))
def test_total_is_the_least_possible(rows, columns, seed, unmatched):
    cost = np.random.default_rng(seed).uniform(0, 3, (rows, columns))
    pairs = assign(cost, unmatched)
    assert len({r for r, _ in pairs}) == len({c for _, c in pairs}) == len(pairs)
    total = sum(cost[p] for p in pairs) + unmatched * (rows - len(pairs))
    assert np.isclose(total, brute(cost, unmatched))


def test_forbidden_and_dear_pairs_are_never_made():
    assert assign(np.array([[np.inf, 5.0], [0.1, np.inf]]), 2.0) == [(1, 0)]


def test_nothing_to_pair():
    assert assign(np.zeros((0, 3)), 1.0) == []
    assert assign(np.zeros((3, 0)), 1.0) == []


def test_greedy_would_be_wrong_here():
    assert assign(np.array([[1.0, 1.1], [1.0, 9.0]]), 20.0) == [(0, 1), (1, 0)]


def test_equal_costs_give_the_same_answer_every_time():
    assert assign(np.ones((3, 3)), 2.0) == [(0, 0), (1, 1), (2, 2)]
