"""Keeps a live source alive: when the connection is lost, it is made again."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from stream_mer.capture.backoff import Backoff, BackoffSettings, is_final
from stream_mer.capture.clock import InterruptibleClock
from stream_mer.capture.faults import ENDED
from stream_mer.errors import SourceError
from stream_mer.protocols import Source
from stream_mer.types import Frame, SourceInfo

_KEPT_WARNINGS = 20
"""Warnings kept of connections that have ended; a camera may reconnect for weeks."""


@dataclass(frozen=True, slots=True)
class LinkChange:
    """What happened to a connection, for logs and counters.

    ``lost``: the connection broke or an attempt to make it again failed, for ``reason`` (one word) as
    ``words`` say; tried again in ``pause_s``. Otherwise pictures came again, after ``outage_s``.
    """

    lost: bool
    reason: str = ""
    words: str = ""
    pause_s: float = 0.0
    outage_s: float = 0.0


class ReconnectingSource:
    """A live source around a factory of connections.

    Every new connection is a new epoch. Time goes on across epochs by the clock, so the outage shows
    as a gap of its true length. The first connection is made while building, and its failure is
    raised there: a wrong address should say so at once instead of being tried for ever.

    Args:
        connect: Opens a fresh connection; called in the thread that builds and iterates.
        clock: Time and waiting; ``interrupt`` interrupts it for good.
        backoff: Pauses between attempts.
        chance: Random numbers in 0..1 for the jitter.
        observe: Told of every loss and return, in the thread that iterates.

    Raises:
        SourceError: The first connection failed.
    """

    def __init__(
        self,
        connect: Callable[[], Source],
        clock: InterruptibleClock,
        *,
        backoff: BackoffSettings | None = None,
        chance: Callable[[], float] = random.random,
        observe: Callable[[LinkChange], None] = lambda _: None,
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._backoff = Backoff(backoff)
        self._chance = chance
        self._observe = observe
        self._lock = threading.Lock()  # no new connection slips past interrupt()
        self._stop = threading.Event()
        self._source: Source | None = connect()
        self._info = replace(self._source.info, live=True, frames=None, duration_s=None)
        self._losses: Counter[str] = Counter()
        self._old_warnings: list[str] = []
        self._reconnects = 0
        self._outages = 0
        self._outage_ns = 0
        self._last_error = ""

    @property
    def info(self) -> SourceInfo:
        """That of the first connection."""
        return self._info

    @property
    def reconnects(self) -> int:
        """Connections made after the first one."""
        return self._reconnects

    @property
    def losses(self) -> Mapping[str, int]:
        """Sum over all connections."""
        source = self._source  # another thread may be reading this
        return MappingProxyType(dict(self._losses + Counter(source.losses if source else {})))

    @property
    def warnings(self) -> Sequence[str]:
        """Those of the connections, the latest last, and how often the connection was lost."""
        lines = list(dict.fromkeys(self._old_warnings))
        source = self._source
        lines += source.warnings if source else ()
        if self._last_error:
            lines.append(
                f"connections lost: {self._outages}, made again: {self._reconnects}, without pictures for "
                f"{self._outage_ns / 1e9:.1f} s; last reason: {self._last_error}"
            )
        return tuple(lines)

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames over all connections; see `stream_mer.protocols.Source`.

        Raises:
            SourceError: Trying again is pointless, because the server refuses the credentials.
        """
        index, epoch = 0, 0
        last_ns: int | None = None  # on the time line of this source
        seen_ns = 0  # on the clock
        while self._source is not None and not self._stop.is_set():
            offset_ns, first_epoch = None, 0
            error: SourceError | None = None
            try:
                for frame in self._source:
                    now_ns = self._clock.now_ns()
                    if offset_ns is None:
                        self._backoff.connected(now_ns)
                        gap_ns = 0 if last_ns is None else max(1, now_ns - seen_ns)
                        self._outage_ns += gap_ns
                        if last_ns is not None:
                            self._observe(LinkChange(False, outage_s=gap_ns / 1e9))
                        start_ns = (last_ns or 0) + gap_ns
                        offset_ns = start_ns - frame.pts_ns
                        epoch += last_ns is not None
                        first_epoch = epoch - frame.epoch
                    last_ns, seen_ns = frame.pts_ns + offset_ns, now_ns
                    epoch = first_epoch + frame.epoch
                    yield Frame(index, last_ns, frame.rgb, epoch)
                    index += 1
            except SourceError as caught:
                error = caught
            if not self._stop.is_set():
                self._outages += 1
                self._renew(error)

    def interrupt(self) -> None:
        """End the iteration, also during a pause between attempts. Callable from any thread."""
        with self._lock:
            self._stop.set()
            if self._source is not None:
                self._source.interrupt()
        self._clock.interrupt()

    def close(self) -> None:
        """Close the present connection; idempotent."""
        self._retire()

    def _renew(self, error: SourceError | None) -> None:
        """Pause and connect until it works; leave no connection if interrupted meanwhile."""
        self._retire()
        while not self._stop.is_set():
            self._last_error = str(error).partition("\n")[0] if error else "the stream ended"
            if error is not None and is_final(error, was_connected=True):
                raise error
            now_ns = self._clock.now_ns()
            again_ns = self._backoff.lost(now_ns, self._chance())
            reason = error.reason if error is not None else ENDED
            self._observe(LinkChange(True, reason, self._last_error, (again_ns - now_ns) / 1e9))
            if not self._clock.wait_until(again_ns):
                return
            try:
                source = self._connect()
            except SourceError as caught:
                error = caught
                continue
            self._reconnects += 1
            with self._lock:
                self._source = source
                if self._stop.is_set():
                    source.interrupt()
            return

    def _retire(self) -> None:
        with self._lock:
            source, self._source = self._source, None
        if source is None:
            return
        self._losses += Counter(source.losses)
        self._old_warnings = [*self._old_warnings, *source.warnings][-_KEPT_WARNINGS:]
        source.close()
