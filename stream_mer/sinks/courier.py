"""Takes events from an outbox to their destination, one after the other, until they arrive."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from typing import Protocol

from stream_mer.errors import OutputError
from stream_mer.sinks.event_stream import EventLines
from stream_mer.sinks.outbox import Counts, Letter, Outbox
from stream_mer.types import Result, RunSummary

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0
CLOSING_S = 3.0
"""How long closing waits for events that are still on their way; the rest is sent at the next start."""
LOOK_S = 1.0
"""How often an idle courier looks for events of another process, and whether that one still sends."""

log = logging.getLogger("stream_mer.events")


class Refused(Exception):  # noqa: N818  (a signal to the courier, not an error of the user's)
    """The destination will never take this event."""


class Carrier(Protocol):
    """One way to deliver."""

    @property
    def name(self) -> str:
        """For logs and metrics; without credentials."""
        ...

    def deliver(self, letter: Letter) -> None:
        """Hand over one event; it has arrived when this returns.

        Raises:
            Refused: this event will never be taken.
            OSError: not now; try again later.
        """
        ...

    def close(self) -> None:
        """Hang up; idempotent."""
        ...


class Courier:
    """A thread that empties an outbox.

    Args:
        outbox: belongs to this object from now on.
        carrier: built, used and closed in the courier's thread.
        pauses_s: first and longest pause between attempts; they double in between, with jitter.
    """

    def __init__(
        self,
        outbox: Outbox,
        carrier: Callable[[], Carrier],
        *,
        pauses_s: tuple[float, float] = (FIRST_PAUSE_S, LONGEST_PAUSE_S),
    ) -> None:
        self._outbox, self._carrier, self._pauses_s = outbox, carrier, pauses_s
        self._news = threading.Event()
        self._lock = threading.Lock()  # no event slips in between finding nothing and saying so
        self._empty = threading.Event()
        self._over = threading.Event()
        self._failures = 0
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="courier", daemon=True)
        self._thread.start()

    def send(self, event_id: str, body: str) -> None:
        """Take an event; returns as soon as it is safe on disk.

        Raises:
            OutputError: it is not.
        """
        with self._lock:
            self._empty.clear()
            try:
                self._outbox.put(event_id, body)
            finally:
                self._news.set()

    def counts(self) -> Counts:
        """Where all events are."""
        return self._outbox.counts()

    def close(self) -> Counts:
        """Give what waits a last, short chance, then stop; idempotent. Returns where all events are."""
        if not self._closed:
            self._closed = True
            self._empty.wait(CLOSING_S)
            self._over.set()
            self._news.set()
            self._thread.join(CLOSING_S)
            self._last = self._outbox.counts()
            self._outbox.close()
        return self._last

    def _work(self) -> None:
        carrier = self._carrier()
        try:
            while not self._over.is_set():
                self._news.clear()
                try:
                    letter = self._next()
                    if letter is None:
                        self._news.wait(LOOK_S)
                    elif not self._try(carrier, letter):
                        self._over.wait(self._pause_s())
                except OutputError as error:  # a full disk must not end the delivery for good
                    self._failed(str(error).partition("\n")[0])
                    self._over.wait(self._pause_s())
        finally:
            self._empty.set()
            carrier.close()

    def _next(self) -> Letter | None:
        with self._lock:
            # Another process with this destination may be sending; each would send everything.
            letter = self._outbox.oldest() if self._outbox.on_duty() else None
            if letter is None:
                self._empty.set()
        return letter

    def _try(self, carrier: Carrier, letter: Letter) -> bool:
        try:
            carrier.deliver(letter)
        except Refused as error:
            log.error("%s refused event %s, which is lost: %s", carrier.name, letter.id, error)
            self._outbox.settle(letter.key, delivered=False)
        except OSError as error:
            self._failed(f"{carrier.name} does not take events, trying again: {error}")
            return False
        else:
            self._outbox.settle(letter.key, delivered=True)
            if self._failures:
                log.info("%s takes events again", carrier.name)
        self._failures = 0
        return True

    def _failed(self, words: str) -> None:
        """Count a failure in a row, and tell the first one."""
        if self._failures == 0:
            log.warning("%s", words)
        self._failures += 1

    def _pause_s(self) -> float:
        first, longest = self._pauses_s
        return float(min(longest, first * 2.0 ** min(self._failures - 1, 30)) * (0.8 + 0.2 * random.random()))


class DeliverySink:
    """Sink that hands every event of one camera to a courier; the courier outlives it.

    Args:
        courier: shared by all cameras.
        lines: how events are written.
    """

    def __init__(self, courier: Courier, lines: EventLines) -> None:
        self._courier, self._lines = courier, lines
        self._closed = False

    def write(self, result: Result) -> None:
        """Queue the events decided with this frame; never waits for the network.

        Raises:
            OutputError: they cannot be kept on disk, or the sink is closed.
        """
        if self._closed:
            raise OutputError("the delivery of events is already closed; nothing can be sent")
        for event in result.events:
            self._courier.send(event.id, self._lines.of(event).rstrip("\n"))

    def close(self, summary: RunSummary | None) -> None:  # noqa: ARG002  (the protocol's signature)
        """Nothing more comes; idempotent."""
        self._closed = True
