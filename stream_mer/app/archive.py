"""Works through many recordings so that every segment counts exactly once, whatever is killed in between.

Each piece of work is a pure function of a file, a segment and the settings (``core.segments``), and its
answer is committed in one transaction (``sinks.manifest``). Everything else can be done again at any
time: after a crash the same pieces are missing, and the outputs are written from the same answers.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from stream_mer.app.evidence import write_evidence
from stream_mer.app.finish import part_path, remove_parts, write_outputs
from stream_mer.app.identity import identify, require_unchanged
from stream_mer.app.inputs import Input
from stream_mer.app.networks import Networks
from stream_mer.app.outputs import REPORT, remove_outputs
from stream_mer.app.pieces import Piece, Unfinished
from stream_mer.app.sources import require_apart
from stream_mer.capture.index import VideoIndex, index_video
from stream_mer.config import Settings
from stream_mer.core.segments import Segment, plan_segments
from stream_mer.core.stitch import Names
from stream_mer.errors import OutputError, SourceError, StreamMerError
from stream_mer.pipeline.workers import NextJob, Outcome, Report
from stream_mer.sinks.harvest import from_record, to_record
from stream_mer.sinks.manifest import FileEntry, Manifest, writable
from stream_mer.types import RunSummary

Spread = Callable[[NextJob[Piece], Report], Iterator[Outcome[Piece]]]
"""How pieces are done: in this process, in several, on a cluster."""


@dataclass(slots=True)
class FileRun:
    """One file on its way: its segments, what is missing, and what became of it.

    ``overlay`` is whether one is to be made, now.
    """

    entry: FileEntry
    folder: Path
    index: VideoIndex
    segments: tuple[Segment, ...]
    overlay: bool
    waiting: deque[int] = field(default_factory=deque)
    running: int = 0
    names: Names = field(default_factory=Names)
    named: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """What became of one input. ``summary`` is None if it failed or had been done before."""

    input: Input
    folder: Path
    state: str
    summary: RunSummary | None = None
    failure: StreamMerError | None = None


@dataclass(slots=True)
class Archive:
    """One run over many inputs into one folder.

    Args:
        out: the folder.
        names: input's path -> name of its folder of outputs.
        manifest: of the folder.
        settings: of the run, with the engine named.
        networks: of the run.
        key: digest of everything the results depend on besides the file.
        resume: keep what an earlier run did.
        fail_fast: stop at the first failure.
        evidence: keep the source's pictures around every event.
        report: called with the frames done since the last call.
        told: called when an input is through.
    """

    out: Path
    names: dict[Path, str]
    manifest: Manifest
    settings: Settings
    networks: Networks
    key: str
    resume: bool
    fail_fast: bool
    evidence: bool
    report: Callable[..., None]
    told: Callable[[Status], None]
    _inputs: deque[Input] = field(default_factory=deque)
    _open: list[tuple[Input, FileRun]] = field(default_factory=list)
    _statuses: list[Status] = field(default_factory=list)

    def run(self, inputs: Sequence[Input], spread: Spread) -> list[Status]:
        """Do everything that is missing.

        Raises:
            OutputError: the manifest cannot be written; nothing more can be kept.
            KeyboardInterrupt: after what was done was written out.
        """
        self._inputs.extend(inputs)
        try:
            for outcome in spread(self._next, self.report):
                self._take(outcome)
        except Unfinished as early:
            self._leave(early)
            raise early.cause from None
        except KeyboardInterrupt:
            self._leave(None)
            raise
        return self._statuses

    def _next(self) -> Piece | None:
        while True:
            for one, run in self._open:
                if run.waiting and (run.running == 0 or not self._in_order(run)):
                    run.running += 1
                    return self._piece(one, run, run.waiting.popleft())
            if not self._inputs:
                return None
            one = self._inputs.popleft()
            begun = self._try(one)
            if begun is not None:
                self._open.append((one, begun))
                if not begun.waiting:
                    self._finish(one, begun)

    def _try(self, one: Input) -> FileRun | None:
        try:
            return self._begin(one)
        except StreamMerError as error:
            self._fail(one, error)
            return None

    def _in_order(self, run: FileRun) -> bool:
        """The overlay shows the names that the segments before gave: these must be done first."""
        return run.overlay and len(run.segments) > 1

    def _begin(self, one: Input) -> FileRun | None:
        """Read what the file is, and find out what is missing; None if nothing is."""
        name = self.names[one.path]
        folder = self.out / name
        require_apart(one.path, folder)
        place = one.path.resolve()
        known = self.manifest.file_at(place) if self.resume else None
        what = identify(one.path, known)
        overlay = self.settings.overlay and not (known and _had_overlay(known, folder))
        missing = overlay or (self.evidence and not (known and known.evidence))
        if known and known.done and not missing and (folder / REPORT).exists():
            self.report(_frames_of(self.manifest, known, self.key), skipped=True)
            self._tell(Status(one, folder, "done before"))
            return None
        index = index_video(one.path)
        longest_ns = round(self.settings.max_duration_s * 1e9)
        segments = plan_segments(
            index.keys, index.frames, index.end_ns, round(self.settings.segment_s * 1e9), longest_ns
        )
        source = known.source if known else writable(str(one.path))
        where = writable(str(place))
        entry = FileEntry(name, where, source, what.size, what.modified_ns, what.sha256, len(segments))
        if known:
            entry = replace(entry, overlay=known.overlay, evidence=known.evidence)
        else:
            remove_outputs(folder)
            remove_parts(folder)
        self.manifest.put_file(entry)
        done = self.manifest.finished(what.sha256, self.key)
        if overlay:  # the events of a copy may be known, but not its picture
            done = {n for n in done if self._overlay_of(folder, segments, n).exists()}
        left = deque(s.index for s in segments if s.index not in done)
        self.report(sum(s.frames for s in segments if s.index in done), skipped=True)
        return FileRun(entry, folder, index, segments, overlay, left)

    def _overlay_of(self, folder: Path, segments: Sequence[Segment], n: int) -> Path:
        return part_path(folder, n) if len(segments) > 1 else folder / "overlay.mp4"

    def _piece(self, one: Input, run: FileRun, n: int) -> Piece:
        segment = run.segments[n]
        overlay = None
        if run.overlay:
            overlay = str(self._overlay_of(run.folder, run.segments, n))
            while run.named < n:
                run.names.take(from_record(self._result(run, run.named)))
                run.named += 1
        return Piece(
            name=run.entry.name,
            path=str(one.path),
            digest=run.entry.sha256,
            segment=segment,
            entry=run.index.entry(segment.key, segment.warm_ns) if segment.key else None,
            settings=self.settings,
            way=self.networks.way,
            overlay=overlay,
            next_id=run.names.next_id,
            exit=run.names.exit,
        )

    def _result(self, run: FileRun, n: int) -> dict[str, object]:
        record = self.manifest.result(run.entry.sha256, self.key, n)
        if record is None:
            raise AssertionError(f"segment {n} of {run.entry.name} is not done")
        return record

    def _take(self, outcome: Outcome[Piece]) -> None:
        found = next(((o, r) for o, r in self._open if r.entry.name == outcome.job.name), None)
        if found is None:  # another segment of this file has failed meanwhile
            return
        one, run = found
        run.running -= 1
        if outcome.failure is not None:
            self._open.remove(found)
            if outcome.answer:
                with suppress(OutputError):  # the failure that led here is told
                    self._write_part(run, outcome.job.segment.index, outcome.answer)
            self._fail(one, outcome.failure)
            return
        record = json.loads(outcome.answer)
        self.manifest.commit(run.entry.sha256, self.key, outcome.job.segment.index, record)
        if not run.waiting and run.running == 0:
            self._finish(one, run)

    def _finish(self, one: Input, run: FileRun) -> None:
        self._open = [(o, r) for o, r in self._open if r is not run]
        entry, settings = run.entry, replace(self.settings, overlay=run.overlay)
        try:
            require_unchanged(one.path, entry)
        except SourceError as error:
            self.manifest.forget(entry.name)
            remove_outputs(run.folder)
            self._fail(one, error)
            return
        try:
            results = [from_record(self._result(run, n)) for n in range(len(run.segments))]
            summary = write_outputs(run.folder, entry, run.segments, results, settings, self.networks)
            if self.evidence:
                write_evidence(run.folder, one.path, entry, run.segments, self.settings, self.networks)
            self.manifest.put_file(
                replace(
                    entry,
                    done=True,
                    overlay=entry.overlay or settings.overlay,
                    evidence=entry.evidence or self.evidence,
                )
            )
            remove_parts(run.folder)
        except StreamMerError as error:
            self._fail(one, error)
            return
        if run.index.why_whole and run.index.end_ns > 1.5e9 * self.settings.segment_s:
            summary = replace(
                summary, warnings=(*summary.warnings, f"judged in one go: {run.index.why_whole}")
            )
        self._tell(Status(one, run.folder, "ok", summary))

    def _leave(self, early: Unfinished | None) -> None:
        """Write out what is whole so far; the segment that was cut short only if it is all there is."""
        for _, run in self._open:
            if early is not None and len(run.segments) == 1:
                self._write_part(run, 0, json.dumps(to_record(early.result)))
            else:
                self._write_part(run)

    def _write_part(self, run: FileRun, cut: int | None = None, answer: str = "") -> None:
        """Write what the segments up to the first missing one gave, and what ``cut`` did before it ended."""
        done = self.manifest.finished(run.entry.sha256, self.key)
        whole = next(n for n in range(len(run.segments) + 1) if n not in done)
        results = [from_record(self._result(run, n)) for n in range(whole)]
        if cut == whole:
            results.append(from_record(json.loads(answer)))
        write_outputs(
            run.folder, run.entry, run.segments, results, self.settings, self.networks, interrupted=True
        )

    def _fail(self, one: Input, error: StreamMerError) -> None:
        self._tell(Status(one, self.out / self.names[one.path], "failed", None, error))
        if self.fail_fast:
            left = [*(other for other, _ in self._open if other is not one), *self._inputs]
            self._inputs.clear()
            self._open.clear()
            for other in left:
                self._tell(Status(other, self.out / self.names[other.path], "not done"))

    def _tell(self, status: Status) -> None:
        self._statuses.append(status)
        self.told(status)


def _had_overlay(entry: FileEntry, folder: Path) -> bool:
    """Whether there is a whole one, or was: what ``forget`` deleted is not made again."""
    return entry.overlay or (entry.done and (folder / "overlay.mp4").exists())


def _frames_of(manifest: Manifest, entry: FileEntry, key: str) -> int:
    results = (manifest.result(entry.sha256, key, n) for n in range(entry.segments))
    return sum(int(r["frames"]) for r in results if r is not None)
