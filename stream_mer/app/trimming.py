"""Gives freed memory back to the system now and then, so that a service is as large as what it holds."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable

EVERY_S = 60.0
Trim = Callable[[int], int]


class Trimming:
    """A thread that has the C library hand back what it keeps of freed memory.

    glibc keeps freed pieces between others that are still in use, in one arena for every few threads.
    Pictures of many cameras come and go in dozens of threads: measured over five minutes with four
    cameras, 220 to 290 MB were in use all the time while 450 MB were kept.

    Args:
        trim: given 0 (keep nothing in reserve); the C library's own if it has one.
        every_s: pause between two calls.
    """

    def __init__(self, trim: Trim | None = None, *, every_s: float = EVERY_S) -> None:
        self._trim, self._every_s = trim or system_trim(), every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go, name="trimming", daemon=True)

    def start(self) -> None:
        """Begin; does nothing where the C library cannot do it."""
        if self._trim is not None:
            self._thread.start()

    def close(self) -> None:
        """Trim no more; idempotent."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _go(self) -> None:
        while self._trim is not None and not self._over.wait(self._every_s):
            self._trim(0)


def system_trim() -> Trim | None:
    """``malloc_trim`` of glibc; None with another C library, which needs none."""
    try:
        trim: Trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # no such function; no such way to ask for it (Windows)
        return None
    return trim
