"""Records for weeks: the overlay in files of ten minutes (see ``sinks.retention`` for what is deleted).

Every file is playable at any moment, also after a power cut (see ``sinks.video``). Each is named after
the time its first frame was seen, in UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

from stream_mer.errors import OutputError
from stream_mer.sinks.history import SECOND, DrawSettings, Status
from stream_mer.sinks.overlay import Painter
from stream_mer.sinks.video import NO_OVERLAY, VideoWriter
from stream_mer.types import Result, RunSummary

SEGMENT_S = 600.0


class SegmentSink:
    """Sink that writes the overlay as a row of files.

    Args:
        folder: where they go; made with the first one.
        settings: how the overlay looks, and whether faces are redacted.
        segment_s: length of a file, s of stream time.
        fps_hint: rough frame rate of the source, if known.
        status: asked once a frame for what the pipeline knows.
        recording: asked once a frame; False pauses, and a new file starts afterwards.
        now: the present in UTC.
    """

    def __init__(
        self,
        folder: Path,
        settings: DrawSettings | None = None,
        *,
        segment_s: float = SEGMENT_S,
        fps_hint: float | None = None,
        status: Callable[[], Status] | None = None,
        recording: Callable[[], bool] = lambda: True,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._folder, self._segment_ns = folder, round(segment_s * SECOND)
        self._painter = Painter(settings, status=status)
        self._fps_hint, self._recording, self._now = fps_hint, recording, now
        self._writer: VideoWriter | None = None
        self._size: tuple[int, int] = (0, 0)
        self._started_ns = 0
        self._closed = False

    def write(self, result: Result) -> None:
        """Draw and append one frame; a repeated result has none and changes nothing.

        Raises:
            OutputError: disk full, or the sink is closed.
        """
        if self._closed:
            raise OutputError(
                f"the recording in {self._folder} is already closed; nothing can be added to it"
            )
        if result.repeated:
            return
        if not self._recording():
            self._painter.remember(result)
            self._end()
            return
        picture = self._painter.paint(result)
        size = (picture.shape[1], picture.shape[0])
        long = self._painter.now_ns - self._started_ns >= self._segment_ns
        if self._writer is not None and (long or size != self._size):
            self._end()
        if self._writer is None:
            self._writer = VideoWriter(self._path(), *size, fps_hint=self._fps_hint, without=NO_OVERLAY)
            self._size, self._started_ns = size, self._painter.now_ns
        self._writer.write(picture, self._painter.now_ns)

    def close(self, summary: RunSummary | None) -> None:  # noqa: ARG002  (the protocol's signature)
        """Finish the present file; idempotent.

        Raises:
            OutputError: its end could not be written.
        """
        self._closed = True
        self._end()

    def _end(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _path(self) -> Path:
        when = self._now()
        while (path := self._folder / f"overlay-{when:%Y%m%dT%H%M%SZ}.mp4").exists():
            when += timedelta(seconds=1)  # a size that changes twice in a second
        return path
