"""Which plans of the cache belong to this machine's GPU: what a run takes, what a benchmark measures."""

from __future__ import annotations

from functools import partial

from stream_mer.errors import EngineError
from stream_mer.runtime.gpu_device import find_gpu, load_cuda
from stream_mer.runtime.open import Way
from stream_mer.runtime.plan_build import TARGETS
from stream_mer.runtime.plan_cache import PORTABLE, PlanCache, PlanManifest
from stream_mer.runtime.plans import PlanWish, open_plan, wish_for
from stream_mer.runtime.schema import Manifest
from stream_mer.runtime.trt_library import load_library


def chosen_wish(manifest: Manifest, backend: str, capability: str, cache: PlanCache) -> PlanWish:
    """The plan that a run uses: the one built last for this GPU, whatever its flags, else the usual one.

    ``engines build --max-batch 16``, which is the advice where memory is short, and a plan that another
    machine built for this card (``--target``) thus count by being there. A newer library or retrained
    weights lead to a new plan with the same flags.

    Args:
        manifest: the engine.
        backend: ``tensorrt`` or ``tensorrt-rtx``.
        capability: of this machine's GPU.
        cache: where plans are.

    Raises:
        EngineError: a page of this engine cannot be read.
    """
    usual = wish_for(manifest, backend)
    fitting = [
        page
        for page in cache.pages(manifest.name)
        if (page.backend, page.precision) == (backend, usual.request.precision)
        and page.capability in (PORTABLE, capability)
    ]
    if not fitting:
        return usual
    return wish_of(manifest, max(fitting, key=cache.built_ns))


def wish_of(manifest: Manifest, page: PlanManifest) -> PlanWish:
    """The wish that a plan was built by."""
    # TensorRT's capability is always that of the GPU that built; only TensorRT-RTX is told one.
    told = page.backend == "tensorrt-rtx" and page.capability in TARGETS
    target = page.capability if told else "current"
    return wish_for(manifest, page.backend, page.precision, target=target, max_batch=page.batches[-1])


def gpu_ways(manifest: Manifest, cache: PlanCache | None = None) -> tuple[Way, ...]:
    """Every way of running an engine with a plan that the gate has let through on this machine's GPU.

    Plans of other GPUs, library versions and networks, which a shared folder holds, are passed over.

    Raises:
        EngineError: a page of this engine cannot be read.
    """
    cache = PlanCache() if cache is None else cache
    found, pages = [], cache.pages(manifest.name)
    here = gpu_here() if any(page.passed for page in pages) else ""
    for page in pages:
        fits = page.network_sha256 == manifest.sha256
        if fits and here and page.verdict_on(here) and _version_here(page.backend) == page.version:
            opened = partial(open_plan, wish_of(manifest, page), cache)
            found.append(Way(page.backend, page.precision, page.version, opened))
    return tuple(found)


def gpu_here() -> str:
    """This machine's GPU with its compute capability, or nothing where none can be used."""
    try:
        return find_gpu(load_cuda()).label
    except EngineError:
        return ""


def _version_here(backend: str) -> str:
    """Version of the installed library, or nothing."""
    try:
        return load_library(backend).version
    except EngineError:
        return ""
