"""Feeds the dashboard: numbers with every result, pictures only while somebody looks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import cv2

from stream_mer.errors import OutputError
from stream_mer.types import ImageU8, Result, RunSummary
from stream_mer.web.live_state import LiveState

JPEG_QUALITY = 82
MAX_WIDTH = 1280
"""Wider pictures are reduced for the browser; the recording keeps them whole."""


class WebSink:
    """Sink that shows one camera on the dashboard.

    Args:
        state: what the server reads from.
        paint: makes the picture to show from a result (redacted, if faces are to be); called only
            for results whose picture is wanted.
        remember: given every result that is not painted, so that the next picture knows of it.
        status: asked once a frame (by its number) for ``coverage``, ``dropped`` and ``latency_ms``.
        max_fps: at most so many pictures a second go out.
        clock_ns: monotonic wall clock in ns.
    """

    def __init__(
        self,
        state: LiveState,
        paint: Callable[[Result], ImageU8],
        *,
        remember: Callable[[Result], None] | None = None,
        status: Callable[[int], Mapping[str, float | int | None]] | None = None,
        max_fps: float = 15.0,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._state = state
        self._paint = paint
        self._remember = remember
        self._status = status
        self._every_ns = round(1e9 / max_fps)
        self._clock_ns = clock_ns
        self._due_ns = clock_ns()
        self._closed = False

    def write(self, result: Result) -> None:
        """Publish one result; never waits for a viewer.

        Raises:
            OutputError: the sink is closed.
        """
        if self._closed:
            raise OutputError("this camera's dashboard is already closed; nothing can be shown on it")
        self._state.publish(result, self._status(result.frame.index) if self._status else None)
        now = self._clock_ns()
        if now >= self._due_ns and self._state.watched:
            self._due_ns = max(self._due_ns + self._every_ns, now)
            self._state.publish_picture(encode_jpeg(self._paint(result)))
        elif self._remember is not None:
            self._remember(result)

    def close(self, summary: RunSummary | None) -> None:
        """Tell the viewers that the stream has ended, or failed; idempotent."""
        if not self._closed:
            self._closed = True
            self._state.finish(failed=summary is None)


def encode_jpeg(rgb: ImageU8) -> bytes:
    """A picture as JPEG, reduced to ``MAX_WIDTH``.

    Raises:
        OutputError: it cannot be encoded.
    """
    height, width = rgb.shape[:2]
    if width > MAX_WIDTH:
        size = (MAX_WIDTH, max(1, round(height * MAX_WIDTH / width)))
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    ok, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not ok:
        raise OutputError(f"a {width}x{height} picture cannot be encoded as JPEG")
    return bytes(jpeg.tobytes())
