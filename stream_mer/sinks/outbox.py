"""A bounded queue on disk for events that wait to be sent; nothing is lost without being counted.

SQLite keeps the queue and the counts in one transaction, so that after a crash or a power cut
``accepted == delivered + lost + waiting`` still holds to the last event.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stream_mer.errors import OutputError
from stream_mer.sinks.duty import take_duty

CAPACITY = 10_000
"""Most events that wait: months of them for one camera, and some 10 MB."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One event on its way: ``key`` is its place in the queue, ``body`` one line of JSON."""

    key: int
    id: str
    body: str


@dataclass(frozen=True, slots=True)
class Counts:
    """``accepted == delivered + overflowed + refused + waiting``."""

    accepted: int
    delivered: int
    overflowed: int
    refused: int
    waiting: int


class Outbox:
    """The queue of one destination. Every method may be called from any thread.

    Args:
        path: the database file; its folder is made. What waited there is sent on.
        capacity: most events that wait; beyond it the oldest is given up, and counted.

    Raises:
        OutputError: the file cannot be used.
    """

    def __init__(self, path: Path, *, capacity: int = CAPACITY) -> None:
        if capacity < 1:
            raise ValueError(f"an outbox needs room for one event, got {capacity}")
        self.path, self._capacity = path, capacity
        self._lock = threading.Lock()
        self._duty: BinaryIO | None = None
        self._closed = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            # Else damage shows with the first event, and ends the watching then.
            if (found := self._db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise sqlite3.DatabaseError(found)
            # An event that a power cut takes back is sent or lost before anybody was told of it.
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS queue "
                "(key INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, body TEXT NOT NULL)"
            )
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS counts (name TEXT PRIMARY KEY, number INTEGER NOT NULL)"
            )
        except (OSError, sqlite3.Error) as error:
            raise self._error(error) from error

    def put(self, event_id: str, body: str) -> None:
        """Take an event; it is safe on disk when this returns.

        Raises:
            OutputError: the disk is full or gone.
        """
        with self._lock, self._transaction():
            self._db.execute("INSERT INTO queue (id, body) VALUES (?, ?)", (event_id, body))
            self._count("accepted", 1)
            excess = self._waiting() - self._capacity
            if excess > 0:
                self._db.execute(
                    "DELETE FROM queue WHERE key IN (SELECT key FROM queue ORDER BY key LIMIT ?)", (excess,)
                )
                self._count("overflowed", excess)

    def on_duty(self) -> bool:
        """Whether this object is the one that sends; of several with one file only one is, until it closes.

        Raises:
            OutputError: that cannot be found out.
        """
        with self._lock:
            if self._duty is None and not self._closed:
                try:
                    self._duty = take_duty(self.path.with_name(f"{self.path.name}.lock"))
                except OSError as error:
                    raise self._error(error) from error
            return self._duty is not None

    def oldest(self) -> Letter | None:
        """The next event to send; it stays until ``settle``.

        Raises:
            OutputError: the file cannot be read.
        """
        with self._lock:
            try:
                row = self._db.execute("SELECT key, id, body FROM queue ORDER BY key LIMIT 1").fetchone()
            except sqlite3.Error as error:
                raise self._error(error) from error
        return None if row is None else Letter(*row)

    def settle(self, key: int, *, delivered: bool) -> None:
        """An event has arrived, or was refused for good; it leaves the queue.

        If it overflowed in the meantime it has been counted already, and nothing changes.

        Raises:
            OutputError: the disk is full or gone; the event is still in the queue.
        """
        with self._lock, self._transaction():
            gone = self._db.execute("DELETE FROM queue WHERE key = ?", (key,)).rowcount
            self._count("delivered" if delivered else "refused", gone)

    def counts(self) -> Counts:
        """Where all events are, over all runs with this file.

        Raises:
            OutputError: the file cannot be read.
        """
        with self._lock:
            try:
                known = dict(self._db.execute("SELECT name, number FROM counts").fetchall())
                waiting = self._waiting()
            except sqlite3.Error as error:
                raise self._error(error) from error
        accepted, delivered, overflowed, refused = (
            int(known.get(name, 0)) for name in ("accepted", "delivered", "overflowed", "refused")
        )
        return Counts(accepted, delivered, overflowed, refused, waiting)

    def close(self) -> None:
        """Close the file; what waits stays in it."""
        with self._lock:
            self._closed = True
            self._db.close()
            if self._duty is not None:
                self._duty.close()
                self._duty = None

    def _waiting(self) -> int:
        return int(self._db.execute("SELECT COUNT(*) FROM queue").fetchone()[0])

    def _count(self, name: str, by: int) -> None:
        self._db.execute(
            "INSERT INTO counts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET number = number + ?",
            (name, by, by),
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing; SQLite's own errors become ours."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> OutputError:
        advice = "free some space, or make the folder writable"
        if type(error) is sqlite3.DatabaseError:  # its own, not a kind of it: the content is at fault
            advice = "the file is damaged: move it away; what waited in it is lost"
        return OutputError(f"cannot keep events in {self.path}: {error}\n{advice}")
