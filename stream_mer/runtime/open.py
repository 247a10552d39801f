"""Opens an engine with the backend asked for, and lists the backends that are possible here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from stream_mer.errors import EngineError
from stream_mer.protocols import Engine
from stream_mer.runtime.bicubic import BICUBIC, BicubicEngine
from stream_mer.runtime.bicubic import version as opencv_version
from stream_mer.runtime.int8 import load_int8
from stream_mer.runtime.schema import Manifest

BACKENDS: tuple[str, ...] = ("onnxruntime", "openvino")
"""Libraries that run networks on the processor. The first in f32 is the reference of all others."""

GPU_BACKENDS: tuple[str, ...] = ("tensorrt", "tensorrt-rtx")
"""Libraries that run plans built from networks, on NVIDIA GPUs."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way of running one network on this machine.

    Args:
        backend: library, one of ``BACKENDS`` (``opencv`` for bicubic).
        precision: ``f32``, ``bf16``, ``int8`` (``u8`` for bicubic).
        version: the library's version; a measurement holds for one only.
        open: builds the engine, in the thread that will use it.
    """

    backend: str
    precision: str
    version: str
    open: Callable[[], Engine]

    def __str__(self) -> str:
        return f"{self.backend} {self.precision}"


def open_engine(
    manifest: Manifest,
    *,
    backend: str = "openvino",
    device: str = "cpu",
    precision: str = "auto",
    threads: int | None = None,
    hint: str = "latency",
    compiled: Path | None = None,
) -> Engine:
    """Build an engine; call it in the thread that will run and close it.

    Args:
        manifest: which one. The built-in ``bicubic`` takes no notice of the rest.
        backend: one of ``BACKENDS`` or ``GPU_BACKENDS``; its library is imported only now.
        device: ``cpu``; OpenVINO also knows ``gpu`` for Intel's. ``GPU_BACKENDS`` use NVIDIA's anyway.
        precision: ``f32``, ``bf16``, ``int8`` (of engines that have such a copy) or ``auto``, which is f32
            (``select.choose`` finds what is faster; a GPU's ``auto`` is ``plans.wish_for``'s).
        threads: inference threads; as many as usable cores if None.
        hint: ``latency`` or ``throughput``, see ``OpenVinoEngine``.
        compiled: folder for OpenVINO's compiled networks, or None.

    Raises:
        EngineError: unknown or missing backend, not trained, wrong digest, network not loadable.
    """
    if manifest.sha256 == BICUBIC.sha256:
        return BicubicEngine()
    if backend in GPU_BACKENDS:
        from stream_mer.runtime.plan_cache import PlanCache
        from stream_mer.runtime.plans import open_plan, wish_for

        return open_plan(wish_for(manifest, backend, precision), PlanCache())
    if backend not in BACKENDS:
        raise EngineError(f"no backend {backend!r}; there are {', '.join((*BACKENDS, *GPU_BACKENDS))}")
    if find_spec(backend) is None:
        raise EngineError(
            f"backend {backend} is not installed; install it with 'pip install {backend}' "
            f"or use {' or '.join(set(BACKENDS) - {backend})}"
        )
    if backend == "onnxruntime":
        from stream_mer.runtime.onnxruntime import OnnxRuntimeEngine

        return OnnxRuntimeEngine(manifest, device=device, precision=precision, threads=threads)
    from stream_mer.runtime.openvino import OpenVinoEngine

    return OpenVinoEngine(
        manifest, device=device, precision=precision, threads=threads, hint=hint, cache_dir=compiled
    )


def ways_to_run(
    manifest: Manifest,
    *,
    backend: str | None = None,
    precision: str | None = None,
    device: str = "cpu",
    threads: int | None = None,
) -> tuple[Way, ...]:
    """Every way of running ``manifest`` here, the most trusted first; empty if none fits the wishes.

    Args:
        manifest: which network.
        backend: only this one; any installed one if None.
        precision: only this one; any the processor has if None.
        device: as in ``open_engine``.
        threads: as in ``open_engine``.
    """
    if manifest.sha256 == BICUBIC.sha256:
        return (Way("opencv", "u8", opencv_version(), BicubicEngine),)

    def way(library: str, kind: str, version: str) -> Way:
        return Way(
            library,
            kind,
            version,
            lambda: open_engine(manifest, backend=library, device=device, precision=kind, threads=threads),
        )

    found, quantised = [], load_int8(manifest) is not None
    if find_spec("onnxruntime") is not None and device.lower() == "cpu":
        from stream_mer.runtime import onnxruntime

        found.append(way("onnxruntime", "f32", onnxruntime.version()))
        if quantised:
            found.append(way("onnxruntime", "int8", onnxruntime.version()))
    if find_spec("openvino") is not None:
        from stream_mer.runtime import openvino

        found.append(way("openvino", "f32", openvino.version()))
        if openvino.bf16_available(device):
            found.append(way("openvino", "bf16", openvino.version()))
        if quantised and device.lower() == "cpu":
            found.append(way("openvino", "int8", openvino.version()))
    return tuple(
        one
        for one in found
        if backend in (None, "auto", one.backend) and precision in (None, "auto", one.precision)
    )
