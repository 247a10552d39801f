"""Pairs rows with columns at the least total cost, exactly: which detection is which known face."""

from __future__ import annotations

import numpy as np

from stream_mer.types import ArrayF64


def assign(cost: ArrayF64, unmatched: float) -> list[tuple[int, int]]:
    """Pairs ``(row, column)`` that minimise the sum of costs, where staying alone costs ``unmatched``.

    A pair dearer than ``unmatched`` (or infinite) is never made. Ties fall to lower indices, so the
    answer is deterministic.

    Args:
        cost: ``(rows, columns)``, may contain ``inf``.
        unmatched: price of leaving one row and one column without partner.

    Returns:
        Pairs sorted by row.

    Source: shortest augmenting paths (Jonker & Volgenant 1987), O(n^3); n is a handful of faces.
    """
    rows, columns = cost.shape
    if rows == 0 or columns == 0:
        return []
    # one private dummy column per row: leaving the row alone is always possible
    padded = np.full((rows, columns + rows), unmatched, np.float64)
    padded[:, :columns] = np.where(np.isfinite(cost), np.minimum(cost, 2 * unmatched + 1), 2 * unmatched + 1)
    pairs = _shortest_paths(padded)
    return [(r, c) for r, c in pairs if c < columns and cost[r, c] <= unmatched]


def _shortest_paths(cost: ArrayF64) -> list[tuple[int, int]]:
    """Full assignment of the rows of a wide matrix."""
    n, m = cost.shape
    row_price, column_price = np.zeros(n), np.zeros(m)
    owner = np.full(m, -1)  # row that holds a column
    for start in range(n):
        distance, came_from, done = np.full(m, np.inf), np.full(m, -1), np.zeros(m, bool)
        row, column, reached = start, -1, 0.0
        while row >= 0:
            through = reached + cost[row] - row_price[row] - column_price
            better = ~done & (through < distance)
            distance[better], came_from[better] = through[better], column
            column = int(np.argmin(np.where(done, np.inf, distance)))
            reached = float(distance[column])
            done[column] = True
            row = int(owner[column])
        for c in np.flatnonzero(done):
            gain = reached - distance[c]
            column_price[c] -= gain
            if owner[c] >= 0:
                row_price[owner[c]] += gain
        row_price[start] += reached
        while column >= 0:  # flip the path
            previous = int(came_from[column])
            owner[column] = owner[previous] if previous >= 0 else start
            column = previous
    return sorted((int(owner[c]), int(c)) for c in range(m) if owner[c] >= 0)
