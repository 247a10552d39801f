"""The few interfaces through which the rooms of the house meet.

Rooms (capture, face, runtime, pipeline, sinks, ...) never import one another; the ``app`` picks
concrete classes and hands them over as these protocols. A contract test suite per protocol runs
over every implementation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from stream_mer.types import Detection, Frame, ImageU8, Result, RunSummary, SourceInfo

In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)


class Clock(Protocol):
    """Monotonic time that tests can steer."""

    def now_ns(self) -> int:
        """Nanoseconds from an arbitrary start; never goes back."""
        ...

    def wait_until(self, deadline_ns: int) -> bool:
        """Block until ``deadline_ns`` or until interrupted; True if the deadline was reached."""
        ...


class Source(Protocol):
    """Frames in time order. Built, iterated and closed in one thread; ``interrupt`` from any."""

    @property
    def info(self) -> SourceInfo: ...

    @property
    def losses(self) -> Mapping[str, int]:
        """Frames known to be lost so far, by cause (``corrupt``, ``no_timestamp``, ...)."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """Things the user should know about this source, e.g. 'file is truncated at 12.3 s'."""
        ...

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames with strictly increasing ``pts_ns`` inside an epoch; first one is 0.

        Raises:
            SourceError: the source failed in a way that is not the end of the stream.
        """
        ...

    def interrupt(self) -> None:
        """Make the iteration end soon, also when it waits for data. Callable from any thread."""
        ...

    def close(self) -> None:
        """Free everything; idempotent."""
        ...


class FaceDetector(Protocol):
    """Finds faces in one picture; stateless from the caller's view."""

    def detect(self, rgb: ImageU8) -> list[Detection]:
        """Faces in ``rgb`` (any size), strongest first, in that picture's pixels."""
        ...

    def close(self) -> None:
        """Free everything; idempotent."""
        ...


class Engine(Protocol):
    """A network ready to run. One thread at a time."""

    @property
    def name(self) -> str: ...

    @property
    def sha256(self) -> str:
        """Digest of the network file that is running."""
        ...

    @property
    def backend(self) -> str:
        """Backend, device and precision, for people: ``openvino:cpu:bf16``."""
        ...

    def run(self, batch: NDArray[np.generic]) -> tuple[NDArray[np.generic], ...]:
        """Run ``(N, ...)`` inputs; outputs in the order of the manifest, owned by the caller.

        Raises:
            EngineError: wrong shape or dtype, or the backend failed.
        """
        ...

    def close(self) -> None:
        """Free everything; idempotent."""
        ...


class Step(Protocol[In, Out]):
    """A state machine of the pipeline: no thread, no clock, no file. One thread builds, uses, closes it."""

    def push(self, item: In) -> Iterable[Out]:
        """Take one item, give what can be said now."""
        ...

    def flush(self) -> Iterable[Out]:
        """The stream has ended: give what was held back."""
        ...

    def close(self) -> None:
        """Free what the step owns (detector, engines); idempotent."""
        ...


class Sink(Protocol):
    """Takes results in order. Built, used and closed in one thread."""

    def write(self, result: Result) -> None:
        """Take one result; it must be safe on disk or screen soon after.

        Raises:
            OutputError: it could not be written.
        """
        ...

    def close(self, summary: RunSummary | None) -> None:
        """Finish the output; ``summary`` is None when the run failed. Idempotent."""
        ...
