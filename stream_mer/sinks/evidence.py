"""Writes the seconds around an event as they are in the source: the camera's own pictures."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import av
from av.stream import Stream

from stream_mer.errors import OutputError

AROUND_NS = 500_000_000
"""Shown before the onset and after the offset. Decoding must begin at a key picture, so the clip may
begin earlier; it never ends much later."""


def write_clip(stream: av.VideoStream, packets: Iterable[av.Packet[Stream]], path: Path) -> None:
    """Write packets of a video as a clip that begins at time 0.

    Args:
        stream: of the recording; it says how the packets are to be decoded.
        packets: one after the other, the first of a key picture.
        path: Matroska file to write, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    half = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(half), "w", format="matroska") as clip:
            copy = clip.add_stream_from_template(stream)
            times = _Times(stream)
            for packet in packets:
                times.put(packet)
                packet.stream = copy
                clip.mux(packet)
        half.replace(path)
    except (OSError, av.error.FFmpegError, ValueError) as error:
        with suppress(OSError):  # as the rest of a disk that takes nothing any more
            half.unlink(missing_ok=True)
        raise OutputError(
            f"cannot write the evidence {path}: {getattr(error, 'strerror', None) or error}\n"
            "free some space, or run without --evidence"
        ) from error


class _Times:
    """Stamps that begin at 0 and only go forward, as a container wants them; pictures keep their distance."""

    def __init__(self, stream: av.VideoStream) -> None:
        rate, base = stream.average_rate or stream.guessed_rate or 25, stream.time_base
        self._step = max(1, round(1 / (rate * base))) if base else 1
        self._last: int | None = None
        self._shift = 0

    def put(self, packet: av.Packet[Stream]) -> None:
        """Give the next packet its stamps."""
        due = 0 if self._last is None else self._last + self._step
        stamp = packet.pts if packet.dts is None else packet.dts
        if stamp is None:  # a file without times
            packet.pts = packet.dts = self._last = due
            return
        if self._last is None or stamp + self._shift <= self._last:
            self._shift = due - stamp
        shown = stamp if packet.pts is None else packet.pts
        packet.dts = self._last = stamp + self._shift
        packet.pts = max(shown + self._shift, packet.dts)
