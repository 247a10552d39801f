"""What an archive knows of one file at a time: what is missing of it, and its outputs when nothing is."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from stream_mer.app.evidence import write_evidence
from stream_mer.app.finish import part_path, remove_parts, write_outputs
from stream_mer.app.identity import identify, require_unchanged, written_digest
from stream_mer.app.inputs import Input
from stream_mer.app.networks import Networks
from stream_mer.app.outputs import REPORT, TEXTS, remove_outputs
from stream_mer.app.pieces import Piece
from stream_mer.app.sources import require_apart
from stream_mer.capture.index import VideoIndex, index_video
from stream_mer.config import Settings
from stream_mer.core.segments import Segment, SegmentResult, plan_segments
from stream_mer.core.stitch import Names
from stream_mer.errors import SourceError
from stream_mer.sinks.harvest import from_record
from stream_mer.sinks.manifest import FileEntry, Manifest, writable
from stream_mer.types import RunSummary


@dataclass(slots=True, eq=False)
class FileRun:
    """One file on its way: its segments, what is missing, what is being done.

    ``overlay`` is whether one is to be made, now.
    """

    input: Input
    entry: FileEntry
    folder: Path
    index: VideoIndex
    segments: tuple[Segment, ...]
    overlay: bool
    waiting: deque[int] = field(default_factory=deque)
    running: int = 0
    names: Names = field(default_factory=Names)
    named: int = 0

    @property
    def ready(self) -> bool:
        """Whether a segment can be begun now.

        The overlay shows the names that the segments before gave: these must be done first.
        """
        in_order = self.overlay and len(self.segments) > 1
        return bool(self.waiting) and (self.running == 0 or not in_order)

    @property
    def through(self) -> bool:
        """Whether nothing is missing any more."""
        return not self.waiting and self.running == 0


@dataclass(slots=True)
class Desk:
    """Where files of one archive are begun, noted and finished.

    Args:
        out: the folder.
        names: input's path -> name of its folder of outputs.
        manifest: of the folder.
        settings: of the run, with the engine named.
        networks: of the run.
        key: digest of everything the results depend on besides the file.
        resume: keep what an earlier run did.
        evidence: keep the source's pictures around every event.
    """

    out: Path
    names: dict[Path, str]
    manifest: Manifest
    settings: Settings
    networks: Networks
    key: str
    resume: bool = False
    evidence: bool = False

    def folder(self, one: Input) -> Path:
        """Where an input's outputs go."""
        return self.out / self.names[one.path]

    def begin(self, one: Input, skipped: Callable[[int], None]) -> FileRun | None:
        """Read what the file is, and find out what is missing; None if nothing is.

        Args:
            one: the file.
            skipped: called with the frames that an earlier run has done.

        Raises:
            StreamMerError: it cannot be read, or is not the file that an earlier run read.
        """
        folder = self.folder(one)
        require_apart(one.path, folder)
        place = one.path.resolve()
        known = self.manifest.file_at(place) if self.resume else None
        if not known:  # first of all: if the file cannot be read, nothing may look like its results
            remove_outputs(folder)
            remove_parts(folder)
        what = identify(one.path, known)
        overlay = self.settings.overlay and not (known and _had_overlay(known, folder))
        missing = overlay or (self.evidence and not (known and known.evidence))
        written = self.manifest.written(known.name) if known else {}
        whole = (folder / REPORT).exists() and all(_as_written(folder, n, written) for n in TEXTS)
        if known and known.done and not missing and whole:
            skipped(self._frames_of(known))
            return None
        index = index_video(one.path)
        longest_ns = round(self.settings.max_duration_s * 1e9)
        segments = plan_segments(
            index.keys, index.frames, index.end_ns, round(self.settings.segment_s * 1e9), longest_ns
        )
        entry = FileEntry(
            self.names[one.path],
            writable(str(place)),
            known.source if known else writable(str(one.path)),
            what.size,
            what.changed_ns,
            what.sha256,
            len(segments),
        )
        if known:
            entry = replace(entry, overlay=known.overlay, evidence=known.evidence)
        self.manifest.put_file(entry)
        done = self.manifest.finished(what.sha256, self.key)
        if overlay:  # the events of a copy may be known, but not its picture
            done = {n for n in done if _has_overlay(folder, segments, n, written)}
        left = deque(s.index for s in segments if s.index not in done)
        skipped(sum(s.frames for s in segments if s.index in done))
        return FileRun(one, entry, folder, index, segments, overlay, left)

    def piece(self, run: FileRun) -> Piece:
        """The next of a file's missing segments, as work to hand out."""
        n = run.waiting.popleft()
        run.running += 1
        segment, overlay = run.segments[n], None
        if run.overlay:
            overlay = str(_overlay_of(run.folder, run.segments, n))
            while run.named < n:
                run.names.take(self._result(run, run.named))
                run.named += 1
        return Piece(
            name=run.entry.name,
            path=str(run.input.path),
            digest=run.entry.sha256,
            segment=segment,
            entry=run.index.entry(segment.key, segment.warm_ns) if segment.key else None,
            settings=self.settings,
            way=self.networks.way,
            overlay=overlay,
            next_id=run.names.next_id,
            exit=run.names.exit,
        )

    def commit(self, run: FileRun, n: int, answer: str) -> None:
        """Keep what a segment gave."""
        self.manifest.commit(run.entry.sha256, self.key, n, json.loads(answer))
        if run.overlay:
            part = _overlay_of(run.folder, run.segments, n)
            self.manifest.put_file(run.entry, {_below(run.folder, part): written_digest(part)})

    def finish(self, run: FileRun) -> RunSummary:
        """Write the outputs of a file of which nothing is missing.

        Raises:
            SourceError: it is another one by now; what was found counts for nothing.
            OutputError: they cannot be written.
        """
        path, entry, settings = run.input.path, run.entry, replace(self.settings, overlay=run.overlay)
        try:
            require_unchanged(path, entry)
        except SourceError:
            self.manifest.forget(entry.name)
            remove_outputs(run.folder)
            raise
        results = [self._result(run, n) for n in range(len(run.segments))]
        summary = write_outputs(run.folder, entry, run.segments, results, settings, self.networks)
        if self.evidence:
            write_evidence(run.folder, path, entry, run.segments, self.settings, self.networks)
        self.manifest.put_file(
            replace(
                entry,
                done=True,
                overlay=entry.overlay or settings.overlay,
                evidence=entry.evidence or self.evidence,
            ),
            {name: written_digest(run.folder / name) for name in TEXTS},
        )
        remove_parts(run.folder)
        if run.index.why_whole and run.index.end_ns > 1.5e9 * self.settings.segment_s:
            note = f"judged in one go: {run.index.why_whole}"
            summary = replace(summary, warnings=(*summary.warnings, note))
        return summary

    def write_part(self, run: FileRun, cut: int | None = None, answer: str = "") -> None:
        """Write what the segments up to the first missing one gave, and what ``cut`` did before it ended.

        Raises:
            OutputError: it cannot be written.
        """
        done = self.manifest.finished(run.entry.sha256, self.key)
        whole = next(n for n in range(len(run.segments) + 1) if n not in done)
        results = [self._result(run, n) for n in range(whole)]
        if cut == whole:
            results.append(from_record(json.loads(answer)))
        write_outputs(
            run.folder, run.entry, run.segments, results, self.settings, self.networks, interrupted=True
        )

    def _result(self, run: FileRun, n: int) -> SegmentResult:
        record = self.manifest.result(run.entry.sha256, self.key, n)
        if record is None:
            raise AssertionError(f"segment {n} of {run.entry.name} is not done")
        return from_record(record)

    def _frames_of(self, entry: FileEntry) -> int:
        results = (self.manifest.result(entry.sha256, self.key, n) for n in range(entry.segments))
        return sum(int(r["frames"]) for r in results if r is not None)


def _overlay_of(folder: Path, segments: tuple[Segment, ...], n: int) -> Path:
    return part_path(folder, n) if len(segments) > 1 else folder / "overlay.mp4"


def _has_overlay(folder: Path, segments: tuple[Segment, ...], n: int, written: dict[str, str]) -> bool:
    """Whether a segment's picture is there and as it was written."""
    path = _overlay_of(folder, segments, n)
    return path.exists() and _as_written(folder, _below(folder, path), written)


def _as_written(folder: Path, name: str, written: dict[str, str]) -> bool:
    """Whether a file of the outputs is still what was written; it is, as far as nothing else is known."""
    return name not in written or written_digest(folder / name) == written[name]


def _below(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _had_overlay(entry: FileEntry, folder: Path) -> bool:
    """Whether there is a whole one, or was: what ``forget`` deleted is not made again."""
    return entry.overlay or (entry.done and (folder / "overlay.mp4").exists())
