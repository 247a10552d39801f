"""Plays a recorded source at its own pace, as if it were a camera."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from stream_mer.capture.clock import InterruptibleClock
from stream_mer.protocols import Source
from stream_mer.types import Frame, SourceInfo


class PacedSource:
    """A source whose frames come no earlier than their time stamps say.

    The first frame sets the start. A consumer that falls behind gets the next frames at once until it
    has caught up, as from a camera's buffer; dropping is the pipeline's business, not this one's. A
    gap in the recording is waited through.

    Args:
        source: What is played; it belongs to this object from now on and is closed with it.
        clock: Time and waiting; ``interrupt`` interrupts it for good.
    """

    def __init__(self, source: Source, clock: InterruptibleClock) -> None:
        self._source = source
        self._clock = clock
        info = source.info
        self._info = replace(info, live=True, frames=None, duration_s=None)
        self._interrupted = False

    @property
    def info(self) -> SourceInfo:
        """That of the recording, except that it is live and its end is unknown."""
        return self._info

    @property
    def losses(self) -> Mapping[str, int]:
        """Those of the recording."""
        return self._source.losses

    @property
    def warnings(self) -> Sequence[str]:
        """Those of the recording."""
        return self._source.warnings

    def __iter__(self) -> Iterator[Frame]:
        """Yield each frame when it is due; see `stream_mer.protocols.Source`."""
        start_ns: int | None = None
        for frame in self._source:
            if start_ns is None:
                start_ns = self._clock.now_ns() - frame.pts_ns
            if not self._clock.wait_until(start_ns + frame.pts_ns) or self._interrupted:
                return
            yield frame

    def interrupt(self) -> None:
        """End the iteration, also while it waits for a frame's time. Callable from any thread."""
        self._interrupted = True
        self._source.interrupt()
        self._clock.interrupt()

    def close(self) -> None:
        """Close the recording; idempotent."""
        self._source.close()
