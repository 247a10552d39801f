"""Ctrl-C as something one can ask for, instead of an exception in the middle of closing a file."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Presses:
    """How often the user (or the system, by SIGTERM) has asked to stop."""

    def __init__(self) -> None:
        self.count = 0

    def press(self, *_: object) -> None:
        """One more; a signal's handler may do nothing but this."""
        self.count += 1


@contextmanager
def counted_presses() -> Iterator[Presses]:
    """Count SIGINT and SIGTERM inside the block, where this is the main thread; else nothing changes."""
    presses = Presses()
    if threading.current_thread() is not threading.main_thread():
        yield presses
        return
    before = {number: signal.signal(number, presses.press) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield presses
    finally:
        for number, old in before.items():
            signal.signal(number, signal.SIG_DFL if old is None else old)
