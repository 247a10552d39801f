"""Keeps what a person said about events: one line of JSON per verdict in ``reviews.jsonl``."""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone
from io import FileIO
from pathlib import Path

from stream_mer.errors import OutputError
from stream_mer.types import Result, RunSummary

REMEMBERED = 1000
"""Events of a run that can still be reviewed."""


class ReviewLog:
    """Sink that knows its run's events and appends verdicts on them; the last one of an event counts.

    Args:
        path: the file, beside the run's ``events.jsonl``; made with the first verdict.
        now: the present in UTC.
    """

    def __init__(
        self, path: Path, *, now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
    ) -> None:
        self._path, self._now = path, now
        self._lock = threading.Lock()
        self._ids: deque[str] = deque(maxlen=REMEMBERED)
        self._closed = False

    def write(self, result: Result) -> None:
        """Remember the events decided with this frame.

        Raises:
            OutputError: the sink is closed.
        """
        if self._closed:
            raise OutputError(f"{self._path} is already closed; no event can be added")
        with self._lock:
            self._ids.extend(event.id for event in result.events)

    def review(self, event_id: str, verdict: str) -> bool:
        """Append a verdict; False if the event is not of this run, or the disk refuses.

        Callable from any thread, also when the run is over.
        """
        with self._lock:
            if event_id not in self._ids:
                return False
            when = self._now().isoformat(timespec="milliseconds")
            line = json.dumps({"id": event_id, "verdict": verdict, "reviewed_utc": when}) + "\n"
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with self._path.open("ab", buffering=0) as file:
                    return _append(file, line.encode())
            except OSError:
                return False

    def close(self, summary: RunSummary | None) -> None:  # noqa: ARG002  (the protocol's signature)
        """No event will follow; verdicts may. Idempotent."""
        self._closed = True


def _append(file: FileIO, line: bytes) -> bool:
    """The whole line or nothing of it: half a line would spoil the next one, too."""
    size = file.seek(0, os.SEEK_END)
    try:
        whole = file.write(line) == len(line)
    except OSError:
        whole = False
    if not whole:
        os.ftruncate(file.fileno(), size)
    return whole
