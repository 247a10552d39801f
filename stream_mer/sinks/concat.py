"""Joins the overlays of a file's segments into one video without encoding anything again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av

from stream_mer.errors import OutputError
from stream_mer.sinks.video import TIME_BASE


def concatenate(parts: Sequence[Path], starts_ns: Sequence[int], path: Path) -> None:
    """Write the pictures of ``parts`` one after the other to ``path``, whole or not at all.

    Args:
        parts: videos by ``VideoWriter``, each beginning at time 0.
        starts_ns: when each part's first picture is shown.
        path: file to write, replaced only when the new one is complete.

    Raises:
        OutputError: a part cannot be read or the file cannot be written.
    """
    half = path.with_name(f".{path.name}.part")
    try:
        with av.open(str(half), "w", format="mp4", container_options={"movflags": "faststart"}) as out:
            stream: av.VideoStream | None = None
            last = -1
            for part, start_ns in zip(parts, starts_ns, strict=True):
                with av.open(str(part)) as source:
                    if stream is None:
                        stream = out.add_stream_from_template(source.streams.video[0])
                        stream.time_base = TIME_BASE
                    shift = round(Fraction(start_ns, 10**9) / TIME_BASE)
                    for packet in source.demux(source.streams.video[0]):
                        if packet.dts is None or packet.pts is None:
                            continue
                        scale = Fraction(packet.time_base) / TIME_BASE
                        # The writer has no B pictures: order of storage is order of time.
                        packet.pts = packet.dts = last = max(round(packet.pts * scale) + shift, last + 1)
                        packet.duration = round((packet.duration or 0) * scale)
                        packet.time_base = TIME_BASE
                        packet.stream = stream
                        out.mux(packet)
        with half.open("rb") as written:
            os.fsync(written.fileno())
        half.replace(path)
    except (OSError, av.error.FFmpegError) as error:
        with suppress(OSError):  # as the rest of a disk that takes nothing any more
            half.unlink(missing_ok=True)
        raise OutputError(
            f"cannot join the overlay {path}: {getattr(error, 'strerror', None) or error}\n"
            "free some space and run again with --resume, or run with --no-overlay"
        ) from error
