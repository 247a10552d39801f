"""The overlay video: every frame that comes in goes out with what was found drawn on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from stream_mer.errors import OutputError
from stream_mer.sinks.draw import draw
from stream_mer.sinks.history import DrawSettings, History, Status
from stream_mer.sinks.video import NO_OVERLAY, VideoWriter
from stream_mer.types import ImageU8, Result, RunSummary


class Painter:
    """Turns results into overlay pictures, one after the other; for sinks that live elsewhere.

    Args:
        settings: how it looks, and whether faces are redacted.
        status: asked once a frame for what the pipeline knows (coverage, drops, latency); called in
            the painting thread.
    """

    def __init__(
        self, settings: DrawSettings | None = None, *, status: Callable[[], Status] | None = None
    ) -> None:
        self._history = History(settings)
        self._status = status

    @property
    def now_ns(self) -> int:
        """Time of the last result on a line that goes on over reconnects."""
        return self._history.now_ns

    def remember(self, result: Result) -> None:
        """Take a result that will not be painted, so that the next picture knows of it."""
        self._history.push(result, status=self._status() if self._status else None)

    def paint(self, result: Result) -> ImageU8:
        """``(H, W, 3)`` uint8 RGB of the frame's size, owned by the caller."""
        self.remember(result)
        return draw(result, self._history)


class OverlaySink:
    """Sink that writes an MP4 with the source's own timing.

    The file takes the size of the first frame; see ``VideoWriter`` for what happens to others, and
    for why the file is playable at any moment. A run without frames leaves no file.

    Args:
        path: the MP4; its folder is made, an older file is replaced.
        settings: how it looks, and whether faces are redacted.
        fps_hint: rough frame rate of the source, if known.
        status: asked once a frame for what the pipeline knows (coverage, drops, latency); called in
            this sink's thread.

    Raises:
        OutputError: the file cannot be created there.
    """

    def __init__(
        self,
        path: Path | str,
        settings: DrawSettings | None = None,
        *,
        fps_hint: float | None = None,
        status: Callable[[], Status] | None = None,
    ) -> None:
        self.path = Path(path)
        self._painter = Painter(settings, status=status)
        self._fps_hint = fps_hint
        self._writer: VideoWriter | None = None
        self._closed = False
        try:  # the size is known with the first frame only, but a bad place should be known now
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.open("wb").close()
        except OSError as error:
            raise OutputError(
                f"cannot create the video {self.path}: {error.strerror or error}\n"
                "choose another folder with --out, or run with --no-overlay"
            ) from error

    def write(self, result: Result) -> None:
        """Draw and append one frame; a repeated result has none and changes nothing.

        Raises:
            OutputError: disk full, or the sink is closed.
        """
        if self._closed:
            raise OutputError(f"the video {self.path} is already closed; nothing can be added to it")
        if result.repeated:  # its frame is in the video already; the event log has what is new
            return
        picture = self._painter.paint(result)
        if self._writer is None:
            height, width = picture.shape[:2]
            self._writer = VideoWriter(self.path, width, height, fps_hint=self._fps_hint, without=NO_OVERLAY)
        # Display time goes on over a reconnect, where the source's own clock may start again.
        self._writer.write(picture, self._painter.now_ns)

    def close(self, summary: RunSummary | None) -> None:  # noqa: ARG002 - the protocol's signature
        """Finish the file, also after a failed run; idempotent.

        Raises:
            OutputError: the end could not be written.
        """
        if self._closed:
            return
        self._closed = True
        if self._writer is not None:
            self._writer.close()
        else:
            self.path.unlink(missing_ok=True)
