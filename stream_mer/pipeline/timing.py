"""How long each stage takes per item: percentiles from a bounded, evenly thinned sample."""

from __future__ import annotations

import threading
from time import perf_counter_ns

import numpy as np

SAMPLE = 8192
"""Most durations kept per stage: p99 then rests on some eighty values."""


class StageTimes:
    """Durations of one stage. ``add`` in the stage's thread, ``percentiles`` from any.

    Long runs keep every 2nd, 4th, 8th ... duration, so memory is bounded and early and late frames
    weigh the same.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[int] = []
        self._every = 1
        self._seen = 0

    def add(self, duration_ns: int) -> None:
        """Record one item's duration."""
        with self._lock:
            if self._seen % self._every == 0:
                self._kept.append(duration_ns)
                if len(self._kept) >= SAMPLE:
                    self._kept = self._kept[::2]
                    self._every *= 2
            self._seen += 1

    def percentiles(self) -> dict[str, float]:
        """``p50_ms``, ``p95_ms``, ``p99_ms``; empty if nothing was recorded."""
        with self._lock:
            kept = np.array(self._kept, np.float64)
        if not len(kept):
            return {}
        values = np.percentile(kept, (50, 95, 99)) / 1e6
        return {f"p{p}_ms": round(float(v), 3) for p, v in zip((50, 95, 99), values, strict=True)}


class Stopwatch:
    """Times one block of work: ``with Stopwatch(times): ...``."""

    def __init__(self, times: StageTimes) -> None:
        self._times = times
        self._start = 0

    def __enter__(self) -> None:
        self._start = perf_counter_ns()

    def __exit__(self, *_: object) -> None:
        self._times.add(perf_counter_ns() - self._start)
