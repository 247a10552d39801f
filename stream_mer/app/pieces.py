"""One piece of work of an archive: a segment of a file in, what it gave out, wherever it is done."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from time import perf_counter_ns

from stream_mer.app.compose import DetectorFactory, build_plan, threshold_of
from stream_mer.app.networks import Networks, pick_networks
from stream_mer.capture.index import Entry
from stream_mer.capture.pyav import PyAvSource
from stream_mer.capture.span import SpanSource
from stream_mer.config import Settings
from stream_mer.core.segments import BoxTimes, Segment, SegmentResult
from stream_mer.core.stitch import Names
from stream_mer.errors import StreamMerError
from stream_mer.pipeline.inline import run_inline
from stream_mer.pipeline.plan import Plan, Progress, SinkRecipe
from stream_mer.pipeline.threads import ThreadedRun
from stream_mer.pipeline.workers import Partial
from stream_mer.protocols import Source
from stream_mer.runtime.assets import AssetStore
from stream_mer.sinks.harvest import Harvest, to_record
from stream_mer.sinks.history import DrawSettings
from stream_mer.sinks.segment_overlay import SegmentOverlay
from stream_mer.types import Result, RunSummary, SourceInfo

QUANTILES = 256
"""Durations per stage that a segment hands on: enough for its p99."""
REPORT_FRAMES = 25


@dataclass(frozen=True, slots=True)
class Piece:
    """A segment to be judged. Plain values only: it travels to other processes and machines.

    ``settings`` name the engine; ``way`` is the super-resolver's backend and precision. ``overlay`` is
    where the segment's part of the overlay goes, drawn with the names of ``next_id`` and ``exit``
    (``core.stitch.Names``).
    """

    name: str
    path: str
    digest: str
    segment: Segment
    entry: Entry | None
    settings: Settings
    way: tuple[str, str]
    overlay: str | None = None
    next_id: int = 1
    exit: dict[int, BoxTimes] | None = None


@dataclass(slots=True)
class Unfinished(Exception):  # noqa: N818  (a signal with what was done, not an error of its own)
    """A segment that ended early; ``cause`` says how, ``result`` holds what it gave up to there."""

    cause: BaseException
    result: SegmentResult

    def partial(self) -> Partial:
        """As a job's answer; raises the cause if it is none of the file's or the disk's."""
        if not isinstance(self.cause, StreamMerError):
            raise self.cause from None
        return Partial(json.dumps(to_record(self.result)), self.cause)


def work(piece: Piece, report: Callable[[int], None]) -> str | Partial:
    """Judge one segment; the answer is JSON (``sinks.harvest``). Runs in any process that can see the file.

    Raises:
        StreamMerError: the file, an engine or a stage failed, and nothing was done before.
    """
    networks = _networks(piece.settings, piece.way)
    detectors = DetectorFactory(piece.settings, AssetStore(piece.settings.assets))
    report_frames = SinkRecipe("frames", lambda _: FrameReport(report, piece.segment))
    sinks = [*overlay_part(piece, networks), report_frames]
    try:
        result = judge(piece, networks, detectors, sinks, inline=True)
    except Unfinished as early:
        return early.partial()
    return json.dumps(to_record(result))


@lru_cache(maxsize=1)
def _networks(settings: Settings, way: tuple[str, str]) -> Networks:
    return pick_networks(settings, way=way)


def judge(
    piece: Piece,
    networks: Networks,
    detectors: DetectorFactory,
    sinks: list[SinkRecipe],
    *,
    inline: bool = False,
) -> SegmentResult:
    """Run the pipeline over one segment.

    Raises:
        Unfinished: interrupted, or the source failed on the way.
        StreamMerError: anything else failed.
    """
    harvests: list[Harvest] = []

    def harvest(info: SourceInfo) -> Harvest:
        harvests.append(Harvest(piece.segment, info))
        return harvests[0]

    recipes = [SinkRecipe("harvest", harvest), *sinks]
    plan = build_plan(lambda: open_piece(piece), piece.settings, networks, detectors, recipes)
    progress: list[Progress] = []
    plan = replace(plan, summarise=_noting(plan, progress))
    try:
        if inline:
            run_inline(plan)
        else:
            ThreadedRun(plan).run()
    except (KeyboardInterrupt, OSError) as cause:
        if not harvests or (not progress and not isinstance(cause, KeyboardInterrupt)):
            raise
        harvests[0].close(None)
        raise Unfinished(cause, _complete(harvests[0].result, progress)) from cause
    finally:
        # A run's threads and stages refer to one another, and hold pictures; the collector counts objects,
        # not bytes, and would let some fifty megabytes a segment pile up before it looks.
        del plan, recipes
        gc.collect()
    return _complete(harvests[0].result, progress)


def _noting(plan: Plan, seen: list[Progress]) -> Callable[[Progress], RunSummary]:
    def summarise(progress: Progress) -> RunSummary:
        seen[:] = [progress]
        return plan.summarise(progress)

    return summarise


def _complete(result: SegmentResult, seen: list[Progress]) -> SegmentResult:
    """Add what the run itself knows: times, losses, warnings."""
    if not seen:
        return result
    (progress,) = seen
    end_ns = progress.finished_ns or perf_counter_ns()
    result.losses, result.warnings = dict(progress.losses), list(progress.warnings)
    hidden = ("harvest", "frames", "progress")
    result.stages = {
        name: times.quantiles(QUANTILES) for name, times in progress.times.items() if name not in hidden
    }
    if progress.first_result_ns is not None:
        result.first_result_s = (progress.first_result_ns - progress.started_ns) / 1e9
        result.busy_s = (end_ns - progress.first_result_ns) / 1e9
    return result


def open_piece(piece: Piece) -> Source:
    """The frames the pipeline is to be shown for this piece."""
    source = PyAvSource(piece.path, entry=piece.entry, digest=piece.digest)
    whole = piece.segment.index == 0 and piece.segment.stop_ns is None
    return source if whole else SpanSource(source, piece.segment)


def overlay_part(piece: Piece, networks: Networks) -> list[SinkRecipe]:
    """The sink that draws this piece's part of the overlay, if it is wanted."""
    if piece.overlay is None:
        return []
    look = DrawSettings(threshold=threshold_of(piece.settings, networks), redact=piece.settings.redact)
    names, path = Names(piece.next_id, dict(piece.exit or {})), Path(piece.overlay)
    path.parent.mkdir(parents=True, exist_ok=True)
    return [
        SinkRecipe("overlay", lambda info: SegmentOverlay(path, piece.segment, names, look, info.fps_nominal))
    ]


class FrameReport:
    """Sink that tells how many frames of a segment's own time were done, now and then."""

    def __init__(self, report: Callable[[int], None], segment: Segment) -> None:
        self._report = report
        self._segment = segment
        self._count = 0

    def write(self, result: Result) -> None:
        """Count one result."""
        self._count += not result.repeated and self._segment.owns(result.frame.pts_ns)
        if self._count == REPORT_FRAMES:
            self._report(self._count)
            self._count = 0

    def close(self, summary: RunSummary | None) -> None:  # noqa: ARG002 - the protocol's signature
        """Tell the rest; idempotent."""
        if self._count:
            self._report(self._count)
            self._count = 0
