"""Chooses the networks of a run and opens them where they are needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stream_mer.app.gpu import pick_on_gpu, wants_gpu
from stream_mer.config import Settings
from stream_mer.core.reading import Reading
from stream_mer.errors import EngineError
from stream_mer.protocols import Engine
from stream_mer.runtime.bicubic import BICUBIC
from stream_mer.runtime.calibration import ScoreCalibration, load_calibration
from stream_mer.runtime.manifest import list_manifests
from stream_mer.runtime.open import open_engine
from stream_mer.runtime.schema import Manifest
from stream_mer.runtime.select import choose
from stream_mer.runtime.shipped import calibration_root, engines_root, find_manifest

SR_BUDGET_MS = 10.0
"""A face may take this long: a third of a frame at 30 fps, so that one face keeps up beside the rest."""
SUPER_RESOLUTION, CLASSIFICATION = "super-resolution", "classification"
RAW = ScoreCalibration(Reading(), 0.5)
"""Logits as they come."""
QUALITY = "london.area_gaussian.psnr"
"""The metric that ranks super-resolvers: the paper's degradation on the validation people."""


@dataclass(frozen=True, slots=True)
class Networks:
    """Which networks a run uses; ``open_*`` builds them in the thread that will run them."""

    super_resolver: Manifest
    reason: str
    classifier: Manifest
    calibration: ScoreCalibration
    open_super_resolver: Callable[[], Engine]
    open_classifier: Callable[[], Engine]
    way: tuple[str, str] = ("", "")
    """Backend and precision of the super-resolver, so that other processes can be told to use the same."""
    changes: Callable[[], tuple[str, ...]] = tuple
    """Which networks had to change from the GPU to the processor since they were opened, as sentences."""

    def digests(self) -> dict[str, str]:
        """Name -> sha256 of both networks."""
        return {m.name: m.sha256 for m in (self.super_resolver, self.classifier)}


def pick_networks(
    settings: Settings,
    root: Path | None = None,
    *,
    way: tuple[str, str] | None = None,
    threads: int | None = None,
    uncalibrated: bool = False,
) -> Networks:
    """Decide on both networks; ``auto`` measures (once per machine, then cached).

    Args:
        settings: names, backend and threads.
        root: folder of engines; those that came with the package if None.
        threads: of each engine once it runs, whatever it was measured with; those of ``settings`` if None.
        uncalibrated: take the classifier's scores as they are; for those who calibrate it.
        way: backend and precision of the super-resolver, see ``Networks.way``; measured if None.

    Raises:
        EngineError: an unknown or untrained engine, or a file that does not match its manifest.
    """
    manifests = list_manifests(engines_root(root))
    classifier = _classifier(manifests, settings.classifier)
    file = calibration_root() / "score" / f"{classifier.name}.toml"
    calibration = RAW if uncalibrated else load_calibration(file, classifier.sha256)
    if wants_gpu(settings):
        candidates = [m for m in manifests if m.task == SUPER_RESOLUTION]
        gpu = pick_on_gpu(settings, candidates, classifier, QUALITY)
        openers = (gpu.open_super_resolver, gpu.open_classifier)
        return Networks(
            gpu.super_resolver,
            gpu.reason,
            classifier,
            calibration,
            *openers,
            way=gpu.way,
            changes=gpu.changes,
        )
    backend = None if settings.backend == "auto" else settings.backend
    choice = choose(
        (*(m for m in manifests if m.task == SUPER_RESOLUTION), BICUBIC),
        budget_ms=SR_BUDGET_MS,
        name=None if settings.engine == "auto" else settings.engine,
        quality=QUALITY,
        backend=way[0] if way else backend,
        precision=way[1] if way else None,
        threads=settings.threads,
    )
    threads = threads or settings.threads
    return Networks(
        super_resolver=choice.manifest,
        reason=choice.reason,
        classifier=classifier,
        calibration=calibration,
        open_super_resolver=lambda: open_engine(
            choice.manifest, backend=choice.backend, precision=choice.precision, threads=threads
        ),
        open_classifier=lambda: open_engine(
            classifier, backend=backend or "openvino", precision="f32", threads=threads
        ),
        way=(choice.backend, choice.precision),
    )


def require_known(settings: Settings) -> None:
    """Check the names of both networks without measuring or opening anything.

    Raises:
        EngineError: one of them is not known here.
    """
    manifests = list_manifests(engines_root())
    if settings.engine != "auto":
        find_manifest(settings.engine, (*(m for m in manifests if m.task == SUPER_RESOLUTION), BICUBIC))
    if settings.classifier != "auto":
        find_manifest(settings.classifier, tuple(m for m in manifests if m.task == CLASSIFICATION))


def _classifier(manifests: tuple[Manifest, ...], name: str) -> Manifest:
    classifiers = tuple(m for m in manifests if m.task == CLASSIFICATION)
    if name != "auto":
        return find_manifest(name, classifiers)
    for manifest in classifiers:
        if manifest.trained:
            return manifest
    raise EngineError(
        "no trained classifier came with this installation.\n"
        "Reinstall, or train one with scripts/train_classifier.py."
    )
