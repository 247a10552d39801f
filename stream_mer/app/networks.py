"""Chooses the networks of a run and opens them where they are needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stream_mer.config import Settings
from stream_mer.errors import EngineError
from stream_mer.protocols import Engine
from stream_mer.runtime.bicubic import BicubicEngine
from stream_mer.runtime.calibration import ScoreCalibration, load_calibration
from stream_mer.runtime.manifest import Manifest, list_manifests
from stream_mer.runtime.open import open_engine
from stream_mer.runtime.select import choose
from stream_mer.runtime.shipped import calibration_root, engines_root

SR_BUDGET_MS = 10.0
"""A face may take this long: a third of a frame at 30 fps, so that one face keeps up beside the rest."""
BICUBIC = "bicubic"


@dataclass(frozen=True, slots=True)
class Networks:
    """Which networks a run uses; ``open_*`` builds them in the thread that will run them."""

    sr_name: str
    sr_sha256: str
    reason: str
    classifier: Manifest
    calibration: ScoreCalibration
    open_super_resolver: Callable[[], Engine]
    open_classifier: Callable[[], Engine]

    def digests(self) -> dict[str, str]:
        """Name -> sha256 of both networks."""
        return {self.sr_name: self.sr_sha256, self.classifier.name: self.classifier.sha256}


def pick_networks(settings: Settings, root: Path | None = None) -> Networks:
    """Decide on both networks; ``auto`` measures (once per machine, then cached).

    Raises:
        EngineError: an unknown or untrained engine, or a file that does not match its manifest.
    """
    if settings.device == "cuda":
        raise EngineError(
            "--device cuda: this version runs its networks on the CPU.\nUse --device auto or --device cpu."
        )
    manifests = list_manifests(root or engines_root())
    classifier = _named(manifests, settings.classifier, "classification")
    calibration = load_calibration(
        calibration_root() / "score" / f"{classifier.name}.toml", classifier.sha256
    )
    backend = "openvino" if settings.backend == "auto" else settings.backend
    open_sr, name, digest, reason = _super_resolver(manifests, settings, backend)
    return Networks(
        sr_name=name,
        sr_sha256=digest,
        reason=reason,
        classifier=classifier,
        calibration=calibration,
        open_super_resolver=open_sr,
        open_classifier=lambda: open_engine(
            classifier, backend=backend, precision="f32", threads=settings.threads
        ),
    )


def _super_resolver(
    manifests: tuple[Manifest, ...], settings: Settings, backend: str
) -> tuple[Callable[[], Engine], str, str, str]:
    if settings.engine == BICUBIC:
        engine = BicubicEngine()
        return BicubicEngine, BICUBIC, engine.sha256, "asked for"
    candidates = [m for m in manifests if m.task == "super-resolution"]
    if settings.engine != "auto":
        candidates = [_named(manifests, settings.engine, "super-resolution")]
    trained = [m for m in candidates if m.trained]
    if not trained:
        raise EngineError(
            f"engine {settings.engine} is listed but not trained.\n"
            "Choose a trained one from 'stream-mer engines list', or train it with the command shown there."
        )
    choice = choose(
        trained,
        backend=None if settings.backend == "auto" else backend,
        threads=settings.threads,
        budget_ms=SR_BUDGET_MS,
    )
    return (
        lambda: open_engine(
            choice.manifest, backend=choice.backend, precision=choice.precision, threads=settings.threads
        ),
        choice.manifest.name,
        choice.manifest.sha256,
        choice.reason,
    )


def _named(manifests: tuple[Manifest, ...], name: str, task: str) -> Manifest:
    fitting = [m for m in manifests if m.task == task]
    if name == "auto":
        trained = [m for m in fitting if m.trained]
        if trained:
            return trained[0]
    for manifest in fitting:
        if manifest.name == name:
            return manifest
    known = ", ".join([m.name for m in fitting] + ([BICUBIC] if task == "super-resolution" else []))
    raise EngineError(
        f"there is no {task} engine named {name!r}.\nKnown: {known or 'none'}; see 'stream-mer engines list'."
    )
