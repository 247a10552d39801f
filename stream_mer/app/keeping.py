"""Holds a live run's recordings to their limits, whether or not its cameras deliver."""

from __future__ import annotations

import threading
import time

from stream_mer.sinks.retention import Retention, sweep

EVERY_S = 60.0


class Keeping:
    """A thread that deletes what is older or more than is kept, now and once a minute.

    Not a sink's business: a folder of many pictures takes long to look through, and pictures must also
    go while the camera that they came from is away.

    Args:
        retention: what may stay, and where.
        every_s: pause between two looks.
    """

    def __init__(self, retention: Retention, *, every_s: float = EVERY_S) -> None:
        self._retention, self._every_s = retention, every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go, name="keeping", daemon=True)

    def start(self) -> None:
        """Begin; does nothing without a limit."""
        if self._retention.limited:
            self._thread.start()

    def close(self) -> None:
        """Delete no more; idempotent."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _go(self) -> None:
        while True:
            sweep(self._retention, time.time())
            if self._over.wait(self._every_s):
                return
