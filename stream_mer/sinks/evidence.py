"""Cuts the seconds around an event out of the source as they are: the camera's own pictures."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av

from stream_mer.errors import OutputError

AROUND_NS = 500_000_000
"""Shown before the onset and after the offset. Decoding must begin at a key picture, so the clip may
begin earlier; it never ends later."""


def cut_clip(source: Path, begin_s: Fraction, end_s: Fraction, path: Path) -> None:
    """Copy the packets of the video from the last key picture before ``begin_s`` to ``end_s``.

    Args:
        source: the recording.
        begin_s: raw time of the file (not rebased), exact seconds.
        end_s: end, likewise.
        path: Matroska file to write, whole or not at all.

    Raises:
        OutputError: it cannot be written, or the source cannot be read any more.
    """
    half = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(f"file:{source}") as given, av.open(str(half), "w", format="matroska") as clip:
            stream = max(given.streams.video, key=lambda s: s.width * s.height)
            base = stream.time_base or Fraction(1, 1000)
            copy = clip.add_stream_from_template(stream)
            given.seek(round(begin_s / base), stream=stream)
            first: int | None = None
            for packet in given.demux(stream):
                if packet.dts is None or packet.pts is None:
                    continue
                if packet.dts * base > end_s:
                    break
                first = packet.dts if first is None else first
                packet.pts, packet.dts = packet.pts - first, packet.dts - first
                packet.stream = copy
                clip.mux(packet)
        half.replace(path)
    except (OSError, av.error.FFmpegError, ValueError) as error:
        half.unlink(missing_ok=True)
        raise OutputError(
            f"cannot write the evidence {path}: {getattr(error, 'strerror', None) or error}\n"
            "free some space, or run without --evidence"
        ) from error
