"""Real time, in nanoseconds, with a wait that another thread can cut short."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from stream_mer.protocols import Clock

_NS_PER_S = 1_000_000_000
_LONGEST_WAIT_S = 3600.0
"""Longest single wait; ``Event.wait`` overflows on some systems with very large values."""


class InterruptibleClock(Clock, Protocol):
    """A clock whose ``wait_until`` can be ended from another thread."""

    def interrupt(self) -> None:
        """End the present wait and every later one at once. Callable from any thread."""
        ...


class MonotonicClock:
    """The system's monotonic clock: it never goes back, also when the wall clock is set.

    One instance belongs to one source, because an interruption is for good.
    """

    def __init__(self) -> None:
        self._interrupted = threading.Event()

    def now_ns(self) -> int:
        """Nanoseconds since an arbitrary start."""
        return time.monotonic_ns()

    def wait_until(self, deadline_ns: int) -> bool:
        """Block until ``deadline_ns``; False if interrupted, before or meanwhile."""
        while (left_ns := deadline_ns - time.monotonic_ns()) > 0:
            if self._interrupted.wait(min(left_ns / _NS_PER_S, _LONGEST_WAIT_S)):
                return False
        return not self._interrupted.is_set()

    def interrupt(self) -> None:
        """End the present wait and every later one at once. Callable from any thread."""
        self._interrupted.set()
