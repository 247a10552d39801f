"""Keeps the face at onset, apex and offset of every event, for whoever reviews it afterwards."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

import cv2

from stream_mer.errors import OutputError
from stream_mer.sinks import canvas
from stream_mer.types import Event, ImageU8, Result, RunSummary

MOMENTS = ("onset", "apex", "offset")
KEPT_NS = 6_000_000_000
"""How far back pictures are kept: events are decided well within it."""
SIDE_PX = 64
"""Pictures kept are reduced to this: six seconds of one face at 30 fps are 2 MB."""
QUALITY = 88


class ThumbnailSink:
    """Sink that remembers faces for a few seconds and writes three JPEG files per event.

    Args:
        folder: where ``<event id>-onset.jpg`` and so on go; nothing is written if None.
        redact: make the faces unrecognisable.
        show: given the event's id and the three JPEG pictures, for a dashboard.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        redact: bool = False,
        show: Callable[[str, tuple[bytes, ...]], None] = lambda _, __: None,
    ) -> None:
        self._folder, self._redact, self._show = folder, redact, show
        self._kept: dict[tuple[int, int], deque[tuple[int, ImageU8]]] = {}
        self._closed = False

    def write(self, result: Result) -> None:
        """Remember this frame's faces; write pictures for the events decided now.

        Raises:
            OutputError: the disk is full or not writable, or the sink is closed.
        """
        if self._closed:
            raise OutputError("the thumbnails are already closed; nothing can be added to them")
        for crop in result.crops:
            if crop.picture is not None and not result.repeated:
                small = crop.picture[::2, ::2].copy() if len(crop.picture) > SIDE_PX else crop.picture
                line = self._kept.setdefault((crop.epoch, crop.track.track_id), deque())
                line.append((crop.pts_ns, small))
        for event in result.events:
            self._save(event)
        oldest, epoch = result.frame.pts_ns - KEPT_NS, result.frame.epoch
        for key, line in list(self._kept.items()):
            while line and line[0][0] < oldest:
                line.popleft()
            if not line or key[0] < epoch - 1:
                del self._kept[key]

    def close(self, summary: RunSummary | None) -> None:  # noqa: ARG002  (the protocol's signature)
        """Forget everything; idempotent."""
        self._closed = True
        self._kept.clear()

    def _save(self, event: Event) -> None:
        line = self._kept.get((event.epoch, event.track_id))
        if not line:
            return
        pictures = tuple(
            _jpeg(min(line, key=lambda one: abs(one[0] - at_ns))[1], redact=self._redact)
            for at_ns in (event.onset_ns, event.apex_ns, event.offset_ns)
        )
        if self._folder is not None:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                for moment, jpeg in zip(MOMENTS, pictures, strict=True):
                    (self._folder / f"{event.id}-{moment}.jpg").write_bytes(jpeg)
            except OSError as error:
                raise OutputError(
                    f"cannot write thumbnails to {self._folder}: {error.strerror or error}\n"
                    "free some space, or run without --keep-thumbnails"
                ) from error
        self._show(event.id, pictures)


def _jpeg(rgb: ImageU8, *, redact: bool) -> bytes:
    if redact:
        rgb = rgb.copy()
        canvas.pixelate(rgb, 0, 0, rgb.shape[1], rgb.shape[0])
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    ok, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not ok:
        raise OutputError(f"a {rgb.shape[1]}x{rgb.shape[0]} picture cannot be encoded as JPEG")
    return bytes(jpeg.tobytes())
