"""The queue between two threads: it blocks, or drops the oldest and counts what it dropped."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")
BURST_S = 0.5
"""How long a queue may be longer than its capacity: cameras pause 0.4 to 0.5 s around key frames."""


class Full(Enum):
    """What happens to a put when the channel is full."""

    BLOCK = "block"
    DROP_OLDEST = "drop_oldest"


@dataclass(frozen=True, slots=True)
class End:
    """The stream ended as it should."""


class Closed(Exception):  # noqa: N818  (a signal between threads, not an error of the user's)
    """The channel was aborted: the other side has gone away."""


class Channel(Generic[T]):
    """Bounded, one producer, one consumer. Every method may be called from any thread.

    Args:
        capacity: most items waiting.
        burst: with DROP_OLDEST, most items waiting for a short while: cameras pause around their key
            frames and then send everything at once. A queue that stays long for ``BURST_S`` is not a
            burst, and is held to ``capacity``.
        full: BLOCK for files, where nothing may be lost; DROP_OLDEST for the one lossy edge of live
            sources.
        on_drop: told of every item that is thrown away; called while the channel is locked, so that
            nobody sees the item neither here nor there.

    Attributes:
        dropped: items thrown away because the consumer was too slow.
    """

    def __init__(
        self,
        capacity: int,
        full: Full = Full.BLOCK,
        *,
        burst: int = 0,
        on_drop: Callable[[T], None] | None = None,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"a channel needs room for one item, got {capacity}")
        self._items: deque[T | End] = deque()
        self._capacity = capacity
        self._full = full
        self._on_drop = on_drop
        self._short_at = monotonic()
        self.burst = max(burst, capacity)
        self._changed = threading.Condition()
        self._aborted = False
        self.dropped = 0

    def put(self, item: T) -> None:
        """Add an item; blocks or drops the oldest when full.

        Raises:
            Closed: the channel was aborted.
        """
        with self._changed:
            if self._full is Full.DROP_OLDEST:
                now = monotonic()
                if len(self._items) <= self._capacity // 2:
                    self._short_at = now
                limit = self.burst if now - self._short_at < BURST_S else self._capacity
                while len(self._items) >= limit:
                    oldest = self._items.popleft()
                    self.dropped += 1
                    if self._on_drop is not None and not isinstance(oldest, End):
                        self._on_drop(oldest)
            else:
                while len(self._items) >= self._capacity and not self._aborted:
                    self._changed.wait()
            if self._aborted:
                raise Closed
            self._items.append(item)
            self._changed.notify_all()

    def end(self) -> None:
        """Say that no item will follow; what waits is still delivered. Never blocks."""
        with self._changed:
            self._items.append(End())
            self._changed.notify_all()

    def get(self) -> T | End:
        """The next item, or End.

        Raises:
            Closed: the channel was aborted.
        """
        with self._changed:
            while not self._items and not self._aborted:
                self._changed.wait()
            return self._take()

    def poll(self, timeout_s: float) -> T | End | None:
        """The next item, or End, or None if none came in time.

        Raises:
            Closed: the channel was aborted.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._items or self._aborted, timeout_s):
                return None
            return self._take()

    def _take(self) -> T | End:
        if self._aborted:
            raise Closed
        item = self._items.popleft()
        self._changed.notify_all()
        return item

    def abort(self) -> None:
        """Make every present and later put and get raise Closed; what waits is discarded."""
        with self._changed:
            self._aborted = True
            self._items.clear()
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._items)
