"""Where every captured frame is: on its way, processed, or dropped for a named cause."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from time import perf_counter_ns, time_ns

REMEMBERED = 512
"""Arrival times kept for frames that are done: sinks ask for them a little later."""
ANCHOR_NS = 60_000_000_000
"""The wall clock is compared anew every minute: cameras' clocks drift by seconds a day."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One consistent reading: ``captured == processed + sum(dropped) + in_flight``, always.

    ``in_flight`` is counted from the frames themselves, not computed from the other figures, so the
    equation can fail and is worth watching. ``last_ns`` is when the last frame was captured.
    """

    captured: int
    processed: int
    dropped: dict[str, int]
    in_flight: int
    last_ns: int | None


class Ledger:
    """Books every frame in and out. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._captured = self._processed = 0
        self._dropped: Counter[str] = Counter()
        self._under_way: dict[int, int] = {}
        self._arrivals: dict[int, int] = {}
        self._last_ns: int | None = None
        self._zeros: list[int] = []
        self._zero_since = 0

    def capture(self, index: int, pts_ns: int = 0) -> None:
        """Frame ``index`` has been read from the source; its time there is ``pts_ns``."""
        now, zero = perf_counter_ns(), time_ns() - pts_ns
        with self._lock:
            # Delays only ever add: of many comparisons the smallest is the truest.
            if not self._zeros or now - self._zero_since > ANCHOR_NS:
                self._zeros, self._zero_since = [*self._zeros[-1:], zero], now
            self._zeros[-1] = min(self._zeros[-1], zero)
            self._captured += 1
            self._under_way[index] = self._arrivals[index] = self._last_ns = now
            if len(self._arrivals) > REMEMBERED:
                del self._arrivals[next(iter(self._arrivals))]

    def drop(self, index: int, cause: str) -> None:
        """Frame ``index`` will not be processed."""
        with self._lock:
            if self._under_way.pop(index, None) is not None:
                self._dropped[cause] += 1

    def process(self, index: int) -> None:
        """Frame ``index`` has gone all the way to the sinks' queues."""
        with self._lock:
            if self._under_way.pop(index, None) is not None:
                self._processed += 1

    def settle(self, cause: str) -> None:
        """The run is over: whatever is still under way was dropped."""
        with self._lock:
            if self._under_way:
                self._dropped[cause] += len(self._under_way)
                self._under_way.clear()

    def age_ns(self, index: int) -> int | None:
        """Time since frame ``index`` was captured; None if that is long ago."""
        with self._lock:
            since = self._arrivals.get(index)
        return None if since is None else perf_counter_ns() - since

    def utc_ns(self, pts_ns: int) -> int:
        """The UTC time (ns since 1970) of a time of the source, right to the network's delay."""
        with self._lock:
            return (min(self._zeros) if self._zeros else time_ns()) + pts_ns

    def read(self) -> Flow:
        """The figures of one moment."""
        with self._lock:
            return Flow(
                self._captured, self._processed, dict(self._dropped), len(self._under_way), self._last_ns
            )
