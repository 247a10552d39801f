"""Records what a GPU does for one batch size and plays it back as one launch (a CUDA graph).

A batch of one face is bound by launching its some hundred kernels one by one; played back it is one
launch. PyCUDA has no such thing, so this one file uses NVIDIA's own cuda-bindings on the same stream.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def load_graphs() -> Any | None:
    """cuda-bindings' driver module, or None where it is not installed: then nothing is recorded."""
    if find_spec("cuda") is None or find_spec("cuda.bindings") is None:
        return None
    return import_module("cuda.bindings.driver")


class GraphError(Exception):
    """A recording or its playback was refused; the work itself can still be done plainly."""


class Graph:
    """One recording, ready to play. Made by ``record``; close it before its stream.

    Args:
        driver: cuda-bindings' driver module.
        executable: the instantiated graph.
    """

    def __init__(self, driver: Any, executable: Any) -> None:
        self._driver = driver
        self._executable = executable

    def play(self, stream: int) -> None:
        """Launch everything recorded, in the stream's order.

        Raises:
            GraphError: the driver refused.
        """
        _require(self._driver, "cuGraphLaunch", self._driver.cuGraphLaunch(self._executable, stream))

    def close(self) -> None:
        """Free it; idempotent."""
        if self._executable is not None:
            self._driver.cuGraphExecDestroy(self._executable)
            self._executable = None


def record(driver: Any, stream: int, work: Callable[[], None]) -> Graph:
    """Record what ``work`` puts into ``stream``; nothing of it runs yet.

    Args:
        driver: cuda-bindings' driver module.
        stream: handle of the stream.
        work: enqueues copies and kernels; must have run once before, unrecorded, so that lazy
            initialisation is over.

    Raises:
        GraphError: something in ``work`` cannot be recorded. The stream is usable again.
    """
    # Thread-local: other threads may allocate meanwhile without spoiling the recording.
    mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
    _require(driver, "cuStreamBeginCapture", driver.cuStreamBeginCapture(stream, mode))
    done = False
    try:
        work()
        done = True
    finally:
        ended = driver.cuStreamEndCapture(stream)  # always, or the stream stays in capture for ever
        if not done and ended[0] == driver.CUresult.CUDA_SUCCESS:
            driver.cuGraphDestroy(ended[1])
    (graph,) = _require(driver, "cuStreamEndCapture", ended)
    try:
        (executable,) = _require(driver, "cuGraphInstantiate", driver.cuGraphInstantiate(graph, 0))
    finally:
        driver.cuGraphDestroy(graph)
    return Graph(driver, executable)


def _require(driver: Any, call: str, answer: tuple[Any, ...]) -> tuple[Any, ...]:
    """Everything after the status of a cuda-bindings call, if the status is success."""
    if answer[0] != driver.CUresult.CUDA_SUCCESS:
        raise GraphError(f"{call} answers {getattr(answer[0], 'name', answer[0])}")
    return answer[1:]
