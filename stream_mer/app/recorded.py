"""Recorded video: ``stream_mer.process`` and ``stream-mer process``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from stream_mer.app.agreement import agree, facts_of, key_of, networks_of
from stream_mer.app.archive import Archive, Spread, Status, longest_first
from stream_mer.app.compose import DetectorFactory
from stream_mer.app.desk import Desk
from stream_mer.app.how import How
from stream_mer.app.inputs import Input, expand, name_outputs
from stream_mer.app.networks import Networks, pick_networks
from stream_mer.app.outputs import recording_sinks, require_writable, say
from stream_mer.app.pieces import FrameReport, Piece, Unfinished, judge, overlay_part, work
from stream_mer.app.status import Board
from stream_mer.capture.index import claimed_frames
from stream_mer.config import Settings
from stream_mer.pipeline.plan import SinkRecipe
from stream_mer.pipeline.workers import NextJob, Outcome, Partial, Report, ReportOf, in_processes, in_turn
from stream_mer.runtime.assets import AssetStore
from stream_mer.sinks.harvest import to_record
from stream_mer.sinks.manifest import MANIFEST, Manifest
from stream_mer.types import RunSummary

SOME_FAILED = 5


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
        networks = networks_of(settings, manifest, how)
        say(f"super-resolution: {networks.super_resolver.name} ({networks.reason})")
        detectors = DetectorFactory(settings, AssetStore(settings.assets, report=say))
        detectors.fetch()
        agree(manifest, facts_of(settings, networks), settings, how)
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
