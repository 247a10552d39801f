"""Puts the networks of a run on an NVIDIA GPU: plans built and checked once, the processor as a reserve."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_mer.app.console import console
from stream_mer.app.crops import Crops, gate_crops
from stream_mer.config import Settings
from stream_mer.errors import DeviceError, EngineError
from stream_mer.pipeline.presses import counted_presses
from stream_mer.protocols import Engine
from stream_mer.runtime.bicubic import BICUBIC, BicubicEngine
from stream_mer.runtime.fallback import FallbackEngine
from stream_mer.runtime.gpu_device import find_gpu, load_cuda
from stream_mer.runtime.open import GPU_BACKENDS, open_engine
from stream_mer.runtime.parity import Verdict, compare_engines
from stream_mer.runtime.plan_build import ProgressReport
from stream_mer.runtime.plan_cache import PlanCache
from stream_mer.runtime.plan_choice import chosen_wish
from stream_mer.runtime.plans import PlanWish, ensure_plan, gate_plan, open_plan
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
    A network that the GPU has no room for, or during whose build or check it is lost, goes on on the
    processor.
    ``bicubic``, the last step of an overloaded service, is no network and runs on the processor.

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
    facts = find_gpu(load_cuda())
    cache, crops, changes = PlanCache(), list[Crops](), list[str]()

    def prepared(wish: PlanWish) -> Callable[[], Engine]:
        nonlocal crops
        failure = ""
        try:
            with interruptible(say_progress(wish)) as report:
                page = ensure_plan(wish, cache, library=library, capability=facts.capability, progress=report)
            if page.verdict_on(facts.label) is None:
                crops = crops or [gate_crops()]
                gate_plan(wish, cache, judge_for(wish.manifest, crops[0]))
        except DeviceError as error:
            failure = str(error)
        return _opener(wish, cache, settings, changes.append, failure)

    def classifying() -> Callable[[], Engine]:
        return prepared(chosen_wish(classifier, backend, facts.capability, cache))

    def told() -> tuple[str, ...]:
        return tuple(dict.fromkeys(changes))

    if settings.engine == BICUBIC.name:
        way = ("opencv", "u8")
        return GpuChoice(BICUBIC, "as asked for", way, BicubicEngine, classifying(), told)
    chosen = _best(super_resolvers, settings.engine, quality)
    wish = chosen_wish(chosen, backend, facts.capability, cache)
    precision = wish.request.precision
    reason = (
        f"{chosen.name} with {backend} {precision} on {facts.name}: the best, a GPU is fast enough for it"
    )
    return GpuChoice(chosen, reason, (backend, precision), prepared(wish), classifying(), told)


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


@contextmanager
def interruptible(report: ProgressReport) -> Iterator[ProgressReport]:
    """A build's progress during which Ctrl-C ends the build at its next step.

    As an exception it would mostly be raised inside a callback of the library's, which prints it and goes on.

    Raises:
        KeyboardInterrupt: at the block's end, if Ctrl-C came and nothing else was raised.
    """
    with counted_presses() as presses:

        def stopping(phase: str, done: int, total: int) -> None:
            report(phase, done, total)
            if presses.count:
                raise KeyboardInterrupt

        yield stopping
    if presses.count:
        raise KeyboardInterrupt


def say_progress(wish: PlanWish) -> ProgressReport:
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
    wish: PlanWish, cache: PlanCache, settings: Settings, tell: Callable[[str], None], failure: str
) -> Callable[[], Engine]:
    def first() -> Engine:
        if (
            failure
        ):  # during build or check; opening it again would only take the memory that others still have
            raise DeviceError(failure)
        return open_plan(wish, cache)

    def second() -> Engine:
        return open_engine(wish.manifest, precision="f32", threads=settings.threads)

    return lambda: FallbackEngine(first, second, tell)


def _best(candidates: Sequence[Manifest], name: str, quality: str) -> Manifest:
    trained = [one for one in candidates if one.trained and one.file]
    if name != "auto":
        trained = [one for one in trained if one.name == name]
    if not trained:
        raise EngineError(f"no trained engine {name!r} that can run on a GPU; see 'stream-mer engines list'")
    return max(trained, key=lambda one: one.metrics.get(quality, float("-inf")))
