"""One of the two places in which a batch is worked on: a stream, its buffers, its execution contexts."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_mer.errors import DeviceError, EngineError
from stream_mer.runtime.gpu_device import Buffer, allocate
from stream_mer.runtime.gpu_graphs import Graph, GraphError, record
from stream_mer.runtime.schema import Manifest, TensorSpec


class Slot:
    """Buffers for the largest batch, one execution context per profile, one graph per batch size.

    Life: ``open``, then ``fill``, ``start``, ``finish`` any number of times, ``close``. The GPU's context
    must be current all the while.

    Args:
        cuda: PyCUDA's driver module.
        graphs: cuda-bindings' driver module or None.
        manifest: names, shapes and types of the tensors.
        batches: largest batch of each profile, rising.
    """

    def __init__(self, cuda: Any, graphs: Any | None, manifest: Manifest, batches: tuple[int, ...]) -> None:
        self._cuda, self._graphs, self._batches = cuda, graphs, batches
        self._manifest = manifest
        self._stream: Any = None
        self._buffers: list[Buffer] = []
        self._contexts: list[Any] = []
        self._recorded: dict[int, Graph] = {}
        self._warm: set[int] = set()
        self._unrecordable: set[int] = set()

    def open(self, engine: Any) -> None:
        """Allocate everything; on failure what was allocated is still freed by ``close``.

        Raises:
            DeviceError: the library cannot make a context, mostly for want of memory.
        """
        self._stream = self._cuda.Stream()
        for spec in (self._manifest.inputs, *self._manifest.outputs):
            self._buffers.append(allocate(self._cuda, spec.name, self._shape(spec), spec.numpy_dtype))
        for profile in range(len(self._batches)):
            context = engine.create_execution_context()
            if context is None:
                raise DeviceError(
                    f"no execution context for {self._manifest.name}: the GPU is probably out of memory\n"
                    "close other programs on it, or build the plan for smaller batches "
                    "(engines build --max-batch 16)"
                )
            self._contexts.append(context)
            if not context.set_optimization_profile_async(profile, self._stream.handle):
                raise EngineError(f"engine {self._manifest.name}: profile {profile} of the plan is refused")
            for buffer in self._buffers:
                if not context.set_tensor_address(buffer.name, buffer.address):
                    raise EngineError(
                        f"engine {self._manifest.name}: the plan refuses memory for {buffer.name!r}"
                    )
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
        profile = next(i for i, largest in enumerate(self._batches) if largest >= bucket)
        context, (source, *targets) = self._contexts[profile], self._buffers
        source.upload(self._cuda, bucket, self._stream)
        shape = (bucket, *source.host.shape[1:])
        # Both answer False instead of raising, and then the buffers hold the last batch's faces.
        if not context.set_input_shape(source.name, shape):
            raise EngineError(f"engine {self._manifest.name}: the plan refuses a batch of {bucket}")
        if not context.execute_async_v3(self._stream.handle):
            raise EngineError(f"engine {self._manifest.name}: TensorRT did not start a batch of {bucket}")
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
        self._stream = None
