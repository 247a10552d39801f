"""Works through many recordings so that every segment counts exactly once, whatever is killed in between.

Each piece of work is a pure function of a file, a segment and the settings (``core.segments``), and its
answer is committed in one transaction (``sinks.manifest``). Everything else can be done again at any
time: after a crash the same pieces are missing, and the outputs are written from the same answers.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Protocol

from stream_mer.app.desk import Desk, FileRun
from stream_mer.app.inputs import Input
from stream_mer.app.pieces import Piece, Unfinished
from stream_mer.errors import OutputError, StreamMerError
from stream_mer.pipeline.workers import NextJob, Outcome, ReportOf
from stream_mer.sinks.harvest import to_record
from stream_mer.types import RunSummary

Spread = Callable[[NextJob[Piece], ReportOf[Piece]], Iterator[Outcome[Piece]]]
"""How pieces are done: in this process, in several, on a cluster."""


@dataclass(frozen=True, slots=True)
class Status:
    """What became of one input. ``summary`` is None if it failed or had been done before."""

    input: Input
    folder: Path
    state: str
    summary: RunSummary | None = None
    failure: StreamMerError | None = None


class Watcher(Protocol):
    """Is told how an archive gets on."""

    def add(self, path: Path, frames: int, *, skipped: bool = False) -> None:
        """So many more frames of an input are done; ``skipped``: by an earlier run."""
        ...

    def tell(self, status: Status) -> None:
        """An input is through."""
        ...


def longest_first(inputs: Sequence[Input], frames: Mapping[Path, int]) -> list[Input]:
    """The order in which several workers end at about the same time: nothing long is begun last.

    Inputs whose length is not known come first: they may be the longest, or fail at once.

    >>> some = [Input(Path(name), Path(name)) for name in ("short", "long", "raw")]
    >>> [str(i.path) for i in longest_first(some, {Path("short"): 9, Path("long"): 90, Path("raw"): 0})]
    ['raw', 'long', 'short']
    """
    return sorted(inputs, key=lambda one: -(frames[one.path] or inf))


@dataclass(slots=True)
class Archive:
    """One run over many inputs into one folder.

    Args:
        desk: where files are begun and finished.
        watcher: told how it gets on.
        fail_fast: stop at the first failure.
    """

    desk: Desk
    watcher: Watcher
    fail_fast: bool = False
    _inputs: deque[Input] = field(default_factory=deque)
    _open: list[FileRun] = field(default_factory=list)
    _statuses: list[Status] = field(default_factory=list)

    def run(self, inputs: Sequence[Input], spread: Spread) -> list[Status]:
        """Do everything that is missing; files are begun in this order, their segments in that of time.

        Raises:
            OutputError: the manifest cannot be written; nothing more can be kept.
            KeyboardInterrupt: after what was done was written out.
        """
        self._inputs.extend(inputs)
        try:
            for outcome in spread(self._next, self._count):
                self._take(outcome)
        except Unfinished as early:
            self._leave(early)
            raise early.cause from None
        except KeyboardInterrupt:
            self._leave(None)
            raise
        return self._statuses

    def _count(self, piece: Piece, frames: int) -> None:
        self.watcher.add(Path(piece.path), frames)

    def _next(self) -> Piece | None:
        while True:
            for run in self._open:
                if run.ready:
                    return self.desk.piece(run)
            if not self._inputs:
                return None
            self._begin(self._inputs.popleft())

    def _begin(self, one: Input) -> None:
        try:
            run = self.desk.begin(one, lambda frames: self.watcher.add(one.path, frames, skipped=True))
        except StreamMerError as error:
            self._fail(one, error)
            return
        if run is None:
            self._tell(Status(one, self.desk.folder(one), "done before"))
            return
        self._open.append(run)
        if run.through:
            self._finish(run)

    def _take(self, outcome: Outcome[Piece]) -> None:
        run = next((r for r in self._open if r.entry.name == outcome.job.name), None)
        if run is None:  # another segment of this file has failed meanwhile
            return
        run.running -= 1
        n = outcome.job.segment.index
        if outcome.failure is not None:
            self._open.remove(run)
            if outcome.answer:
                with suppress(OutputError):  # the failure that led here is told
                    self.desk.write_part(run, n, outcome.answer)
            self._fail(run.input, outcome.failure)
            return
        self.desk.commit(run, n, outcome.answer)
        if run.through:
            self._finish(run)

    def _finish(self, run: FileRun) -> None:
        self._open.remove(run)
        try:
            summary = self.desk.finish(run)
        except StreamMerError as error:
            self._fail(run.input, error)
            return
        self._tell(Status(run.input, run.folder, "ok", summary))

    def _leave(self, early: Unfinished | None) -> None:
        """Write out what is whole so far; the segment that was cut short only if it is all there is."""
        for run in self._open:
            if early is not None and len(run.segments) == 1:
                self.desk.write_part(run, 0, json.dumps(to_record(early.result)))
            else:
                self.desk.write_part(run)

    def _fail(self, one: Input, error: StreamMerError) -> None:
        self._tell(Status(one, self.desk.folder(one), "failed", None, error))
        if self.fail_fast:
            left = [*(run.input for run in self._open if run.input is not one), *self._inputs]
            self._inputs.clear()
            self._open.clear()
            for other in left:
                self._tell(Status(other, self.desk.folder(other), "not done"))

    def _tell(self, status: Status) -> None:
        self._statuses.append(status)
        self.watcher.tell(status)
