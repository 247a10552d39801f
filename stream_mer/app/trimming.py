"""Gives freed memory back to the system now and then, so that a service is as large as what it holds."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from stream_mer.app.rounds import EVERY_S, Rounds

Trim = Callable[[int], int]


def trimming(trim: Trim | None = None, *, every_s: float = EVERY_S) -> Rounds:
    """Has the C library hand back what it keeps of freed memory; nothing where it cannot do it.

    glibc keeps freed pieces between others that are still in use, in one arena for every few threads.
    Pictures of many cameras come and go in dozens of threads: measured over five minutes with four
    cameras, 220 to 290 MB were in use all the time while 450 MB were kept.

    Args:
        trim: given 0 (keep nothing in reserve); the C library's own if it has one.
        every_s: pause between two calls.
    """
    found = trim or system_trim()
    return Rounds("trimming", None if found is None else lambda: found(0), every_s=every_s)


def system_trim() -> Trim | None:
    """``malloc_trim`` of glibc; None with another C library, which needs none."""
    try:
        trim: Trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # no such function; no such way to ask for it (Windows)
        return None
    return trim
