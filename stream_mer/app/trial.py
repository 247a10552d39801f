"""The pair that counts: recall of events injected into real video, and false events a minute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stream_mer.app.compose import DetectorFactory, build_plan, spotter_settings
from stream_mer.app.injection import inject_into
from stream_mer.app.networks import Networks, pick_networks
from stream_mer.app.portraits import MESH
from stream_mer.capture.pyav import PyAvSource
from stream_mer.config import Settings
from stream_mer.core.extent import Extents
from stream_mer.core.metrics import SpottingCount, match_intervals
from stream_mer.core.spotting import Spotter
from stream_mer.pipeline.inline import run_inline
from stream_mer.pipeline.plan import SinkRecipe
from stream_mer.protocols import Source
from stream_mer.runtime.assets import AssetStore
from stream_mer.runtime.openvino import OpenVinoEngine
from stream_mer.synth.mesh import MeshRun
from stream_mer.synth.spec import TrueEvent
from stream_mer.types import Event, Result, RunSummary

NO_PICTURE = np.zeros((1, 1, 3), np.uint8)
"""Stands for the frames' pictures, which a trial does not keep."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of one video: every score it gave, and what was there (nothing, if nothing was injected).

    ``steps`` are the frames' times with the crops and scores that came with them, so that any threshold
    can be tried afterwards with the product's own spotter. About 50 kB a face and frame.
    """

    video: str
    minutes: float
    coverage: float
    truth: tuple[TrueEvent, ...]
    steps: tuple[Result, ...]
    settings: Settings

    def events(self, threshold: float) -> list[Event]:
        """What the product reports at this threshold."""
        spotting = spotter_settings(self.settings, threshold)
        spotter = Spotter(spotting, self.video, self.video)
        extents = Extents(spotting.min_ns, spotting.max_ns)
        found: list[Event] = []
        for step in self.steps:
            extents.push(step.crops)
            found += [extents.refine(e) for e in spotter.push(step.scores, step.frame.pts_ns)]
        return found + [extents.refine(e) for e in spotter.flush()]

    def count(self, threshold: float, min_iou: float = 0.5) -> tuple[SpottingCount, int]:
        """Spotting counts at a threshold, and how many of the hits have the right class."""
        found = self.events(threshold)
        spans = [(e.onset_ns, e.offset_ns) for e in found]
        true = [(e.onset_ns, e.offset_ns) for e in self.truth]
        pairs = match_intervals(spans, true, min_iou)
        right = sum(found[i].label == self.truth[j].label for i, j in pairs)
        return SpottingCount(len(pairs), len(found) - len(pairs), len(true) - len(pairs)), right


@dataclass(slots=True)
class _Collector:
    steps: list[Result]

    def write(self, result: Result) -> None:
        if not result.repeated:
            small = replace(result.frame, rgb=NO_PICTURE)
            self.steps.append(replace(result, frame=small))

    def close(self, summary: RunSummary | None) -> None:
        """Nothing to finish."""


def run_trial(
    video: Path,
    settings: Settings,
    networks: Networks,
    detectors: DetectorFactory,
    mesh: MeshRun | None = None,
    seed: int = 0,
    peaks: tuple[float, float] = (0.005, 0.03),
) -> Trial:
    """Run the product over a video, with events injected if ``mesh`` (the landmark network) is given."""
    source: Source
    truth: Callable[[], tuple[TrueEvent, ...]]
    if mesh is None:
        source, truth = PyAvSource(video), tuple
    else:
        injected = inject_into(
            video,
            detectors.build,
            mesh,
            seed,
            durations_s=(settings.min_duration_s, settings.max_duration_s),
            peaks=peaks,
        )
        source, truth = injected, injected.truth
    collector = _Collector([])
    plan = build_plan(
        lambda: source, settings, networks, detectors, [SinkRecipe("collect", lambda _: collector)]
    )
    summary = run_inline(plan)
    steps = tuple(collector.steps)
    return Trial(video.name, summary.duration_s / 60, summary.coverage, truth(), steps, settings)


@dataclass(frozen=True, slots=True)
class Point:
    """One threshold over several trials."""

    threshold: float
    recall: float
    unmatched_per_minute: float
    right_class: float


def curve(trials: Sequence[Trial], thresholds: Sequence[float]) -> list[Point]:
    """Recall and unmatched events a minute, pooled over trials, for each threshold."""
    minutes = sum(t.minutes for t in trials)
    points = []
    for threshold in thresholds:
        total, right = SpottingCount(0, 0, 0), 0
        for trial in trials:
            count, correct = trial.count(threshold)
            total, right = total + count, right + correct
        share = right / total.tp if total.tp else 0.0
        points.append(Point(threshold, total.recall, total.fp / minutes if minutes else 0.0, share))
    return points


WAYS: dict[str, tuple[str, str]] = {
    "native crop": ("never", "bicubic"),
    "LR 32, bicubic": ("always", "bicubic"),
    "LR 32, SR": ("always", "auto"),
}
"""What the classifier may be shown: name -> ``--sr`` and ``--engine``."""


def compare_ways(
    videos: Sequence[Path],
    settings: Settings,
    store: AssetStore,
    seeds: Sequence[int],
    report: Callable[[str], None],
) -> dict[str, tuple[list[Trial], list[Trial]]]:
    """Run every way over every video, as it is and with events injected.

    Returns:
        For each way the trials without and with injected events.
    """
    engine = OpenVinoEngine.from_file(store.path(MESH), threads=1)
    results: dict[str, tuple[list[Trial], list[Trial]]] = {}
    try:
        for way, (sr, name) in WAYS.items():
            chosen = replace(settings, sr=sr, engine=settings.engine if name == "auto" else name)
            networks, detectors = pick_networks(chosen), DetectorFactory(chosen, store)
            plain, injected = [], []
            for video in videos:
                report(f"{way} ({networks.super_resolver.name}): {video.name}")
                plain.append(run_trial(video, chosen, networks, detectors))
                injected += [run_trial(video, chosen, networks, detectors, engine.run, s) for s in seeds]
            results[way] = (plain, injected)
    finally:
        engine.close()
    return results


def table(results: dict[str, tuple[list[Trial], list[Trial]]], thresholds: Sequence[float]) -> str:
    """The comparison as Markdown: per way and threshold, false events a minute and recall."""
    lines = [
        "| shown to the classifier | threshold | events/min, nothing injected | recall of injected "
        "| unmatched/min, injected | right class |",
        "|---|---|---|---|---|---|",
    ]
    for way, (plain, injected) in results.items():
        for quiet, busy in zip(curve(plain, thresholds), curve(injected, thresholds), strict=True):
            lines.append(
                f"| {way} | {quiet.threshold:g} | {quiet.unmatched_per_minute:.1f} | {busy.recall:.2f} "
                f"| {busy.unmatched_per_minute:.1f} | {busy.right_class:.2f} |"
            )
    plain, injected = next(iter(results.values()))
    minutes = sum(t.minutes for t in plain)
    events = sum(len(t.truth) for t in injected)
    lines += [
        "",
        f"{len(plain)} videos, {minutes:.1f} minutes; {events} injected events with IoU >= 0.5 to match.",
    ]
    return "\n".join(lines) + "\n"
