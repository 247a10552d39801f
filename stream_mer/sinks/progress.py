"""Progress on the terminal: how far, how fast, how long still, and how many events so far.

Everything goes to stderr, so stdout stays clean for pipes. On a terminal it is one live line; where
stderr is a file or a pipe it is a plain line every five seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from stream_mer.errors import OutputError
from stream_mer.types import Result, RunSummary, SourceInfo

SECOND = 1_000_000_000
PLAIN_EVERY_NS = 5 * SECOND
REFRESH_EVERY_NS = SECOND // 8
RATE_SPAN_NS = 3 * SECOND
"""The rate shown is that of the last few seconds, so that it follows a machine that slows down."""


class ProgressSink:
    """Sink that shows how far a run has come.

    Args:
        info: what is being read; its frames or duration give the share done, if known.
        stream: where to write; stderr by default.
        quiet: show nothing at all.
        clock_ns: monotonic wall clock in ns.
    """

    def __init__(
        self,
        info: SourceInfo,
        *,
        stream: TextIO | None = None,
        quiet: bool = False,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._info = info
        self._stream = stream or sys.stderr
        self._clock_ns = clock_ns
        self._frames = self._events = self._pts_ns = 0
        self._start = self._shown = clock_ns()
        self._marks: list[tuple[int, int]] = [(self._start, 0)]
        self._mute, self._closed = quiet, False
        self._live: Progress | None = None
        self._task = TaskID(0)
        if not quiet and self._stream.isatty():
            self._live = self._open_bar()

    def _open_bar(self) -> Progress:
        progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[words]}", markup=False),
            console=Console(file=self._stream),
            auto_refresh=False,  # a thread of its own would be one more to stop
            transient=False,
            expand=True,
        )
        self._task = progress.add_task(
            self._info.name, total=1.0 if self._share() is not None else None, words=""
        )
        progress.start()
        return progress

    def write(self, result: Result) -> None:
        """Count one result and, now and then, show it.

        Raises:
            OutputError: the sink is closed.
        """
        if self._closed:
            raise OutputError("the progress display is already closed; nothing can be added to it")
        self._events += len(result.events)
        if not result.repeated:
            self._frames += 1
            self._pts_ns = result.frame.pts_ns
        now = self._clock_ns()
        if now - self._shown >= (REFRESH_EVERY_NS if self._live else PLAIN_EVERY_NS):
            self._shown = now
            self._marks.append((now, self._frames))
            while len(self._marks) > 2 and now - self._marks[1][0] > RATE_SPAN_NS:
                del self._marks[0]
            self._show(self._words())

    def close(self, summary: RunSummary | None) -> None:
        """Show the last state and leave the terminal tidy; idempotent."""
        if self._closed:
            return
        self._closed = True
        seconds = max((self._clock_ns() - self._start) / SECOND, 1e-9)
        state = "done" if summary is not None else "stopped"
        words = f"{state}: {self._counts(self._frames / seconds)} in {_span(seconds)}"
        self._show(words, done=summary is not None)
        if self._live:
            try:
                self._live.stop()
            except OSError:
                self._mute = True

    def _share(self) -> float | None:
        """Part done, 0..1, or None for a source without an end."""
        if self._info.live:
            return None
        if self._info.duration_s:
            return min(self._pts_ns / SECOND / self._info.duration_s, 1.0)
        return min(self._frames / self._info.frames, 1.0) if self._info.frames else None

    def _counts(self, fps: float) -> str:
        return f"{_number(self._frames, 'frame')}, {fps:.1f} fps, {_number(self._events, 'event')}"

    def _words(self) -> str:
        (t0, n0), (t1, n1) = self._marks[0], self._marks[-1]
        words = self._counts((n1 - n0) * SECOND / max(t1 - t0, 1))
        share = self._share()
        if share is None:
            return f"{_span(self._pts_ns / SECOND)}, {words}"
        left = (t1 - self._start) / SECOND * (1 - share) / share if share > 0 else None
        return f"{100 * share:3.0f} %, {words}" + (f", {_span(left)} left" if left is not None else "")

    def _show(self, words: str, done: bool = False) -> None:
        """A terminal that has gone away must not end the run: from then on, silence."""
        if self._mute:
            return
        try:
            if self._live:
                share = 1.0 if done else self._share()
                total = 1.0 if done or share is not None else None
                self._live.update(self._task, completed=share or 0.0, total=total, words=words)
                self._live.refresh()
            else:
                self._stream.write(f"{self._info.name}: {words}\n")
                self._stream.flush()
        except (OSError, ValueError):  # ValueError: Python's own word for a closed file
            self._mute = True


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _span(seconds: float) -> str:
    """A duration for people: ``4.2 s``, ``1:05 min``, ``2:03:04 h``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d} h" if hours else f"{minutes}:{rest:02d} min"
