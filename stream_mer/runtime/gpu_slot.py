"""One of the two places in which a batch is worked on: a stream, its buffers, its execution contexts.

One context per batch size, because a recording holds its context's state: a context that is given another
shape must run once unrecorded before it may be recorded again, and what was recorded before is void. All
contexts of a slot share one piece of scratch memory, which is safe as its stream runs them one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_mer.errors import DeviceError, EngineError
from stream_mer.runtime.gpu_device import Buffer, allocate
from stream_mer.runtime.gpu_graphs import Graph, GraphError, record
from stream_mer.runtime.schema import Manifest, TensorSpec

NON_BLOCKING = 1
"""CU_STREAM_NON_BLOCKING: no waiting for other libraries' work in the default stream, which would also
spoil a recording."""


class Slot:
    """Buffers for the largest batch, one execution context and one graph per batch size.

    Life: ``open``, then ``fill``, ``start``, ``finish`` any number of times, ``close``. The GPU's context
    must be current all the while.

    Args:
        cuda: PyCUDA's driver module.
        graphs: cuda-bindings' driver module or None.
        manifest: names, shapes and types of the tensors.
        batches: largest batch of each profile, rising.
        sizes: batch sizes that will be run.
    """

    def __init__(
        self,
        cuda: Any,
        graphs: Any | None,
        manifest: Manifest,
        batches: tuple[int, ...],
        sizes: tuple[int, ...],
    ) -> None:
        self._cuda, self._graphs, self._batches, self._sizes = cuda, graphs, batches, sizes
        self._manifest = manifest
        self._scratch: Any = None
        self._stream: Any = None
        self._buffers: list[Buffer] = []
        self._contexts: dict[int, Any] = {}
        self._recorded: dict[int, Graph] = {}
        self._warm: set[int] = set()
        self._unrecordable: set[int] = set()

    def open(self, engine: Any, make_context: Callable[[Any], Any]) -> None:
        """Allocate everything; on failure what was allocated is still freed by ``close``.

        Args:
            engine: TensorRT's engine.
            make_context: makes a context of it whose scratch memory is handed over here.

        Raises:
            DeviceError: the library cannot make a context, mostly for want of memory.
        """
        self._stream = self._cuda.Stream(NON_BLOCKING)
        for spec in (self._manifest.inputs, *self._manifest.outputs):
            self._buffers.append(allocate(self._cuda, spec.name, self._shape(spec), spec.numpy_dtype))
        size = int(engine.device_memory_size_v2)
        if size:
            self._scratch = self._cuda.mem_alloc(size)
        for bucket in self._sizes:
            profile = next(i for i, largest in enumerate(self._batches) if largest >= bucket)
            context = make_context(engine)
            if context is None:
                raise DeviceError(
                    f"no execution context for {self._manifest.name}: the GPU is probably out of memory\n"
                    "close other programs on it, or build the plan for smaller batches "
                    "(engines build --max-batch 16)"
                )
            self._contexts[bucket] = context
            if self._scratch is not None:
                context.set_device_memory(int(self._scratch), size)
            if not context.set_optimization_profile_async(profile, self._stream.handle):
                raise EngineError(f"engine {self._manifest.name}: profile {profile} of the plan is refused")
            for buffer in self._buffers:
                if not context.set_tensor_address(buffer.name, buffer.address):
                    raise EngineError(
                        f"engine {self._manifest.name}: the plan refuses memory for {buffer.name!r}"
                    )
            # Once and for all: nothing about a context changes any more, so its recording stays true.
            shape = (bucket, *self._buffers[0].host.shape[1:])
            if not context.set_input_shape(self._buffers[0].name, shape):
                raise EngineError(f"engine {self._manifest.name}: the plan refuses a batch of {bucket}")
        self._stream.synchronize()

    def _shape(self, spec: TensorSpec) -> tuple[int, ...]:
        return (self._batches[-1], *(size or 1 for size in spec.shape[1:]))

    def fill(self, items: NDArray[np.generic]) -> None:
        """Put items into page-locked memory; the slot must be finished."""
        self._buffers[0].host[: len(items)] = items

    def start(self, bucket: int) -> bool:
        """Enqueue copy in, execution, copy out for ``bucket`` items; True if it was one graph launch.

        A batch size runs plainly the first time (that is when lazy work happens), is recorded the second
        time and played from then on.

        Raises:
            GraphError: it cannot be recorded or played; never tried again for this size.
        """
        if self._graphs is None or bucket in self._unrecordable or bucket not in self._warm:
            self.start_plain(bucket)
            return False
        try:
            if bucket not in self._recorded:
                self._recorded[bucket] = record(
                    self._graphs, self._stream.handle, lambda: self._enqueue(bucket)
                )
            self._recorded[bucket].play(self._stream.handle)
        except (GraphError, EngineError, self._cuda.Error) as error:
            self._unrecordable.add(bucket)
            lost = self._recorded.pop(bucket, None)
            if lost is not None:
                lost.close()
            raise GraphError(str(error)) from error
        return True

    def start_plain(self, bucket: int) -> None:
        """The same without a graph."""
        self._enqueue(bucket)
        self._warm.add(bucket)

    def _enqueue(self, bucket: int) -> None:
        context, (source, *targets) = self._contexts[bucket], self._buffers
        source.upload(self._cuda, bucket, self._stream)
        # It answers False instead of raising, and then the buffers hold the last batch's faces.
        if not context.execute_async_v3(self._stream.handle):
            raise DeviceError(
                f"the GPU failed while engine {self._manifest.name} ran: TensorRT did not start a batch of "
                f"{bucket}\nmostly it wants memory: close other programs on the GPU"
            )
        for target in targets:
            target.download(self._cuda, bucket, self._stream)

    def finish(self) -> list[Buffer]:
        """Wait until everything in the stream is done; the output buffers, valid until the next ``fill``."""
        self._stream.synchronize()
        return self._buffers[1:]

    def close(self) -> None:
        """Free graphs, contexts, memory, stream, in that order, whatever fails; idempotent."""
        if self._stream is not None:
            with suppress(self._cuda.Error):
                self._stream.synchronize()  # nothing may be freed under a kernel that still reads it
        for graph in self._recorded.values():
            graph.close()
        self._recorded.clear()
        self._contexts.clear()
        for buffer in self._buffers:
            with suppress(self._cuda.Error):
                buffer.free()
        self._buffers.clear()
        scratch, self._scratch = self._scratch, None
        if scratch is not None:
            with suppress(self._cuda.Error):
                scratch.free()
        self._stream = None
