"""Writes a file's outputs from what its segments gave: always the same, however often it is done."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from stream_mer.app.compose import summary_of, threshold_of
from stream_mer.app.networks import Networks
from stream_mer.app.outputs import EVENTS, REPORT
from stream_mer.app.sources import PARTS
from stream_mer.config import Settings
from stream_mer.core.decision import identified
from stream_mer.core.segments import Segment, SegmentResult
from stream_mer.core.stitch import Names, merge_events
from stream_mer.core.tally import Tally
from stream_mer.pipeline.plan import Progress
from stream_mer.pipeline.timing import StageTimes
from stream_mer.sinks.concat import concatenate
from stream_mer.sinks.event_log import EventRecord, engines_of, to_line
from stream_mer.sinks.manifest import FileEntry
from stream_mer.sinks.rejected import rejection_line
from stream_mer.sinks.summary import write_summary, write_text
from stream_mer.types import Event, RunSummary, SourceInfo

MOST_WARNINGS = 20
POOLED = 1024


def write_outputs(
    folder: Path,
    entry: FileEntry,
    segments: Sequence[Segment],
    results: Sequence[SegmentResult],
    settings: Settings,
    networks: Networks,
    *,
    interrupted: bool = False,
) -> RunSummary:
    """Write ``events.jsonl``, ``rejected.jsonl``, the overlay and ``run.json``, each whole or not at all.

    Args:
        folder: of this file's outputs.
        entry: the file.
        segments: all its segments.
        results: of the segments from the first on, all of them unless ``interrupted``.
        settings: of the run.
        networks: of the run.
        interrupted: the rest is missing.

    Raises:
        OutputError: one of them cannot be written.
    """
    digests, upscaler = networks.digests(), networks.super_resolver.name
    events = list(_events(entry, segments, results))
    lines = [to_line(EventRecord(e, None, engines_of(e, digests, upscaler))) for e in events]
    write_text(folder / EVENTS, "".join(lines), "the event log")
    if settings.explain:
        text = "".join(line + "\n" for line in _rejected(results))
        write_text(folder / "rejected.jsonl", text, "the log of rejected candidates")
    if settings.overlay and len(segments) > 1 and not interrupted:
        starts = [segment.start_ns for segment in segments]
        parts = [part_path(folder, segment.index) for segment in segments]
        concatenate(parts, starts, folder / "overlay.mp4")
    summary = _summary(entry, results, len(events), settings, networks, interrupted)
    write_summary(folder / REPORT, summary)
    return summary


def part_path(folder: Path, index: int) -> Path:
    """Where a segment's part of the overlay lies until all are there."""
    return folder / PARTS / f"{index:05d}.mp4"


def remove_parts(folder: Path) -> None:
    """Remove the parts of an overlay that is whole, and what a killed worker left of one."""
    shutil.rmtree(folder / PARTS, ignore_errors=True)
    for half in folder.glob(".overlay*.part"):
        with suppress(OSError):
            half.unlink()


def _events(
    entry: FileEntry, segments: Sequence[Segment], results: Sequence[SegmentResult]
) -> Iterator[Event]:
    for event in merge_events(segments, iter(results)):
        yield identified(replace(event, source=entry.source), entry.sha256)


def _rejected(results: Sequence[SegmentResult]) -> Iterator[str]:
    names = Names()
    for result in results:
        ids = names.take(result)
        for rejection in result.rejected:
            track = ids.get(rejection.track_id, rejection.track_id)
            yield rejection_line(replace(rejection, track_id=track))


def _summary(
    entry: FileEntry,
    results: Sequence[SegmentResult],
    events: int,
    settings: Settings,
    networks: Networks,
    interrupted: bool,
) -> RunSummary:
    tally, names = Tally(), Names()
    losses: dict[str, int] = {}
    warnings: dict[str, None] = {}
    tracks: set[int] = set()
    classified_ns = 0
    for result in results:
        ids = names.take(result)
        tracks.update(ids[track] for track in result.tracks)
        tally.frames += result.frames
        tally.compared += result.compared
        tally.repeats += result.repeats
        tally.add(result.streamed_ns, result.gaps, result.distances)
        classified_ns += result.classified_ns
        for cause, count in result.losses.items():
            losses[cause] = losses.get(cause, 0) + count
        warnings.update(dict.fromkeys(result.warnings))
    tally.classified.add((0, classified_ns))
    tally.tracks, tally.events = len(tracks), events
    told = list(warnings)
    if len(told) > MOST_WARNINGS:
        told[MOST_WARNINGS:] = [f"and {len(told) - MOST_WARNINGS} more notes of this kind"]
    stages = {name: None for result in results for name in result.stages}
    first = results[0] if results else SegmentResult(0)
    first_ns = None if first.first_result_s is None else round(first.first_result_s * 1e9) + 1
    progress = Progress(
        times={
            name: StageTimes.pooled([r.stages[name] for r in results if name in r.stages], POOLED)
            for name in stages
        },
        tally=tally,
        info=SourceInfo(entry.source, entry.sha256, 1, 1, first.fps_nominal, None, None, live=False),
        losses=losses,
        warnings=told,
        started_ns=1,
        first_result_ns=first_ns,
        finished_ns=(first_ns or 1) + round(sum(result.busy_s for result in results) * 1e9),
        interrupted=interrupted,
    )
    return summary_of(progress, settings, networks, threshold_of(settings, networks))
