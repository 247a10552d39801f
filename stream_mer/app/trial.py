"""The pair that counts: recall of events injected into real video, and false events a minute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stream_mer.app.compose import DetectorFactory, build_plan, spotter_settings
from stream_mer.app.injection import inject_into
from stream_mer.app.networks import Networks
from stream_mer.capture.pyav import PyAvSource
from stream_mer.config import Settings
from stream_mer.core.metrics import SpottingCount, match_intervals
from stream_mer.core.spotting import Spotter
from stream_mer.pipeline.inline import run_inline
from stream_mer.pipeline.plan import SinkRecipe
from stream_mer.protocols import Source
from stream_mer.synth.mesh import MeshRun
from stream_mer.synth.spec import TrueEvent
from stream_mer.types import Event, Result, RunSummary, Score


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of one video: every score it gave, and what was there (nothing, if nothing was injected).

    ``scores`` are the frames' times with the scores that came with them, so that any threshold can be
    tried afterwards with the very spotter of the product.
    """

    video: str
    minutes: float
    coverage: float
    truth: tuple[TrueEvent, ...]
    scores: tuple[tuple[int, tuple[Score, ...]], ...]
    settings: Settings

    def events(self, threshold: float) -> list[Event]:
        """What the product reports at this threshold."""
        spotter = Spotter(spotter_settings(self.settings, threshold), self.video, self.video)
        found = [event for now_ns, scores in self.scores for event in spotter.push(scores, now_ns)]
        return found + spotter.flush()

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
    scores: list[tuple[int, tuple[Score, ...]]]

    def write(self, result: Result) -> None:
        if not result.repeated:
            self.scores.append((result.frame.pts_ns, result.scores))

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
    scores = tuple(collector.scores)
    return Trial(video.name, summary.duration_s / 60, summary.coverage, truth(), scores, settings)


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
