"""Puts a run together from settings: which detector, which engines, which sinks, which summary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

from stream_mer import __version__
from stream_mer.app.networks import Networks
from stream_mer.app.observability import observed
from stream_mer.config import Settings
from stream_mer.core.baseline import EvidenceBaseline
from stream_mer.core.decision import FLOOR, CandidateFinder, Judge
from stream_mer.core.second_look import SecondLook
from stream_mer.core.tracking import FaceTracker, TrackerSettings
from stream_mer.core.vetoes import DEFAULT
from stream_mer.core.windowing import LOOK_AHEAD_NS, Windower, duration_ladder
from stream_mer.face.choose import COARSE_MIN_SCORE, FULL_RANGE, SHORT_RANGE, TRUST, plan_detection
from stream_mer.face.gated import GatedDetector
from stream_mer.face.mediapipe import MediaPipeDetector
from stream_mer.face.tiled import TiledDetector
from stream_mer.face.zoomed import ZoomedDetector
from stream_mer.pipeline.plan import Plan, Progress, SinkRecipe
from stream_mer.pipeline.steps import FaceStep, InferStep
from stream_mer.protocols import Engine, FaceDetector, Source
from stream_mer.runtime.assets import AssetStore
from stream_mer.runtime.calibration import ScoreCalibration
from stream_mer.types import REASONS, RunSummary, SourceInfo

AUTO_SR_BELOW_PX = 32.0
"""``--sr auto``: narrower faces go through LR and SR, wider ones show the classifier their own pixels.
Source: motion and spotting by size in engines/README.md; from here up the native crop is behind in none."""
SR_SLACK = 0.1
"""... and only when a face has grown or shrunk by so much past that does it change over."""
MAX_PASSES = 16
"""Detector passes per frame at most: what faces of 32 px in 1080p need; 4k gets larger tiles (64 px)."""


@dataclass(frozen=True, slots=True)
class DetectorFactory:
    """Builds the detector that suits a source; ``fetch`` gets the model files beforehand."""

    settings: Settings
    store: AssetStore

    def fetch(self) -> None:
        """Get and verify the model files now, so that a run does not stop for them later."""
        for name in (SHORT_RANGE, FULL_RANGE):
            self.store.path(name)

    def build(self, info: SourceInfo) -> FaceDetector:
        """A detector with zoomed re-detection, for pictures of the source's size."""
        plan = plan_detection(
            info.width, info.height, min_face_px=self.settings.min_face_px, max_passes=MAX_PASSES
        )
        kind = self.settings.detector
        model = {"short": SHORT_RANGE, "full": FULL_RANGE, "tiled": FULL_RANGE}.get(kind, plan.model)
        with ExitStack() as opened:  # the first is closed again if the second cannot be built
            coarse: FaceDetector = opened.enter_context(
                closing(MediaPipeDetector(self.store.path(model), min_score=COARSE_MIN_SCORE))
            )
            if plan.tile_px is not None and kind in ("auto", "tiled"):
                coarse = TiledDetector(coarse, tile_px=plan.tile_px, min_face_px=self.settings.min_face_px)
            zoomed = ZoomedDetector(coarse, MediaPipeDetector(self.store.path(SHORT_RANGE)), trust=TRUST)
            opened.pop_all()
        # What must be made unrecognisable is looked for in every frame, moved or not.
        return GatedDetector(zoomed) if self.settings.gate and not self.settings.redact else zoomed


def threshold_of(settings: Settings, networks: Networks) -> float:
    """The probability from which a candidate is an event: the user's, or the classifier's own.

    Raises:
        ConfigError: ``--far`` asks for more or fewer false alarms than were measured.
    """
    if settings.threshold is not None:
        return settings.threshold
    if settings.far is not None:
        return networks.calibration.threshold_at(settings.far)
    return networks.calibration.threshold


def vetoes_of(settings: Settings) -> tuple[str, ...]:
    """The vetoes that are on: the reasons named, and those that ``default`` and ``all`` stand for."""
    groups: dict[str, tuple[str, ...]] = {"default": DEFAULT, "all": REASONS, "none": ()}
    names = [name.strip() for name in settings.vetoes.split(",")]
    asked = {reason for name in names for reason in groups.get(name, (name,))}
    return tuple(reason for reason in REASONS if reason in asked)


def find_candidates(settings: Settings, source: str, calibration: ScoreCalibration) -> CandidateFinder:
    """The spotter with everything behind it, up to the threshold."""
    again, max_ns = calibration.second_look, round(settings.max_duration_s * 1e9)
    return CandidateFinder(
        source,
        min_ns=round(settings.min_duration_s * 1e9),
        max_ns=max_ns,
        look_ahead_ns=LOOK_AHEAD_NS,
        floor=min(FLOOR, settings.threshold or 1.0),
        usual=EvidenceBaseline(calibration.usual_share, calibration.resting),
        second_look=SecondLook(max_ns, 1e9 / again.min_fps) if again else None,
    )


def infer_step(
    info: SourceInfo, settings: Settings, networks: Networks, engines: tuple[Engine, Engine] | None = None
) -> InferStep:
    """The step that judges faces; ``engines`` (super-resolver, classifier) are opened unless given.

    If anything fails on the way, none of those that were opened here stays open.
    """
    calibration = networks.calibration
    with ExitStack() as opened:
        if engines is None:
            super_resolver = opened.enter_context(closing(networks.open_super_resolver()))
            engines = super_resolver, opened.enter_context(closing(networks.open_classifier()))
        step = InferStep(
            super_resolver=engines[0],
            classifier=engines[1],
            reading=calibration.reading,
            windower=Windower(
                duration_ladder(settings.min_duration_s, settings.max_duration_s),
                longest_ns=settings.max_duration_s * 1e9,
            ),
            finder=find_candidates(settings, info.name, calibration),
            judge=Judge(
                threshold_of(settings, networks),
                info.digest,
                vetoes_of(settings),
                min_ns=round(settings.min_duration_s * 1e9),
            ),
            reading_again=calibration.second_look.reading if calibration.second_look else None,
        )
        opened.pop_all()
    return step


def wants_sr(mode: str) -> Callable[[float, bool | None], bool]:
    """From a face's width in frame px and what it had before: does it go through LR and SR?"""
    if mode != "auto":
        return lambda _, __: mode == "always"
    low, high = AUTO_SR_BELOW_PX * (1 - SR_SLACK), AUTO_SR_BELOW_PX * (1 + SR_SLACK)
    return lambda face_px, had: face_px < (AUTO_SR_BELOW_PX if had is None else high if had else low)


def build_plan(
    source: Callable[[], Source],
    settings: Settings,
    networks: Networks,
    detectors: DetectorFactory,
    sinks: Sequence[SinkRecipe],
    *,
    lossy: bool = False,
    drain: bool = False,
) -> Plan:
    """The recipes of one run."""
    threshold = threshold_of(settings, networks)

    def face(info: SourceInfo) -> FaceStep:
        tracker = FaceTracker(TrackerSettings(max_faces=settings.max_faces))
        return FaceStep(detectors.build(info), tracker, wants_sr(settings.sr), veil=settings.redact)

    def infer(info: SourceInfo) -> InferStep:
        return infer_step(info, settings, networks)

    def summarise(progress: Progress) -> RunSummary:
        return summary_of(progress, settings, networks, threshold)

    return Plan(source, face, infer, sinks, summarise, lossy, drain)


def summary_of(progress: Progress, settings: Settings, networks: Networks, threshold: float) -> RunSummary:
    """``run.json``'s content from what a run counted."""
    tally, info = progress.tally, progress.info
    # From the first result on: start-up is told apart, as first_result_s.
    wall_s = (progress.finished_ns - (progress.first_result_ns or progress.started_ns)) / 1e9
    warnings = [*progress.warnings, *networks.changes()]
    if progress.interrupted:
        warnings.append("interrupted: this is what was done up to then")
    if tally.gaps:
        warnings.append(f"gaps in the source's frames: {tally.gaps}; no window was classified across them")
    observability = observed(tally, settings)
    if observability["verdict"] != "ok":
        warnings.append(str(observability["verdict"]))
    return RunSummary(
        source=info.name if info else "",
        frames=tally.frames,
        frames_dropped=dict(progress.losses),
        duration_s=round(tally.duration_s, 6),
        fps_nominal=info.fps_nominal if info else None,
        fps_effective=round(tally.fps, 3),
        coverage=round(tally.coverage, 4),
        tracks=tally.tracks,
        events=tally.events,
        throughput_fps=round(tally.frames / wall_s, 2) if wall_s > 0 else 0.0,
        stages={name: p for name, times in list(progress.times.items()) if (p := times.percentiles())},
        engines=networks.digests(),
        observability=observability,
        settings={
            **settings.describe(),
            "threshold": threshold,
            "engine": networks.super_resolver.name,
            "way": networks.way,
            "calibration": networks.calibration.digest,
        },
        version=__version__,
        warnings=tuple(warnings),
        interrupted=progress.interrupted,
        source_sha256=info.digest if info and not info.live else "",
        first_result_s=(
            round((progress.first_result_ns - progress.started_ns) / 1e9, 3)
            if progress.first_result_ns is not None
            else None
        ),
    )
