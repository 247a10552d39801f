"""Builds a TensorRT plan from a network: what the library must be told, in the order it wants it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stream_mer.errors import DeviceError, EngineError
from stream_mer.runtime.schema import TensorSpec
from stream_mer.runtime.trt_library import Library

Profile = tuple[int, int, int]
"""Smallest, best and largest batch of one optimisation profile."""

PROFILES: tuple[Profile, ...] = ((1, 1, 1), (2, 8, 16), (17, 64, 64))
"""One face for latency, a few faces for live video, many for files and several cameras."""

PRECISIONS: tuple[str, ...] = ("f32", "fp16", "bf16", "int8", "fp8")

TARGETS: tuple[str, ...] = ("sm75", "sm80", "sm86", "sm89", "sm120", "sm121")
"""Compute capabilities that TensorRT-RTX can build for without having them. [read in its 1.7.1 bindings]"""

WORKSPACE_BYTES = 1 << 30
"""Scratch memory a layer may ask for while tactics are timed; a Jetson shares it with everything else."""

ProgressReport = Callable[[str, int, int], None]
"""Called with the phase's name, steps done and steps in all; may raise KeyboardInterrupt to stop."""


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What a plan shall be; every field is part of the cache key.

    Args:
        precision: one of ``PRECISIONS``; the network handed over must already be typed so.
        target: ``current`` for the GPU in this machine, or one of ``TARGETS`` (TensorRT-RTX only).
        profiles: batch sizes, see ``PROFILES``.
        tf32: whether f32 layers may multiply in TF32 (10 bits). Never for the classifier's flow.
        level: the library's optimisation level, 0 to 5.
    """

    precision: str
    target: str = "current"
    profiles: tuple[Profile, ...] = PROFILES
    tf32: bool = False
    level: int = 3

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise EngineError(
                f"plan precision {self.precision!r} is not known; there are {', '.join(PRECISIONS)}"
            )
        if self.target != "current" and self.target not in TARGETS:
            raise EngineError(
                f"plan target {self.target!r} is not known; there are current, {', '.join(TARGETS)}"
            )
        last = 0
        for low, best, high in self.profiles:
            if not last < low <= best <= high:
                raise EngineError(
                    f"plan profiles {self.profiles} must rise: smallest <= best <= largest < next smallest"
                )
            last = high
        if not self.profiles or not 0 <= self.level <= 5:
            raise EngineError(
                f"a plan needs a profile and a level of 0..5, not {self.profiles}, {self.level}"
            )

    @property
    def largest(self) -> int:
        """Largest batch the plan takes."""
        return self.profiles[-1][2]


@dataclass(frozen=True, slots=True)
class BuiltPlan:
    """A plan in memory: its bytes, the timing cache after building, and seconds it took."""

    plan: bytes
    timing: bytes
    seconds: float


@dataclass(slots=True)
class _Steps:
    """Steps in all of each phase that runs, and whether the user wants no more of them."""

    total: dict[str, int] = field(default_factory=dict)
    stopped: bool = False


def build_plan(
    library: Library,
    network: bytes,
    spec: TensorSpec,
    request: PlanRequest,
    *,
    timing: bytes = b"",
    progress: ProgressReport | None = None,
) -> BuiltPlan:
    """Build a plan; takes seconds (RTX) to many minutes (TensorRT on a Jetson).

    Args:
        library: what builds it.
        network: typed ONNX (``typed_onnx``), or Q/DQ ONNX.
        spec: the input; its first dimension becomes the batch of the profiles.
        request: what to build.
        timing: timing cache of an earlier build on the same GPU; TensorRT-RTX takes no notice.
        progress: told about every step.

    Raises:
        EngineError: the library cannot read the network or cannot build it, with its own words.
        DeviceError: it cannot because the GPU has no memory left.
    """
    trt = library.module
    library.said.clear()
    start = time.monotonic()
    builder = library.make(trt.Builder)
    # STRONGLY_TYPED is a flag up to 10.x and the only way from 11 on, where it is still accepted.
    definition = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(definition, library.logger)
    if not parser.parse(network) or definition.num_outputs == 0:
        errors = "; ".join(_first(parser.get_error(i).desc()) for i in range(parser.num_errors))
        raise EngineError(
            f"{library.backend} {library.version} cannot read the network: {errors or library.last_words()}"
        )
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    config.builder_optimization_level = request.level
    # TF32 is on by default. Flow of 0.1 px does not survive 10 bits.
    (config.set_flag if request.tf32 else config.clear_flag)(trt.BuilderFlag.TF32)
    _set_target(library, config, request.target)
    for low, best, high in request.profiles:
        profile = builder.create_optimization_profile()
        rest = tuple(size or 1 for size in spec.shape[1:])
        profile.set_shape(spec.name, (low, *rest), (best, *rest), (high, *rest))
        if config.add_optimization_profile(profile) < 0:
            raise EngineError(f"{library.backend} refuses batches {low} to {high}: {library.last_words()}")
    cache = None
    if not library.rtx:  # there it is a no-op that warns
        # None or False: damaged, or of another GPU or version; the build then starts a new one.
        cache = config.create_timing_cache(timing) if timing else None
        if cache is None or not config.set_timing_cache(cache, False):
            cache = config.create_timing_cache(b"")
            config.set_timing_cache(cache, False)
    steps = _Steps()
    if progress is not None:
        config.progress_monitor = _monitor(trt, progress, steps)
    memory = builder.build_serialized_network(definition, config)
    if steps.stopped:
        raise KeyboardInterrupt
    if memory is None:
        told = f"{library.backend} {library.version} cannot build {request.precision} for {request.target}: "
        told += library.last_words()
        if library.out_of_memory():
            raise DeviceError(
                f"{told}\nclose other programs on the GPU, or build for smaller batches "
                "(engines build --max-batch 16)"
            )
        raise EngineError(told)
    kept = b"" if cache is None else bytes(cache.serialize())
    return BuiltPlan(bytes(memory), kept, time.monotonic() - start)


def _set_target(library: Library, config: Any, target: str) -> None:
    if not library.rtx:
        if target != "current":
            raise EngineError(
                f"TensorRT builds for the GPU it runs on; target {target} needs backend tensorrt-rtx"
            )
        return
    if target == "current":
        return  # portable: any GPU from Ampere on, finished where it is loaded
    config.num_compute_capabilities = 1
    if not config.set_compute_capability(getattr(library.module.ComputeCapability, target.upper()), 0):
        raise EngineError(f"TensorRT-RTX {library.version} cannot build for {target}")


def _monitor(trt: Any, progress: ProgressReport, steps: _Steps) -> Any:
    """The library's progress callbacks as one function; built here because the base class is its own."""

    def told(phase: str, done: int, total: int) -> None:
        # An exception would end inside the library, which prints it and goes on or fails without a reason.
        try:
            progress(phase, done, total)
        except KeyboardInterrupt:
            steps.stopped = True

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # a class without stubs
        """Reports; an interrupt in the report ends the build, and the build then says so."""

        def __init__(self) -> None:
            super().__init__()

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:  # noqa: ARG002
            steps.total[phase_name] = num_steps

        def phase_finish(self, phase_name: str) -> None:
            total = steps.total.pop(phase_name, 1)
            told(phase_name, total, total)

        def step_complete(self, phase_name: str, step: int) -> bool:
            told(phase_name, step + 1, steps.total.get(phase_name, step + 1))
            return not steps.stopped

    return Monitor()


def _first(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "no words"
