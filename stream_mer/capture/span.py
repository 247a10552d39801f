"""Shows a stretch of a file as if it were a whole source, counting only the losses of the part it owns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from stream_mer.core.segments import Segment
from stream_mer.protocols import Source
from stream_mer.types import Frame, SourceInfo


class SpanSource:
    """A `Source` that ends where a segment ends.

    Args:
        source: begins at the segment's first picture (see `stream_mer.capture.index.Entry`); closed with
            this one.
        segment: what to show and what is owned of it.
    """

    def __init__(self, source: Source, segment: Segment) -> None:
        self._source = source
        self._segment = segment
        self._before: dict[str, int] = {}
        self._until: dict[str, int] | None = None

    @property
    def info(self) -> SourceInfo:
        """That of the file."""
        return self._source.info

    @property
    def losses(self) -> Mapping[str, int]:
        """Pictures lost in the owned time so far, by cause."""
        now = self._source.losses if self._until is None else self._until
        return {cause: n for cause in now if (n := now[cause] - self._before.get(cause, 0)) > 0}

    @property
    def warnings(self) -> Sequence[str]:
        """What the user should know about this stretch."""
        return self._source.warnings

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames of the stretch; their times are those in the file."""
        segment = self._segment
        for frame in self._source:
            if segment.until_ns is not None and frame.pts_ns >= segment.until_ns:
                return
            if frame.pts_ns < segment.start_ns:
                self._before = dict(self._source.losses)
            elif self._until is None and not segment.owns(frame.pts_ns):
                self._until = dict(self._source.losses)
            yield frame

    def interrupt(self) -> None:
        """Make the iteration end soon. Callable from any thread."""
        self._source.interrupt()

    def close(self) -> None:
        """Close the file; idempotent."""
        self._source.close()
