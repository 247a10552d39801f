"""Shows how far an archive is: one line for everything while it runs, one row an input at the end."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from stream_mer.app.archive import Status
from stream_mer.app.console import console, counted, shown

PLAIN_EVERY_S = 5.0
LIVE_EVERY_S = 0.2


class Board:
    """Progress over all inputs, by frames, for files are of any length. A bar, or a line now and then.

    Args:
        frames: promised by each input's header; the remaining time follows from them.
        quiet: show nothing while it runs.
        failures: tell them as they come; False where the caller tells the only one itself.
        stream: where the progress goes, stderr by default.
        clock_s: monotonic seconds.
    """

    def __init__(
        self,
        frames: Mapping[Path, int],
        *,
        quiet: bool,
        failures: bool = True,
        stream: TextIO | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._promised = dict(frames)
        self._counted: Counter[Path] = Counter()
        self._total = sum(frames.values())
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._failures = failures
        self._clock_s = clock_s
        self._done = self._skipped = self._events = 0
        self._start = self._shown = clock_s()
        self._bar: Progress | None = None
        self._task = TaskID(0)
        if not quiet and self._stream.isatty():
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=None),
                TextColumn("{task.fields[words]}", markup=False),
                console=Console(file=self._stream),
                auto_refresh=False,
                expand=True,
            )
            self._task = self._bar.add_task("process", total=1.0, words="")
            self._bar.start()

    def add(self, path: Path, frames: int, *, skipped: bool = False) -> None:
        """Count an input's frames that are done; ``skipped``: by an earlier run, so they tell no speed."""
        self._counted[path] += frames
        self._total += 0 if path in self._promised else frames
        self._done += frames
        self._skipped += frames if skipped else 0
        now = self._clock_s()
        if now - self._shown >= (LIVE_EVERY_S if self._bar else PLAIN_EVERY_S):
            self._shown = now
            self._show(self.words(now))

    def words(self, now_s: float) -> str:
        """How far, how fast, how long still."""
        share = self._share()
        fresh, spent_s = self._done - self._skipped, max(now_s - self._start, 1e-9)
        text = f"{100 * share:3.0f} %, {counted(self._done, 'frame')}, {fresh / spent_s:.1f} fps, "
        text += counted(self._events, "event")
        if fresh and share < 1:
            text += f", {_span(spent_s * (self._total - self._done) / fresh)} left"
        return text

    def tell(self, status: Status) -> None:
        """Say what became of one input: results on stdout, failures on stderr.

        From now on it has as many frames as were counted, whatever its header promised.
        """
        path = status.input.path
        self._total += self._counted[path] - self._promised.pop(path, self._counted[path])
        name, summary = shown(status.input.path.name), status.summary
        if status.failure is not None and self._failures and not self._quiet:
            print(f"stream-mer: {shown(status.input.path)}: {status.failure}", file=sys.stderr)
        if summary is None:
            return
        self._events += summary.events
        if self._quiet:
            return
        print(
            f"{name}: {counted(summary.frames, 'frame')}, {counted(summary.tracks, 'track')}, "
            f"{counted(summary.events, 'event')}, coverage {summary.coverage:.0%}, "
            f"{summary.throughput_fps:g} fps -> {shown(status.folder)}"
        )
        for warning in summary.warnings:
            print(f"  note: {warning}")

    def close(self) -> None:
        """Leave the terminal tidy."""
        if self._bar is not None:
            self._show(self.words(self._clock_s()))
            self._bar.stop()
            self._bar = None

    def table(self, statuses: Sequence[Status]) -> None:
        """One row an input on stdout."""
        table = Table(*("input", "state", "frames", "s", "events", "coverage", "notes"))
        for status in statuses:
            done = status.summary
            cells = ["", "", "", ""]
            if done is not None:
                cells = [str(done.frames), f"{done.duration_s:.1f}", str(done.events), f"{done.coverage:.0%}"]
            why = str(status.failure).splitlines()[0] if status.failure else ""
            notes = why or ("; ".join(done.warnings) if done is not None else "")
            table.add_row(Text(shown(status.input.path)), status.state, *cells, Text(notes))
        console().print(table)

    def _share(self) -> float:
        return min(self._done / max(self._total, 1), 1.0)

    def _show(self, words: str) -> None:
        if self._quiet:
            return
        try:
            if self._bar is not None:
                self._bar.update(self._task, completed=self._share(), words=words)
                self._bar.refresh()
            else:
                self._stream.write(f"process: {words}\n")
                self._stream.flush()
        except (OSError, ValueError):  # the terminal has gone away; the run goes on
            self._quiet = True


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d} h" if hours else f"{minutes}:{rest:02d} min"
