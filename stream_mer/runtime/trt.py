"""Runs a TensorRT plan: faces go over the bus as uint8, are enlarged on the GPU, and come back as uint8.

    batch -> chunks of the largest batch -> page-locked slot A | slot B -> own stream each:
             copy in, execute, copy out (one CUDA graph per batch size) -> copies that the caller owns

Two slots, so that the copies of one overlap with the work of the other. Everything is allocated when the
engine opens, for the largest batch; a run allocates nothing but its answer. SR pictures go back to the
host between two networks, because the windows between them are means over many frames that are kept
there: 49 kB a face, 0.4 GB/s at 8,000 faces a second, some percent of what the bus carries.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_mer.errors import DeviceError, EngineError
from stream_mer.runtime.gpu_device import GpuDevice, cuda_errors
from stream_mer.runtime.gpu_graphs import GraphError
from stream_mer.runtime.gpu_slot import Slot
from stream_mer.runtime.plan_cache import PlanManifest, rebuild_hint
from stream_mer.runtime.schema import Manifest, TensorSpec
from stream_mer.runtime.trt_library import Library

SLOTS = 2
BUCKETS: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
"""Batch sizes that are really run; smaller batches are filled up to the next, so that few graphs are
enough. At most twice the work, and a GPU is far from full below 64 faces."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """The three libraries that run a plan; tests hand over strict fakes.

    Args:
        library: TensorRT or TensorRT-RTX.
        cuda: PyCUDA's driver module.
        graphs: cuda-bindings' driver module, or None to launch kernel by kernel; always None with
            TensorRT-RTX, which records by itself.
    """

    library: Library
    cuda: Any
    graphs: Any | None


class TrtEngine:
    """One plan on one GPU; built, used and closed in one thread.

    Attributes:
        counts: ``runs``, ``graph_runs``, ``graph_failures`` (batch sizes that cannot be recorded).

    Args:
        manifest: the network.
        plan: the plan's bytes, digest checked by ``PlanCache.read``.
        page: what the plan is; its largest batches decide what is allocated.
        gpu: the libraries.
        index: which GPU.

    Raises:
        EngineError: the plan does not fit this GPU or this library, or not the manifest.
        DeviceError: no GPU, or not enough memory on it.
    """

    def __init__(self, manifest: Manifest, plan: bytes, page: PlanManifest, gpu: Gpu, index: int = 0) -> None:
        self._manifest, self._page, self._gpu = manifest, page, gpu
        self.counts: Counter[str] = Counter()
        self._slots: list[Slot] = []
        self._runtime: Any = None
        self._engine: Any = None
        self._device = GpuDevice(gpu.cuda, index)
        # Whatever fails half-way, what was opened before is closed again, in the same order as by close().
        with ExitStack() as undo:
            undo.callback(self.close)
            with cuda_errors(gpu.cuda, f"engine {manifest.name} was opened"), self._device.active():
                self._load(plan)
                largest = page.batches[-1]
                sizes = tuple(sorted({bucket_for(size, largest) for size in (*BUCKETS, largest)}))
                for _ in range(SLOTS):
                    slot = Slot(gpu.cuda, gpu.graphs, manifest, page.batches, sizes)
                    self._slots.append(slot)
                    slot.open(self._engine, gpu.library.make_context)
            undo.pop_all()

    def _load(self, plan: bytes) -> None:
        library, page = self._gpu.library, self._page
        library.said.clear()
        self._runtime = library.make(library.module.Runtime)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise EngineError(
                f"plan of {page.engine} ({page.backend} {page.version}, {page.capability}) does not fit "
                f"{self._device.name} ({self._device.capability}): {library.last_words()}\n"
                f"{rebuild_hint(page)}"
            )
        if self._engine.num_optimization_profiles != len(page.batches):
            raise EngineError(
                f"plan of {page.engine} has {self._engine.num_optimization_profiles} profiles, its page says "
                f"{len(page.batches)}\n{rebuild_hint(page)}"
            )
        for spec in (self._manifest.inputs, *self._manifest.outputs):
            self._require_tensor(spec)

    def _require_tensor(self, spec: TensorSpec) -> None:
        engine = self._engine
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        if spec.name not in names:
            raise EngineError(f"plan of {self.name} has no tensor {spec.name!r}; it has {names}")
        kind = np.dtype(self._gpu.library.module.nptype(engine.get_tensor_dtype(spec.name)))
        shape = tuple(None if size == -1 else int(size) for size in engine.get_tensor_shape(spec.name))
        if kind != spec.numpy_dtype or shape != spec.shape:
            raise EngineError(f"manifest of {self.name} says {spec.name} is {spec}, plan: {kind} {shape}")

    @property
    def name(self) -> str:
        return self._manifest.name

    @property
    def sha256(self) -> str:
        return self._manifest.sha256

    @property
    def backend(self) -> str:
        return f"{self._page.backend}:cuda:{self._page.precision}"

    @property
    def manifest(self) -> Manifest:
        """What is running."""
        return self._manifest

    @property
    def page(self) -> PlanManifest:
        """What the plan is."""
        return self._page

    @property
    def device(self) -> str:
        """The GPU's name and compute capability."""
        return self._device.label

    def run(self, batch: NDArray[np.generic]) -> tuple[NDArray[np.generic], ...]:
        """Run a batch of any size; see ``protocols.Engine``.

        Raises:
            DeviceError: out of memory, or the GPU is lost; the engine is then closed.
        """
        if not self._slots:
            raise EngineError(f"engine {self.name} is closed; open it again to use it")
        self._manifest.inputs.require(batch, self.name)
        if len(batch) == 0:
            return tuple(spec.empty() for spec in self._manifest.outputs)
        answers = tuple(
            np.empty((len(batch), *(size or 1 for size in spec.shape[1:])), spec.numpy_dtype)
            for spec in self._manifest.outputs
        )
        done = False
        try:
            with cuda_errors(self._gpu.cuda, f"engine {self.name} ran"), self._device.active():
                try:
                    self._run_chunks(batch, answers)
                    done = True
                finally:
                    if not done:
                        self._drain()
        except DeviceError:
            self.close()  # nothing on a lost device can be trusted, and memory must go back
            raise
        return answers

    def _drain(self) -> None:
        """After a failure: wait for what still runs, or the next batch would be written under it."""
        for slot in self._slots:
            with suppress(self._gpu.cuda.Error):
                slot.finish()

    def _run_chunks(self, batch: NDArray[np.generic], answers: tuple[NDArray[np.generic], ...]) -> None:
        largest = self._page.batches[-1]
        starts = range(0, len(batch), largest)
        running: list[tuple[Slot, int, int]] = []
        for turn, start in enumerate(starts):
            slot = self._slots[turn % SLOTS]
            if len(running) == SLOTS:
                _collect(*running.pop(0), answers)
            count = min(largest, len(batch) - start)
            slot.fill(batch[start : start + count])
            self._start(slot, bucket_for(count, largest))
            running.append((slot, start, count))
        for one in running:
            _collect(*one, answers)

    def _start(self, slot: Slot, bucket: int) -> None:
        self.counts["runs"] += 1
        try:
            played = slot.start(bucket)
        except GraphError:
            # Said once per batch size by the count; the result is the same, only slower.
            self.counts["graph_failures"] += 1
            slot.start_plain(bucket)
            played = False
        self.counts["graph_runs"] += played

    def close(self) -> None:
        """Free graphs, contexts, memory, engine, runtime, in that order; idempotent.

        Raises:
            EngineError: called from another thread than the one that built it.
        """
        if self._runtime is None and not self._slots:
            self._device.close()
            return
        # On a lost device every call fails; then the driver frees all when the process lets go of it.
        with suppress(self._gpu.cuda.Error), self._device.active():
            for slot in self._slots:
                slot.close()
            self._engine = None  # they free memory of their own: while the GPU's context is current
            self._runtime = None
        self._slots.clear()
        self._engine = self._runtime = None
        self._device.close()


def bucket_for(count: int, largest: int) -> int:
    """The batch size that ``count`` faces are run as."""
    return min(largest, next(size for size in (*BUCKETS, largest) if size >= min(count, largest)))


def _collect(slot: Slot, start: int, count: int, answers: tuple[NDArray[np.generic], ...]) -> None:
    """Wait for a slot and copy what it holds into the caller's arrays."""
    for buffer, answer in zip(slot.finish(), answers, strict=True):
        answer[start : start + count] = buffer.host[:count]
