"""A thread that does one thing again and again, for what a service has to look after now and then."""

from __future__ import annotations

import threading
from collections.abc import Callable

EVERY_S = 60.0


class Rounds:
    """Calls an action at once and then after every pause, until it is closed.

    Args:
        name: of the thread.
        action: what to do; None: nothing, ever.
        every_s: pause between two calls.
    """

    def __init__(self, name: str, action: Callable[[], object] | None, *, every_s: float = EVERY_S) -> None:
        self._action, self._every_s = action, every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go, name=name, daemon=True)

    def start(self) -> None:
        """Begin; does nothing without an action."""
        if self._action is not None:
            self._thread.start()

    def close(self) -> None:
        """No more of it; waits for the one under way; idempotent."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _go(self) -> None:
        while self._action is not None and not self._over.is_set():
            self._action()
            self._over.wait(self._every_s)
