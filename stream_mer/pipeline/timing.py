"""How long each stage takes per item: percentiles from a bounded, evenly thinned sample, and a histogram."""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from time import perf_counter_ns

import numpy as np

SAMPLE = 8192
"""Most durations kept per stage: p99 then rests on some eighty values."""
BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the histogram's buckets, s: from a small network to a stage that hangs."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of durations up to each of ``BOUNDS_S`` (cumulative), then of all; and their sum."""

    counts: tuple[int, ...]
    sum_s: float


class StageTimes:
    """Durations of one stage. ``add`` in the stage's thread, the rest from any.

    Long runs keep every 2nd, 4th, 8th ... duration, so memory is bounded and early and late frames
    weigh the same. The histogram counts every duration.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept = array("q")  # numbers, not objects: a fifth of the memory
        self._every = 1
        self._seen = 0
        self._sum_ns = 0
        self._buckets = [0] * (len(BOUNDS_S) + 1)

    def add(self, duration_ns: int) -> None:
        """Record one item's duration."""
        with self._lock:
            self._buckets[bisect_left(BOUNDS_S, duration_ns / 1e9)] += 1
            self._sum_ns += duration_ns
            if self._seen % self._every == 0:
                self._kept.append(duration_ns)
                if len(self._kept) >= SAMPLE:
                    self._kept = self._kept[::2]
                    self._every *= 2
            self._seen += 1

    def quantiles(self, points: int) -> tuple[int, list[int]]:
        """How many durations there were, and up to ``points`` of them, evenly spread by rank, ns."""
        with self._lock:
            kept, seen = np.sort(np.array(self._kept, np.int64)), self._seen
        ranks = np.linspace(0, len(kept) - 1, min(points, len(kept))).round().astype(np.intp)
        return seen, [int(v) for v in kept[ranks]] if len(kept) else []

    @classmethod
    def pooled(cls, parts: Iterable[tuple[int, list[int]]], points: int) -> StageTimes:
        """The times of a stage that ran in several pieces, each given as by ``quantiles``.

        A piece has a say in proportion to its count.
        """
        parts = [(count, values) for count, values in parts if values]
        most = max((count for count, _ in parts), default=1)
        times = cls()
        for count, values in parts:
            share = max(1, round(points * count / most))
            ranks = np.linspace(0, len(values) - 1, share).round().astype(np.intp)
            for rank in ranks:
                times.add(values[rank])
        return times

    def percentiles(self) -> dict[str, float]:
        """``p50_ms``, ``p95_ms``, ``p99_ms``; empty if nothing was recorded."""
        with self._lock:
            kept = np.array(self._kept, np.float64)
        if not len(kept):
            return {}
        values = np.percentile(kept, (50, 95, 99)) / 1e6
        return {f"p{p}_ms": round(float(v), 3) for p, v in zip((50, 95, 99), values, strict=True)}

    def histogram(self) -> Histogram:
        """Every duration so far, counted into buckets."""
        with self._lock:
            counts, sum_ns = tuple(int(n) for n in np.cumsum(self._buckets)), self._sum_ns
        return Histogram(counts, sum_ns / 1e9)


class Stopwatch:
    """Times one block of work: ``with Stopwatch(times): ...``."""

    def __init__(self, times: StageTimes) -> None:
        self._times = times
        self._start = 0

    def __enter__(self) -> None:
        self._start = perf_counter_ns()

    def __exit__(self, *_: object) -> None:
        self._times.add(perf_counter_ns() - self._start)
