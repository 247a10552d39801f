"""Events on their way out of the program: as lines of JSON with the camera's name, and on standard output.

Standard output stores nothing by itself: whoever reads it decides what becomes of the lines.
"""

from __future__ import annotations

import logging
import os
import select
import stat
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stream_mer.errors import OutputError
from stream_mer.sinks.event_log import EventRecord, engines_of, to_line
from stream_mer.types import Event, Result, RunSummary

CLEAR_LINE = b"\r\x1b[2K"
"""On a terminal the line of progress is in the way; it is drawn again below."""

_line = threading.Lock()
"""Held for one line: what half a line leaves behind is taken back before another camera's follows."""

log = logging.getLogger("stream_mer.events")


@dataclass(frozen=True, slots=True)
class EventLines:
    """How the events of one camera are written down for others.

    Args:
        camera: name that is added to every event.
        engines: name -> sha256 of the engines in use, asked at each event.
        utc: turns an onset (ns of the source's clock) into ISO 8601 UTC.
        super_resolver: which of the engines native faces do not go through.
    """

    camera: str
    engines: Callable[[], Mapping[str, str]]
    utc: Callable[[int], str] | None = None
    super_resolver: str | None = None

    def of(self, event: Event) -> str:
        """One line of JSON, newline included."""
        used = engines_of(event, self.engines(), self.super_resolver)
        onset_utc = self.utc(event.onset_ns) if self.utc else None
        return to_line(EventRecord(event, onset_utc, used, self.camera))


class EventStream:
    """Sink that prints every event the moment it is decided, and never waits for whoever reads.

    Many of them may share one descriptor: a line is one system call. If the reader sleeps, or has gone,
    lines are left out and the log says so once; the watching goes on.

    Args:
        lines: how events are written.
        descriptor: where to; it stays open.
    """

    def __init__(self, lines: EventLines, descriptor: int) -> None:
        self._lines, self._descriptor = lines, descriptor
        self._prefix = CLEAR_LINE if os.isatty(descriptor) else b""
        self._left_out = 0
        self._closed = False

    def write(self, result: Result) -> None:
        """Print the events decided with this frame.

        Raises:
            OutputError: the sink is closed.
        """
        if self._closed:
            raise OutputError("the stream of events is already closed; nothing can be added to it")
        for event in result.events:
            reason = self._print(self._prefix + self._lines.of(event).encode())
            if reason and not self._left_out:
                log.warning("events are left out on standard output: %s", reason)
            self._left_out = self._left_out + 1 if reason else 0

    def close(self, summary: RunSummary | None) -> None:  # noqa: ARG002  (the protocol's signature)
        """Nothing more comes; idempotent."""
        self._closed = True

    def _print(self, line: bytes) -> str:
        """Why it could not be printed, or nothing."""
        try:
            if not select.select([], [self._descriptor], [], 0)[1]:
                return "nobody reads it"
        except OSError:  # a system that can ask this of sockets only
            pass
        with _line:
            try:
                written = os.write(self._descriptor, line)
                if written < len(line):
                    _take_back(self._descriptor, written)
                    return "only part of a line was taken"
            except OSError as error:
                return error.strerror or str(error)
        return ""


def _take_back(descriptor: int, written: int) -> None:
    """Cut half a line off a file whose disk is full; the next event would end it, and be lost with it.

    Raises:
        OSError: the file does not allow it.
    """
    what = os.fstat(descriptor)
    if stat.S_ISREG(what.st_mode):
        os.ftruncate(descriptor, what.st_size - written)
        os.lseek(descriptor, what.st_size - written, os.SEEK_SET)
