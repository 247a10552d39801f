"""``stream-mer report``: a run, or a folder of runs, as one HTML page."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from stream_mer.app.compose import DetectorFactory, build_plan
from stream_mer.app.networks import Networks
from stream_mer.app.outputs import say
from stream_mer.app.pieces import Piece, open_piece
from stream_mer.app.replay import Recorded
from stream_mer.capture.index import VideoIndex
from stream_mer.config import Settings
from stream_mer.core.metrics import interval_iou
from stream_mer.core.segments import Segment
from stream_mer.core.warp import sample
from stream_mer.errors import ConfigError, EngineError, SourceError, StreamMerError
from stream_mer.pipeline.inline import run_inline
from stream_mer.pipeline.plan import SinkRecipe
from stream_mer.runtime.assets import AssetStore
from stream_mer.sinks.event_log import read_events
from stream_mer.sinks.event_table import find_logs
from stream_mer.sinks.rejected import read_rejections
from stream_mer.sinks.report import Chapter, page
from stream_mer.sinks.report_pictures import FaceTriple
from stream_mer.sinks.summary import read_summary, write_text
from stream_mer.types import HR_SIZE, Event, FaceCrop, ImageU8, Result, RunSummary

BEFORE_NS = 3_000_000_000
"""Shown to the tracker before the event, so that its crop is as steady as it was in the run."""
AFTER_NS = 900_000_000
AROUND_NS = 300_000_000
"""Crops are kept this long before and after an event."""


def report(
    run_dir: Path, out: Path | None, *, faces: bool, paths: bool, most: int, assets: Path | None = None
) -> int:
    """Write the page; prints where it is.

    Args:
        run_dir: a run or a folder of runs.
        out: file; ``run_dir/report.html`` if None.
        faces: with pictures, taken from the recordings again; never of runs with ``--redact``.
        paths: say where the recordings lie.
        most: pictures of so many events at most, the most probable ones.
        assets: folder with the detector's model files.

    Raises:
        ConfigError: no run there, or ``most`` is negative.
        OutputError: the page cannot be written.
    """
    if most < 0:
        raise ConfigError(f"--most {most} is not possible.\nGive a number of events, 0 for none.")
    chapters, runs = [], []
    for camera, log in find_logs([run_dir]):
        chapter = _chapter(camera, log.parent, paths)
        chapters.append(chapter)
        if faces and chapter.events:
            runs.append((chapter, log.parent))
    chosen = sorted(
        ((c, folder, e) for c, folder in runs for e in c.events), key=lambda row: -row[2].probability
    )[:most]
    for chapter, folder in runs:
        wanted = [event for c, _, event in chosen if c is chapter]
        try:
            chapter.pictures = pictures(folder, wanted, assets)
            left = len(chapter.events) - len(chapter.pictures)
            chapter.why_bare = f"{left} events without pictures" if left else ""
        except (SourceError, EngineError, ConfigError) as error:
            chapter.why_bare = "no pictures: the recording or the engines of this run are not at hand"
            say(f"{chapter.camera}: {error}")
    path = out or run_dir / "report.html"
    write_text(path, page(chapters, f"stream-mer: {run_dir.resolve().name}"), "the report")
    print(path)
    return 0


def _chapter(camera: str, folder: Path, paths: bool) -> Chapter:
    summary = read_summary(folder / "run.json") if (folder / "run.json").exists() else None
    rejected = read_rejections(folder / "rejected.jsonl")
    place = summary.source if summary is not None and paths else ""
    return Chapter(camera, read_events(folder / "events.jsonl"), summary, {}, rejected, place)


def pictures(folder: Path, events: list[Event], assets: Path | None = None) -> dict[str, FaceTriple]:
    """Event id -> its face at onset, apex and offset, cut from the recording again.

    Raises:
        ConfigError: the run was made with ``--redact``, or is not of a recording.
        SourceError: the recording is gone or changed.
        EngineError: this installation has other engines.
    """
    summary: RunSummary = read_summary(folder / "run.json")
    if summary.settings.get("redact"):
        raise ConfigError("this run was made with --redact: its report shows no faces.")
    run = Recorded.at(folder, assets=assets)
    networks, detectors = run.networks(), DetectorFactory(run.settings, AssetStore(assets))
    index, _ = run.segments()
    found = {}
    bar = track(
        events, folder.name, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True
    )
    for event in bar:
        try:
            triple = _triple(run, index, networks, detectors, event)
        except StreamMerError as error:
            say(f"event {event.id}: {error}")
            continue
        if triple is not None:
            found[event.id] = triple
    return found


class _Crops:
    """Sink that keeps the crops around an event, with native pictures, and what was found there."""

    def __init__(self, event: Event) -> None:
        self._event = event
        self.crops: dict[int, list[tuple[FaceCrop, ImageU8]]] = {}
        self.events: list[Event] = []

    def write(self, result: Result) -> None:
        self.events += result.events
        now = result.frame.pts_ns
        if (
            result.repeated
            or not self._event.onset_ns - AROUND_NS <= now <= self._event.offset_ns + AROUND_NS
        ):
            return
        for crop in result.crops:
            native = sample(result.frame.rgb, crop.track.pose, HR_SIZE)
            self.crops.setdefault(crop.track.track_id, []).append((crop, native))

    def close(self, summary: RunSummary | None) -> None:
        """Nothing to finish."""

    def track(self) -> int | None:
        """Whose event it is: who gave one at that time, else whose face has the right size."""
        wanted = self._event

        def overlap(event: Event) -> float:
            return interval_iou((event.onset_ns, event.offset_ns), (wanted.onset_ns, wanted.offset_ns))

        best = max(self.events, key=overlap, default=None)
        if best is not None and overlap(best) > 0.2 and best.track_id in self.crops:
            return best.track_id
        sizes = {track: abs(some[0][0].track.face_px - wanted.face_px) for track, some in self.crops.items()}
        return min(sizes, key=lambda track: sizes[track], default=None)


def letting_through(settings: Settings) -> Settings:
    """Settings by which every event that a run reported is found again, and weaker ones: whose it was is
    asked, which the run has judged already."""
    return replace(
        settings, vetoes="none", threshold=min(0.3, settings.threshold or 0.3), far=None, overlay=False
    )


def _triple(
    run: Recorded, index: VideoIndex, networks: Networks, detectors: DetectorFactory, event: Event
) -> FaceTriple | None:
    warm_ns = max(0, event.onset_ns - BEFORE_NS)
    key = next((key for key in reversed(index.keys) if key.pts_ns <= warm_ns), None)
    segment = Segment(0, warm_ns, event.offset_ns + AFTER_NS, warm_ns, event.offset_ns + AFTER_NS, key, 0)
    settings = letting_through(run.settings)
    entry = index.entry(key, warm_ns) if key else None
    piece = Piece("", str(run.video), run.summary.source_sha256, segment, entry, settings, networks.way)
    sink = _Crops(event)
    recipes = [SinkRecipe("crops", lambda _: sink)]
    run_inline(build_plan(lambda: open_piece(piece), settings, networks, detectors, recipes))
    track_id = sink.track()
    if track_id is None:
        return None
    rows = sink.crops[track_id]
    times = (event.onset_ns, event.apex_ns, event.offset_ns)
    three = [min(rows, key=lambda row: abs(row[0].pts_ns - time)) for time in times]
    one, two, last = three
    with closing(networks.open_super_resolver()) as engine:
        (sr,) = engine.run(np.stack([crop.lr for crop, _ in three]))
    sr = sr.astype(np.uint8, copy=False)
    return FaceTriple((one[1], two[1], last[1]), (one[0].lr, two[0].lr, last[0].lr), (sr[0], sr[1], sr[2]))
