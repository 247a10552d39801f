"""What a run consists of, as recipes: each thread builds, uses and closes its own objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from stream_mer.core.tally import Tally
from stream_mer.errors import StageError, StreamMerError
from stream_mer.pipeline.timing import StageTimes
from stream_mer.protocols import Sink, Source, Step
from stream_mer.types import Frame, FrameFaces, Result, RunSummary, SourceInfo


@dataclass(frozen=True, slots=True)
class SinkRecipe:
    """A sink's name (for times and messages) and how to build it once the source is known.

    ``main``: it lives in the thread that calls ``run`` (macOS allows windows only in the main thread);
    at most one sink of a plan may ask for that.
    """

    name: str
    build: Callable[[SourceInfo], Sink]
    main: bool = False


@runtime_checkable
class Attentive(Protocol):
    """A sink that wants to be called also while nothing comes, such as a window with keys."""

    def idle(self) -> None:
        """Nothing came for a moment; called in the sink's own thread."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """Recipes for one source's way through the house.

    ``lossy`` makes the edge capture -> face drop its oldest frame when the rest is too slow; only
    live sources may. ``drain`` reads and discards frames while the other stages are being built, for
    cameras that would otherwise begin with stale pictures. ``summarise`` turns what was counted into the
    run's summary.
    """

    source: Callable[[], Source]
    face: Callable[[SourceInfo], Step[Frame, FrameFaces]]
    infer: Callable[[SourceInfo], Step[FrameFaces, Result]]
    sinks: Sequence[SinkRecipe]
    summarise: Callable[[Progress], RunSummary]
    lossy: bool = False
    drain: bool = False


@dataclass(slots=True)
class Progress:
    """What a run has counted so far; handed to ``Plan.summarise`` at the end."""

    times: dict[str, StageTimes] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    info: SourceInfo | None = None
    losses: Mapping[str, int] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    started_ns: int = 0
    first_result_ns: int | None = None
    finished_ns: int = 0
    interrupted: bool = False

    def stage(self, name: str) -> StageTimes:
        """The times of one stage, made on first use."""
        return self.times.setdefault(name, StageTimes())


def stage_failure(stage: str, error: BaseException) -> StreamMerError:
    """The error to show for ``error`` raised in ``stage``: one of ours as it is, others named."""
    if isinstance(error, StreamMerError):
        return error
    failure = StageError(
        f"stage '{stage}' failed: {type(error).__name__}: {error}\n"
        "This is a defect or a broken installation; run again with --debug to see where."
    )
    failure.__cause__ = error
    return failure
