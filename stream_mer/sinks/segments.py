"""Records for weeks: the overlay in files of ten minutes, the oldest deleted when there are too many.

Every file is playable at any moment, also after a power cut (see ``sinks.video``). Each is named after
the time its first frame was seen, in UTC.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from stream_mer.errors import OutputError
from stream_mer.sinks.history import SECOND, DrawSettings, Status
from stream_mer.sinks.overlay import Painter
from stream_mer.sinks.video import VideoWriter
from stream_mer.types import Result, RunSummary

SEGMENT_S = 600.0
PATTERN = "overlay-*.mp4"
LOOK_S = 30.0
"""How often the size and age of what is there is looked at."""

log = logging.getLogger("stream_mer.record")


@dataclass(frozen=True, slots=True)
class Retention:
    """How much is kept under ``root``: at most ``days`` old and ``gigabytes`` together; None is no limit."""

    root: Path
    days: float | None = None
    gigabytes: float | None = None


def expired(
    files: Iterable[tuple[Path, int, float]], retention: Retention, now_s: float, writing: Path | None
) -> list[Path]:
    """Which files must go, oldest first.

    Args:
        files: path, size in bytes, time of the last change in s.
        retention: what may stay.
        now_s: the present, s.
        writing: never deleted.
    """
    kept = sorted((f for f in files if f[0] != writing), key=lambda f: (f[2], f[0]))
    going: list[Path] = []
    if retention.days is not None:
        oldest_s = now_s - retention.days * 86_400
        going = [path for path, _, changed_s in kept if changed_s < oldest_s]
    if retention.gigabytes is not None:
        left = [f for f in kept if f[0] not in going]
        excess = sum(size for _, size, _ in left) - retention.gigabytes * 1e9
        for path, size, _ in left:
            if excess <= 0:
                break
            going.append(path)
            excess -= size
    return going


class SegmentSink:
    """Sink that writes the overlay as a row of files.

    Args:
        folder: where they go; made with the first one.
        settings: how the overlay looks, and whether faces are redacted.
        retention: what is deleted; nothing if None.
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
        retention: Retention | None = None,
        segment_s: float = SEGMENT_S,
        fps_hint: float | None = None,
        status: Callable[[], Status] | None = None,
        recording: Callable[[], bool] = lambda: True,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._folder, self._retention, self._segment_ns = folder, retention, round(segment_s * SECOND)
        self._painter = Painter(settings, status=status)
        self._fps_hint, self._recording, self._now = fps_hint, recording, now
        self._writer: VideoWriter | None = None
        self._size: tuple[int, int] = (0, 0)
        self._started_ns = 0
        self._looked = datetime.min.replace(tzinfo=timezone.utc)
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
            self._writer = VideoWriter(self._path(), *size, fps_hint=self._fps_hint)
            self._size, self._started_ns = size, self._painter.now_ns
        self._writer.write(picture, self._painter.now_ns)
        self._tidy()

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

    def _tidy(self) -> None:
        """Delete what is too old or too much, now and then."""
        now = self._now()
        if self._retention is None or (now - self._looked).total_seconds() < LOOK_S:
            return
        self._looked = now
        writing = self._writer.path if self._writer is not None else None
        files = []
        for path in self._retention.root.rglob(PATTERN):
            try:
                stat = path.stat()
            except OSError:  # another camera's sink was quicker
                continue
            files.append((path, stat.st_size, stat.st_mtime))
        for path in expired(files, self._retention, now.timestamp(), writing):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:  # noqa: PERF203  (one file that stays must not keep the others)
                log.warning("cannot delete %s: %s", path, error.strerror or error)
            else:
                log.info("deleted %s: older or more than is kept", path.name)
