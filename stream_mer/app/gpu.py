"""Puts the networks of a run on an NVIDIA GPU: plans built and checked once, the processor as a reserve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_mer.app.console import console
from stream_mer.app.crops import Crops, gate_crops
from stream_mer.config import Settings
from stream_mer.errors import EngineError
from stream_mer.protocols import Engine
from stream_mer.runtime.fallback import FallbackEngine
from stream_mer.runtime.gpu_device import GpuDevice, load_cuda
from stream_mer.runtime.open import GPU_BACKENDS, open_engine
from stream_mer.runtime.parity import Verdict, compare_engines
from stream_mer.runtime.plan_cache import PlanCache
from stream_mer.runtime.plans import PlanWish, ensure_plan, gate_plan, open_plan, wish_for
from stream_mer.runtime.schema import Manifest
from stream_mer.runtime.trt_library import installed, load_library

CLASSIFICATION = "classification"


@dataclass(frozen=True, slots=True)
class GpuChoice:
    """The super-resolver that was chosen, why, and how both networks are opened.

    ``changes`` tells which of those opened since then had to leave the GPU, and why.
    """

    super_resolver: Manifest
    reason: str
    way: tuple[str, str]
    open_super_resolver: Callable[[], Engine]
    open_classifier: Callable[[], Engine]
    changes: Callable[[], tuple[str, ...]]


def wants_gpu(settings: Settings) -> bool:
    """Whether these settings ask for an NVIDIA GPU."""
    return settings.device == "cuda" or settings.backend in GPU_BACKENDS


def pick_on_gpu(
    settings: Settings, super_resolvers: Sequence[Manifest], classifier: Manifest, quality: str
) -> GpuChoice:
    """Decide on the super-resolver, and have plans of both networks built and let through by the gate.

    A GPU is fast enough for every network that is shipped, so ``auto`` takes the best, not the fastest.

    Args:
        settings: engine, device and backend.
        super_resolvers: candidates.
        classifier: the other network.
        quality: metric that ranks super-resolvers.

    Raises:
        EngineError: no TensorRT, no PyCUDA, no GPU, or a plan that gives other numbers than the CPU.
    """
    backend = gpu_backend(settings)
    library = load_library(backend)
    device = GpuDevice(load_cuda())
    name, capability, label = device.name, device.capability, device.label
    device.close()
    chosen = _best(super_resolvers, settings.engine, quality)
    cache, crops = PlanCache(), list[Crops]()
    wishes = [wish_for(one, backend) for one in (chosen, classifier)]
    for wish in wishes:
        page = ensure_plan(wish, cache, library=library, capability=capability, progress=say_progress(wish))
        if page.verdict_on(label) is None:
            crops = crops or [gate_crops()]
            page = gate_plan(wish, cache, judge_for(wish.manifest, crops[0]))
    changes = list[str]()
    sr, clf = (_opener(wish, cache, settings, changes.append) for wish in wishes)
    precision = wishes[0].request.precision
    reason = f"{chosen.name} with {backend} {precision} on {name}: the best, a GPU is fast enough for it"
    return GpuChoice(chosen, reason, (backend, precision), sr, clf, lambda: tuple(dict.fromkeys(changes)))


def gpu_backend(settings: Settings) -> str:
    """TensorRT or TensorRT-RTX: the one asked for, else the one installed, TensorRT first."""
    if settings.backend in GPU_BACKENDS:
        return settings.backend
    if settings.backend != "auto":
        raise EngineError(
            f"--backend {settings.backend} does not run on --device cuda\n"
            "Use --backend tensorrt or leave it out."
        )
    return next((one for one in GPU_BACKENDS if installed(one)), GPU_BACKENDS[0])


def judge_for(manifest: Manifest, crops: Crops) -> Callable[[Engine], Verdict]:
    """The parity gate of one engine: the CPU in f32 on the same crops."""
    batch: NDArray[np.generic] = crops.windows if manifest.task == CLASSIFICATION else crops.lr

    def judge(engine: Engine) -> Verdict:
        with closing(open_engine(manifest, backend="onnxruntime", precision="f32")) as reference:
            return compare_engines(reference, engine, batch)

    return judge


def say_progress(wish: PlanWish) -> Callable[[str, int, int], None]:
    """A build's progress as one line per phase; a build on a Jetson takes minutes, silence looks dead."""
    out, said = console(), set[str]()

    def report(phase: str, done: int, total: int) -> None:
        if not said:
            out.print(f"building the {wish.backend} plan of {wish.manifest.name}, once for this machine")
        if phase not in said:
            said.add(phase)
            out.print(f"  {phase} ({done} of {total})")

    return report


def _opener(
    wish: PlanWish, cache: PlanCache, settings: Settings, tell: Callable[[str], None]
) -> Callable[[], Engine]:
    def second() -> Engine:
        return open_engine(wish.manifest, precision="f32", threads=settings.threads)

    return lambda: FallbackEngine(lambda: open_plan(wish, cache), second, tell)


def _best(candidates: Sequence[Manifest], name: str, quality: str) -> Manifest:
    trained = [one for one in candidates if one.trained and one.file]
    if name != "auto":
        trained = [one for one in trained if one.name == name]
    if not trained:
        raise EngineError(f"no trained engine {name!r} that can run on a GPU; see 'stream-mer engines list'")
    return max(trained, key=lambda one: one.metrics.get(quality, float("-inf")))
