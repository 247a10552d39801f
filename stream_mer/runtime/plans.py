"""From an engine's name to a plan that may be used: typed network, cache, build, parity gate, open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from stream_mer.errors import EngineError
from stream_mer.protocols import Engine
from stream_mer.runtime.gpu_device import find_gpu, load_cuda
from stream_mer.runtime.gpu_graphs import load_graphs
from stream_mer.runtime.int8 import load_int8, read_int8
from stream_mer.runtime.manifest import read_network
from stream_mer.runtime.parity import Verdict
from stream_mer.runtime.plan_build import PROFILES, PlanRequest, ProgressReport, build_plan
from stream_mer.runtime.plan_cache import (
    PORTABLE,
    PlanCache,
    PlanManifest,
    describe_flags,
    describe_system,
    flags_for,
    rebuild_hint,
)
from stream_mer.runtime.plan_lock import reserved
from stream_mer.runtime.schema import Manifest
from stream_mer.runtime.trt import Gpu, TrtEngine
from stream_mer.runtime.trt_library import Library, load_library

DEFAULT_PRECISION = "fp16"
"""Of pictures. Every GPU since 2018 multiplies it at least twice as fast as f32; 72 dB from f32 on the
shipped engines."""

DECIDING_PRECISION = "f32"
"""Of classifiers: small, and what they say must not hang on the machine."""

Judge = Callable[[Engine], Verdict]
"""Compares an engine with the CPU in f32 on real crops."""


@dataclass(frozen=True, slots=True)
class PlanWish:
    """Which plan of which engine.

    Args:
        manifest: the engine.
        backend: ``tensorrt`` or ``tensorrt-rtx``.
        request: precision, target and flags.
    """

    manifest: Manifest
    backend: str
    request: PlanRequest


def wish_for(
    manifest: Manifest,
    backend: str,
    precision: str | None = None,
    *,
    target: str = "current",
    max_batch: int | None = None,
) -> PlanWish:
    """The plan the product uses for an engine.

    Args:
        manifest: the engine.
        backend: ``tensorrt`` or ``tensorrt-rtx``.
        precision: one of ``plan_build.PRECISIONS``; if None, fp16 for pictures and f32 for decisions.
        target: see ``PlanRequest``.
        max_batch: largest batch, 64 if None; less takes less memory.
    """
    profiles = PROFILES
    if max_batch is not None:
        profiles = tuple(
            (low, min(best, max_batch), min(high, max_batch))
            for low, best, high in PROFILES
            if low <= max_batch
        )
    if precision in (None, "auto"):
        precision = DECIDING_PRECISION if manifest.task == "classification" else DEFAULT_PRECISION
    return PlanWish(manifest, backend, PlanRequest(str(precision), target, profiles))


def typed_for(manifest: Manifest, precision: str) -> bytes:
    """The network as a plan of that precision is built from.

    Raises:
        EngineError: digest, no int8 copy, or the package ``onnx`` is missing.
    """
    try:
        from stream_mer.runtime.quantised_onnx import fp8_network, signed_network
        from stream_mer.runtime.typed_onnx import typed_network
    except ImportError as error:
        raise EngineError(
            f"plans need the package onnx: {error}\ninstall it with 'pip install onnx'"
        ) from error
    if precision == "int8":
        return typed_network(signed_network(read_int8(manifest)), "f32")
    if precision == "fp8":
        return typed_network(fp8_network(read_int8(manifest)), "f32")
    return typed_network(read_network(manifest), precision)


def page_for(wish: PlanWish, library: Library, typed: bytes, capability: str | None = None) -> PlanManifest:
    """The page the wished plan would have on this machine.

    Args:
        wish: which plan.
        library: what builds it.
        typed: network from ``typed_for``.
        capability: of this machine's GPU, which TensorRT needs; None asks the GPU.

    Raises:
        EngineError: TensorRT without a GPU.
    """
    request = wish.request
    if request.target != "current":
        capability = request.target
    elif library.rtx:
        capability = PORTABLE
    elif capability is None:
        capability = find_gpu(load_cuda()).capability
    return PlanManifest(
        engine=wish.manifest.name,
        network_sha256=wish.manifest.sha256,
        typed_sha256=sha256(typed).hexdigest(),
        backend=wish.backend,
        version=library.version,
        capability=capability,
        system=describe_system(),
        precision=request.precision,
        flags=describe_flags(request),
        batches=tuple(high for _, _, high in request.profiles),
    )


def ensure_plan(
    wish: PlanWish,
    cache: PlanCache,
    *,
    library: Library | None = None,
    capability: str | None = None,
    force: bool = False,
    progress: ProgressReport | None = None,
) -> PlanManifest:
    """The plan's page, after building it if it is not in the cache.

    Args:
        wish: which plan.
        cache: where plans are.
        library: what builds; loaded by name if None.
        capability: as in ``page_for``.
        force: build again even if it is there.
        progress: told about every step of a build.

    Raises:
        EngineError: the library is missing or cannot build it.
        OutputError: the cache folder cannot be written.
    """
    library = load_library(wish.backend) if library is None else library
    typed = typed_for(wish.manifest, wish.request.precision)
    wanted = page_for(wish, library, typed, capability)
    found = None if force else cache.find(wanted)
    if found is not None:
        return found

    def waiting() -> None:
        if progress is not None:
            progress("waiting for another process that builds it", 0, 1)

    with reserved(cache.path(wanted), waiting):
        found = None if force else cache.find(wanted)  # the other process may have built it meanwhile
        if found is not None:
            return found
        start = cache.timing(wanted)
        built = build_plan(
            library, typed, wish.manifest.inputs, wish.request, timing=start, progress=progress
        )
        return cache.keep(wanted, built)


def load_gpu(backend: str) -> Gpu:
    """The libraries that run plans of ``backend``.

    Raises:
        EngineError: one of them is missing or does not load.
    """
    library = load_library(backend)
    # TensorRT-RTX records by itself (see ``Library.make_context``); one recording inside another fails.
    return Gpu(library, load_cuda(), None if library.rtx else load_graphs())


def open_plan(wish: PlanWish, cache: PlanCache, gpu: Gpu | None = None, *, trusted: bool = True) -> TrtEngine:
    """Open a plan that is in the cache, in the thread that will run it.

    Args:
        wish: which plan.
        cache: where plans are.
        gpu: the libraries; loaded if None.
        trusted: refuse a plan that the parity gate has not let through; False is for the gate itself.

    Raises:
        EngineError: libraries, GPU or plan are missing, do not fit, or did not pass the gate.
    """
    gpu = load_gpu(wish.backend) if gpu is None else gpu
    facts = find_gpu(gpu.cuda)
    capability, here = facts.capability, facts.label
    typed = typed_for(wish.manifest, wish.request.precision)
    wanted = page_for(wish, gpu.library, typed, capability)
    page = cache.find(wanted)
    if page is None:
        raise EngineError(
            f"no {wish.backend} plan of {wish.manifest.name} in {wish.request.precision} for "
            f"{wanted.capability} in {cache.folder}\n{rebuild_hint(wanted).replace(' --force', '')}"
        )
    if page.capability not in (PORTABLE, capability):
        raise EngineError(
            f"plan of {page.engine} was built for {page.capability}, this GPU is {capability}\n"
            f"{rebuild_hint(page)}"
        )
    if trusted and page.verdict_on(here) is not True:
        wrong = page.verdict_on(here) is False
        state = "gives other numbers than the CPU" if wrong else f"was not checked on {here} yet"
        raise EngineError(
            f"plan of {page.engine} in {page.precision} {state}: {page.parity or 'no comparison'}\n"
            f"check it: stream-mer engines verify {flags_for(page)}"
        )
    return TrtEngine(wish.manifest, cache.read(page), page, gpu)


def gate_plan(wish: PlanWish, cache: PlanCache, judge: Judge, gpu: Gpu | None = None) -> PlanManifest:
    """Run the parity gate on this machine's GPU and write the verdict on the plan's page.

    Raises:
        EngineError: as ``open_plan``.
    """
    engine = open_plan(wish, cache, gpu, trusted=False)
    try:
        verdict = judge(engine)
        page = replace(engine.page, passed=verdict.ok, parity=verdict.reason, checked_on=engine.device)
    finally:
        engine.close()
    cache.note(page)
    return page


def precisions_of(manifest: Manifest, wanted: Sequence[str]) -> tuple[str, ...]:
    """Those of ``wanted`` that an engine can be built in: int8 and fp8 need its int8 copy."""
    quantised = load_int8(manifest) is not None
    return tuple(one for one in wanted if quantised or one not in ("int8", "fp8"))
