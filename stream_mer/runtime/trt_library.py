"""Loads TensorRT or TensorRT-RTX, which offer the same Python classes under two names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from stream_mer.errors import DeviceError, EngineError

MODULES: dict[str, str] = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx_bindings"}
"""Backend -> the Python module that is it."""

INSTALL: dict[str, str] = {
    "tensorrt": "install it with 'pip install stream-mer[gpu]', on a Jetson with 'apt-get install "
    "python3-libnvinfer' and a venv made with --system-site-packages",
    "tensorrt-rtx": "install it with 'pip install stream-mer[rtx]'",
}

OLDEST = (10, 3)
"""JetPack 6's TensorRT; it has strongly typed networks and everything else used here."""

HARMLESS = ("cudaError 35", "Cuda Runtime (In catchCudaError", "CUDA initialization failure")
"""What TensorRT-RTX logs where there is no NVIDIA driver, before it builds all the same."""


@dataclass(frozen=True, slots=True)
class Library:
    """One of the two libraries, loaded.

    Args:
        backend: key of ``MODULES``.
        version: e.g. ``10.3.0.26``.
        module: the Python module; its classes have no type stubs.
        logger: the library's logger; it has one per process, whichever object is made first.
        said: the newest errors that the library logged, oldest first.
    """

    backend: str
    version: str
    module: Any
    logger: Any
    said: list[str]

    def last_words(self) -> str:
        """The newest error in the library's own words, without what it says on every machine without GPU."""
        for message in reversed(self.said):
            if message.strip() and not any(text in message for text in HARMLESS):
                return message.strip().splitlines()[0]
        return "it does not say why"

    def out_of_memory(self) -> bool:
        """Whether one of the newest errors is about the GPU's memory."""
        return any("outofmemory" in message.lower().replace(" ", "") for message in self.said)

    def make(self, kind: Any) -> Any:
        """A ``Builder`` or ``Runtime``, which need a driver that fits the library.

        Raises:
            DeviceError: they cannot be made.
        """
        try:
            made = kind(self.logger)
        except TypeError as error:  # pybind's word for a null pointer, e.g. where the driver is too old
            why = self.said[-1].strip().splitlines()[0] if self.said else str(error)
            raise DeviceError(
                f"{self.backend} {self.version} cannot start: {why}\n"
                "see nvidia-smi: the driver is missing or older than the library wants; or use --device cpu"
            ) from error
        return made

    def make_context(self, engine: Any) -> Any:
        """An execution context whose scratch memory the caller hands over; None if there is no memory.

        TensorRT-RTX finishes kernels for new shapes while generic ones run, so it must itself decide when
        to record a CUDA graph, and it can.
        """
        strategy = self.module.ExecutionContextAllocationStrategy.USER_MANAGED
        if not self.rtx:
            return engine.create_execution_context(strategy)
        config = engine.create_runtime_config()
        config.set_execution_context_allocation_strategy(strategy)
        config.cuda_graph_strategy = self.module.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        return engine.create_execution_context(config)

    @property
    def rtx(self) -> bool:
        """Whether plans can be built without a GPU and finish compiling where they run."""
        return self.backend == "tensorrt-rtx"


def installed(backend: str) -> bool:
    """Whether the library is there; it is not imported."""
    return find_spec(MODULES[backend]) is not None


def load_library(backend: str) -> Library:
    """Import the library behind ``backend``.

    Raises:
        EngineError: it is not installed (the message says how), does not load, or is too old.
    """
    name = MODULES[backend]
    if not installed(backend):
        raise EngineError(f"backend {backend} is not installed: no Python module {name}\n{INSTALL[backend]}")
    try:
        module = import_module(name)
    except (ImportError, OSError) as error:
        first = str(error).splitlines()[0]
        raise EngineError(
            f"backend {backend} is installed but does not load: {first}\n{INSTALL[backend]}"
        ) from error
    version = str(module.__version__)
    if backend == "tensorrt" and _numbers(version) < OLDEST:
        raise EngineError(
            f"TensorRT {version} is too old: plans here are strongly typed, which works from 10.3 on\n"
            f"{INSTALL[backend]}"
        )
    return _library(backend)


@cache
def _library(backend: str) -> Library:
    """One per process, because the C++ library registers only the first logger it is given."""
    module = import_module(MODULES[backend])
    said: list[str] = []
    return Library(backend, str(module.__version__), module, make_logger(module, said), said)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def make_logger(module: Any, said: list[str]) -> Any:
    """A logger of the library's own kind that keeps the newest errors in ``said`` and prints nothing."""

    class Collector(module.ILogger):  # type: ignore[misc]  # a class without stubs
        """Keeps errors only; the rest is chatter about tactics."""

        def __init__(self) -> None:
            super().__init__()  # pybind wants it called by name

        def log(self, severity: Any, message: str) -> None:
            if int(severity) <= int(module.ILogger.ERROR):
                said.append(message)
                del said[:-20]

    return Collector()
