"""One GPU as one thread sees it: its primary context, memory on both sides of the bus, streams.

Everything here belongs to the thread that built it. The primary context is the one that every other
CUDA library of the process shares; it is pushed while something is done and popped right after, because
a context that is still on PyCUDA's stack when the process ends aborts it.
"""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from traceback import clear_frames
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_mer.errors import DeviceError, EngineError

INSTALL = "install it with 'pip install stream-mer[gpu]' (a compiler and CUDA's headers are needed), or use "
INSTALL += "--device cpu"


_held = threading.local()
"""Each thread's primary contexts, see ``_primary_context``."""


def load_cuda() -> Any:
    """PyCUDA's driver module.

    Raises:
        EngineError: PyCUDA is not installed, or there is no NVIDIA driver.
    """
    if find_spec("pycuda") is None:
        raise EngineError(f"no GPU can be used: PyCUDA is not installed\n{INSTALL}")
    try:
        return import_module("pycuda.driver")
    except ImportError as error:
        raise EngineError(f"no GPU can be used: PyCUDA does not load: {error}\n{INSTALL}") from error


@contextmanager
def cuda_errors(cuda: Any, doing: str) -> Iterator[None]:
    """Turns PyCUDA's exceptions into ours; ``doing`` completes 'the GPU failed while ...'.

    Raises:
        DeviceError: out of memory, or the device is lost or broken.
    """
    try:
        yield
    except cuda.MemoryError as error:
        raise DeviceError(
            f"the GPU is out of memory while {doing}: {error}\n"
            "close other programs on it, or build the plan for smaller batches (engines build --max-batch 16)"
        ) from error
    except cuda.Error as error:
        raise DeviceError(
            f"the GPU failed while {doing}: {error}\nit may be lost; see nvidia-smi and dmesg, then restart"
        ) from error


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """What a GPU is, e.g. ``NVIDIA H100 PCIe`` and ``sm90``."""

    name: str
    capability: str

    @property
    def label(self) -> str:
        """Name and compute capability."""
        return f"{self.name} {self.capability}"


def find_gpu(cuda: Any, index: int = 0) -> GpuFacts:
    """Ask what a GPU is, without its context.

    Args:
        cuda: PyCUDA's driver module.
        index: which GPU.

    Raises:
        DeviceError: no driver, no such GPU, or it is broken.
    """
    with cuda_errors(cuda, f"GPU {index} was looked for"):
        cuda.init()
        count = cuda.Device.count()
        if index >= count:
            raise DeviceError(f"no GPU {index}: {count} found\nuse --device cpu")
        device = cuda.Device(index)
        major, minor = device.compute_capability()
        return GpuFacts(str(device.name()), f"sm{major}{minor}")


def _primary_context(cuda: Any, index: int) -> Any:
    """A GPU's primary context, made once in each thread and kept until the process ends.

    PyCUDA's destructor takes it for an ordinary context: it calls ``cuCtxDetach``, which releases nothing and
    is gone from newer drivers; only ``detach`` releases it [run: PyCUDA 2026.1]. And PyCUDA can let go of one
    only by leaving it current in the thread (``detach`` pushes it and relies on a pop that only others get).
    A builder that ran there next, as it does when the second network's plan is made after the first
    was judged, would find a context that is no more.
    """
    kept: dict[tuple[Any, int], Any] = _held.__dict__.setdefault("contexts", {})
    if (cuda, index) not in kept:
        kept[cuda, index] = cuda.Device(index).retain_primary_context()
        atexit.register(kept[cuda, index].detach)
    return kept[cuda, index]


class GpuDevice:
    """The primary context of one GPU.

    Args:
        cuda: PyCUDA's driver module.
        index: which GPU.

    Raises:
        DeviceError: no driver, no such GPU, or it is broken.
    """

    def __init__(self, cuda: Any, index: int = 0) -> None:
        self.cuda = cuda
        self._owner = threading.get_ident()
        facts = find_gpu(cuda, index)
        self.name, self.capability, self.label = facts.name, facts.capability, facts.label
        with cuda_errors(cuda, f"GPU {index} was opened"):
            self._context: Any = _primary_context(cuda, index)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make this GPU the current one of the owner thread.

        Raises:
            EngineError: called from another thread, or closed.
        """
        if threading.get_ident() != self._owner:
            raise EngineError(
                f"GPU {self.name}: used in another thread than the one that opened it\n"
                "build, use and close a GPU engine in one thread"
            )
        if self._context is None:
            raise EngineError(f"GPU {self.name} is closed; open it again to use it")
        self._context.push()
        try:
            yield
        finally:
            _let_go(sys.exc_info()[1])
            self.cuda.Context.pop()

    def close(self) -> None:
        """End the use of the context; idempotent. Memory and streams must have been freed before."""
        self._context = None


def _let_go(error: BaseException | None) -> None:
    """Empty the frames an error's traceback keeps: what they hold on the GPU must go while it is current."""
    while error is not None:
        clear_frames(error.__traceback__)
        error = error.__context__


@dataclass(slots=True)
class Buffer:
    """One tensor on both sides of the bus, allocated once for the largest batch.

    Args:
        name: of the tensor.
        host: page-locked array ``(largest, ...)``, so that copies overlap with work.
        device: memory on the GPU, as PyCUDA's object.
    """

    name: str
    host: NDArray[np.generic]
    device: Any

    @property
    def address(self) -> int:
        """Where it lies on the GPU."""
        return int(self.device)

    def upload(self, cuda: Any, count: int, stream: Any) -> None:
        """Copy the first ``count`` items to the GPU, in the stream's order."""
        cuda.memcpy_htod_async(self.device, self.host[:count], stream)

    def download(self, cuda: Any, count: int, stream: Any) -> None:
        """Copy the first ``count`` items back, in the stream's order."""
        cuda.memcpy_dtoh_async(self.host[:count], self.device, stream)

    def free(self) -> None:
        """Give both sides back; the array is unusable after that."""
        pinned: Any = self.host.base  # PyCUDA's allocation
        self.host = np.empty(0, self.host.dtype)
        device, self.device = self.device, None
        try:
            if device is not None:
                device.free()
        finally:
            if pinned is not None:
                pinned.free()


def allocate(cuda: Any, name: str, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Buffer:
    """A ``Buffer`` of that shape; nothing is kept if one side fails."""
    host = cuda.pagelocked_empty(shape, dtype)
    try:
        device = cuda.mem_alloc(host.nbytes)
    except cuda.Error:
        host.base.free()
        raise
    return Buffer(name, host, device)
