"""A source whose frames go through a function on their way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from stream_mer.protocols import Source
from stream_mer.types import Frame, SourceInfo


@dataclass(frozen=True, slots=True)
class Through:
    """A Source that gives what ``change`` makes of another one's frames; all else is the other one's."""

    source: Source
    change: Callable[[Source], Iterator[Frame]]

    @property
    def info(self) -> SourceInfo:
        return self.source.info

    @property
    def losses(self) -> Mapping[str, int]:
        return self.source.losses

    @property
    def warnings(self) -> Sequence[str]:
        return self.source.warnings

    def __iter__(self) -> Iterator[Frame]:
        return self.change(self.source)

    def interrupt(self) -> None:
        self.source.interrupt()

    def close(self) -> None:
        self.source.close()
