"""What each threshold would have given: recall against false alarms, with intervals over people.

Counts are kept per trial and threshold, so a curve, a point on it and its bootstrap interval are sums
over the same table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_mer.types import ArrayF64

THRESHOLDS: ArrayF64 = 1 / (1 + np.exp(-np.linspace(-2.3, 9.0, 114)))
"""Probabilities at which curves are drawn: even steps of 0.1 in log odds, 0.09 to 0.9999."""
ROUNDS = 1000
TP, FP, FN, RIGHT = range(4)
Measure = Callable[["CountTable"], ArrayF64]


@dataclass(frozen=True, slots=True)
class CountTable:
    """Counts of several trials at several thresholds.

    ``counts`` is ``(trials, thresholds, 4)``: true and false positives, false negatives, hits of the right
    class. ``minutes`` ``(trials,)``; ``people`` says who is in each trial.
    """

    thresholds: ArrayF64
    counts: NDArray[np.float64]
    minutes: ArrayF64
    people: tuple[str, ...]

    def __post_init__(self) -> None:
        shape = (len(self.people), len(self.thresholds), 4)
        if self.counts.shape != shape or self.minutes.shape != shape[:1]:
            raise ValueError(f"counts must be {shape} with minutes per trial, got {self.counts.shape}")

    def total(self) -> ArrayF64:
        """``(thresholds, 4)`` sums over all trials."""
        total: ArrayF64 = self.counts.sum(0)
        return total

    def at(self, threshold: float) -> int:
        """Index of the nearest threshold."""
        return int(np.abs(self.thresholds - threshold).argmin())

    def select(self, rows: Sequence[int] | NDArray[np.intp]) -> CountTable:
        """The table of these trials, repeats allowed."""
        people = tuple(self.people[i] for i in rows)
        index = np.asarray(rows, np.intp)
        return CountTable(self.thresholds, self.counts[index], self.minutes[index], people)


def recall(table: CountTable) -> ArrayF64:
    """Share of the true events that were found, per threshold; nan if there was none."""
    total = table.total()
    return _ratio(total[:, TP], total[:, TP] + total[:, FN])


def precision(table: CountTable) -> ArrayF64:
    """Share of the reported events that are true, per threshold; nan where none was reported."""
    total = table.total()
    return _ratio(total[:, TP], total[:, TP] + total[:, FP])


def f1(table: CountTable) -> ArrayF64:
    """F1 of spotting per threshold, pooled over trials; nan if nothing was there and nothing found."""
    total = table.total()
    return _ratio(2 * total[:, TP], 2 * total[:, TP] + total[:, FP] + total[:, FN])


def alarms(table: CountTable) -> ArrayF64:
    """Unmatched events a minute per threshold."""
    return _ratio(table.total()[:, FP], np.full(len(table.thresholds), table.minutes.sum()))


def right_class(table: CountTable) -> ArrayF64:
    """Share of the hits with the right class, per threshold."""
    total = table.total()
    return _ratio(total[:, RIGHT], total[:, TP])


def bootstrap(table: CountTable, measure: Measure, rounds: int = ROUNDS, seed: int = 0) -> ArrayF64:
    """``(2, thresholds)`` 95 % interval of a measure when people are drawn anew with replacement.

    Source: percentile bootstrap over clusters (Field and Welsh 2007); with a handful of people the
    intervals are too narrow rather than too wide.
    """
    names = sorted(set(table.people))
    rows = {name: [i for i, p in enumerate(table.people) if p == name] for name in names}
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(rounds):
        drawn = rng.integers(len(names), size=len(names))
        found.append(measure(table.select([i for n in drawn for i in rows[names[n]]])))
    stacked = np.array(found)
    low_high = np.full((2, stacked.shape[1]), np.nan)
    known = ~np.isnan(stacked).all(0)
    low_high[:, known] = np.nanpercentile(stacked[:, known], (2.5, 97.5), axis=0)
    return low_high


def threshold_for(table: CountTable, per_minute: float) -> float:
    """The lowest threshold from which on there are at most so many false alarms a minute."""
    few = alarms(table) <= per_minute
    stays = np.logical_and.accumulate(few[::-1])[::-1]
    return float(table.thresholds[int(stays.argmax())]) if stays.any() else float(table.thresholds[-1])


def _ratio(upper: ArrayF64, lower: ArrayF64) -> ArrayF64:
    out: ArrayF64 = np.full(len(upper), np.nan)
    np.divide(upper, lower, out=out, where=lower > 0)
    return out
