"""Recorded video: ``stream_mer.process`` and ``stream-mer process``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from stream_mer import __version__
from stream_mer.app.archive import Archive, Spread, Status, longest_first
from stream_mer.app.compose import DetectorFactory, threshold_of
from stream_mer.app.desk import Desk
from stream_mer.app.inputs import Input, expand, name_outputs
from stream_mer.app.networks import Networks, pick_networks
from stream_mer.app.outputs import recording_sinks, require_writable, say
from stream_mer.app.pieces import FrameReport, Piece, Unfinished, judge, overlay_part, work
from stream_mer.app.status import Board
from stream_mer.capture.index import claimed_frames
from stream_mer.config import Settings
from stream_mer.errors import ConfigError
from stream_mer.pipeline.plan import SinkRecipe
from stream_mer.pipeline.workers import NextJob, Outcome, Partial, Report, ReportOf, in_processes, in_turn
from stream_mer.runtime.assets import AssetStore
from stream_mer.runtime.machine import engine_threads
from stream_mer.sinks.harvest import to_record
from stream_mer.sinks.manifest import MANIFEST, Manifest
from stream_mer.types import RunSummary

SOME_FAILED = 5
NOT_JUDGING = frozenset({"overlay", "threads", "device", "backend", "engine", "far", "threshold"})
"""Settings that change nothing in what a segment gives, or are told by what they resolve to."""


@dataclass(frozen=True, slots=True)
class How:
    """How an archive is worked through.

    ``resume`` goes on where an earlier run into the same folder ended; ``restart`` forgets what it did.
    ``workers`` is the number of processes (on a cluster: actors, None for one a CPU). ``ray`` is the
    address of a cluster. ``fail_fast`` stops at the first input that fails. ``evidence`` keeps, per event,
    the source's pictures around it and what is needed to get it again.
    """

    resume: bool = False
    restart: bool = False
    fail_fast: bool = False
    evidence: bool = False
    workers: int | None = None
    ray: str | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"--workers {self.workers} is not possible.\nGive 1 or more.")
        if self.resume and self.restart:
            raise ConfigError("--resume and --restart contradict each other.\nGive one of them.")

    @property
    def several(self) -> bool:
        """Whether more than one piece may be done at a time."""
        return self.ray is not None or (self.workers or 1) > 1

    def threads(self, settings: Settings) -> int:
        """Threads of each engine: what the user says, or this worker's share of the cores less one.

        A worker on a cluster has one core, whatever this machine has. What an engine answers does not
        depend on it, to the last bit.
        """
        if settings.threads is not None:
            return settings.threads
        return 1 if self.ray is not None else engine_threads(self.workers or 1)


def process(
    source: str | Path,
    out: str | Path,
    settings: Settings | None = None,
    *,
    inline: bool = False,
    progress: bool = False,
) -> RunSummary:
    """Find micro-expressions in one recorded video.

    Writes ``events.jsonl``, ``overlay.mp4`` (unless ``settings.overlay`` is false) and ``run.json``
    into ``out/<stem of source>/``. Long videos are judged in segments (``Settings.segment_s``).

    Args:
        source: video file.
        out: folder; made if need be.
        settings: see ``stream_mer.config.Settings``; defaults are the product's.
        inline: run everything in this thread (same results, easier to debug).
        progress: show a progress bar on stderr.

    Returns:
        The same fields as ``run.json``.

    Raises:
        StreamMerError: the source, an engine, an output or a stage failed.
        KeyboardInterrupt: after the outputs were closed properly.
    """
    settings = settings or Settings()
    one, how = Input(Path(source), Path(Path(source).name)), How()
    networks = pick_networks(settings, threads=how.threads(settings))
    detectors = DetectorFactory(settings, AssetStore(settings.assets))
    detectors.fetch()
    names = {one.path: one.path.stem}
    manifest = Manifest(":memory:")
    board = Board({one.path: claimed_frames(one.path)} if progress else {}, quiet=not progress)
    try:
        desk = _desk(Path(out), names, manifest, settings, networks, how)
        (status,) = Archive(desk, board).run([one], _here(desk, detectors, inline))
    finally:
        board.close()
        manifest.close()
    if status.failure is not None:
        raise status.failure
    assert status.summary is not None
    return status.summary


def process_many(words: list[str], out: Path, settings: Settings, how: How) -> int:
    """The ``process`` verb: every input, each segment exactly once; a bad file does not stop the others."""
    inputs = expand(words, out)
    require_writable(out)
    manifest = Manifest(out / MANIFEST)
    try:
        known = {entry.path: entry.name for entry in manifest.files()}
        networks = _networks(settings, manifest, how)
        say(f"super-resolution: {networks.super_resolver.name} ({networks.reason})")
        detectors = DetectorFactory(settings, AssetStore(settings.assets, report=say))
        detectors.fetch()
        _agree(manifest, facts_of(settings, networks), settings, how)
        names = name_outputs(inputs, known)
        if not how.resume:
            for name in names.values():
                manifest.forget(name)
        frames = {one.path: claimed_frames(one.path) for one in inputs}
        begun = longest_first(inputs, frames) if how.several else inputs
        board = Board(frames, quiet=False, failures=len(inputs) > 1)  # a single one is raised
        desk = _desk(out, names, manifest, settings, networks, how)
        try:
            statuses = Archive(desk, board, how.fail_fast).run(begun, _spread(desk, detectors, how))
        finally:
            board.close()
    finally:
        manifest.close()
    place = {one.path: n for n, one in enumerate(inputs)}
    return _conclude(sorted(statuses, key=lambda status: place[status.input.path]), board)


def facts_of(settings: Settings, networks: Networks) -> dict[str, object]:
    """Everything besides the file that what a segment gives depends on."""
    judging = {key: value for key, value in settings.describe().items() if key not in NOT_JUDGING}
    backend, precision = networks.way
    return {
        **judging,
        "threshold": threshold_of(settings, networks),
        "temperature": networks.calibration.temperature,
        "engines": networks.digests(),
        "backend": backend,
        "precision": precision,
        "version": __version__,
    }


def key_of(facts: Mapping[str, object]) -> str:
    """Digest of the facts: the settings' part of a work item's identity."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _networks(settings: Settings, manifest: Manifest, how: How) -> Networks:
    """The networks; those of the run that is resumed if the same was asked for, whatever is faster today."""
    asked, threads = json.dumps(settings.describe(), sort_keys=True), how.threads(settings)
    if how.resume and manifest.about("asked") == asked:
        engine, backend, precision = json.loads(manifest.about("chosen") or "[]")
        return pick_networks(replace(settings, engine=engine), way=(backend, precision), threads=threads)
    return pick_networks(settings, threads=threads)


def _agree(manifest: Manifest, facts: dict[str, object], settings: Settings, how: How) -> None:
    """Compare with what the folder holds, and note what this run is.

    Raises:
        ConfigError: going on would mix or throw away results, and the user did not say so.
    """
    facts = json.loads(json.dumps(facts))
    before = json.loads(manifest.about("facts") or "null")
    files, segments = manifest.unfinished()
    if how.resume and before is not None and before != facts:
        changes = [
            f"{key}: {before.get(key)} then, {facts.get(key)} now"
            for key in sorted(before.keys() | facts.keys())
            if before.get(key) != facts.get(key)
        ]
        raise ConfigError(
            f"the settings are not those of the run to resume ({'; '.join(changes)}).\n"
            "Give the same ones, or --restart to begin again, or another folder with --out."
        )
    if not how.resume and not how.restart and files and segments:
        raise ConfigError(
            f"an earlier run into this folder was interrupted: {files} inputs are not done, "
            f"{segments} segments of them are.\n"
            "Go on with --resume, or throw those away with --restart."
        )
    manifest.tell(
        {
            "facts": json.dumps(facts, sort_keys=True),
            "asked": json.dumps(settings.describe(), sort_keys=True),
            "chosen": json.dumps([_engine(facts), facts["backend"], facts["precision"]]),
        }
    )


def _engine(facts: Mapping[str, object]) -> str:
    engines = facts["engines"]
    assert isinstance(engines, dict)
    return str(next(iter(engines)))


def _desk(
    out: Path,
    names: dict[Path, str],
    manifest: Manifest,
    settings: Settings,
    networks: Networks,
    how: How,
) -> Desk:
    return Desk(
        out=out,
        names=names,
        manifest=manifest,
        settings=replace(settings, engine=networks.super_resolver.name, threads=how.threads(settings)),
        networks=networks,
        key=key_of(facts_of(settings, networks)),
        resume=how.resume,
        evidence=how.evidence,
    )


def _spread(desk: Desk, detectors: DetectorFactory, how: How) -> Spread:
    if how.ray is not None:
        from stream_mer.pipeline.cluster import on_cluster  # Ray is an extra

        return partial(_on_ray, on_cluster, how.ray, how.workers)
    if how.workers is not None and how.workers > 1:
        workers = how.workers
        return lambda next_job, report: in_processes(work, next_job, report, workers)
    return _here(desk, detectors, inline=False)


def _on_ray(
    on_cluster: Callable[..., Iterator[Outcome[Piece]]],
    address: str,
    workers: int | None,
    next_job: NextJob[Piece],
    report: ReportOf[Piece],
) -> Iterator[Outcome[Piece]]:
    return on_cluster(work, next_job, report, address, workers)


def _here(desk: Desk, detectors: DetectorFactory, inline: bool) -> Spread:
    """Pieces in this process; a file of one piece shows its events and overlay while they come."""

    def judge_here(piece: Piece, report: Report) -> str | Partial:
        if piece.segment.index == 0 and piece.segment.stop_ns is None:
            sinks = recording_sinks(desk.out / piece.name, piece.settings, desk.networks)
        else:
            sinks = overlay_part(piece, desk.networks)
        sinks.append(SinkRecipe("frames", lambda _: FrameReport(report, piece.segment)))
        try:
            result = judge(piece, desk.networks, detectors, sinks, inline=inline)
        except Unfinished as early:
            if isinstance(early.cause, KeyboardInterrupt):
                raise
            return early.partial()
        return json.dumps(to_record(result))

    return lambda next_job, report: in_turn(judge_here, next_job, report)


def _conclude(statuses: Sequence[Status], board: Board) -> int:
    """Print what became of everything; the exit code."""
    failed = [status.failure for status in statuses if status.failure is not None]
    if len(statuses) == 1:
        if failed:
            raise failed[0]
        return 0
    board.table(statuses)
    if failed:
        say(f"{len(failed)} of {len(statuses)} inputs failed")
        return SOME_FAILED
    return 0
