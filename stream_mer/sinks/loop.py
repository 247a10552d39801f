"""Makes a long recording out of a short one by repeating its packets: hours of video in seconds."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av

from stream_mer.errors import OutputError


def repeat(video: Path, seconds: float, path: Path) -> None:
    """Write ``video`` again and again to ``path`` until it is ``seconds`` long, without encoding.

    Args:
        video: a recording whose pictures all have times.
        seconds: wanted length.
        path: Matroska file to write.

    Raises:
        OutputError: it cannot be read or written.
    """
    try:
        with av.open(f"file:{video}") as given, av.open(str(path), "w", format="matroska") as out:
            stream = given.streams.video[0]
            copy = out.add_stream_from_template(stream)
            base = stream.time_base or Fraction(1, 1000)
            step, last = 0, None
            while step * base < seconds:
                given.seek(0, stream=stream)
                end, begun = step, False
                for packet in given.demux(stream):
                    if packet.dts is None or packet.pts is None:
                        continue
                    if not begun and last is not None:  # pictures stored ahead begin before their time
                        step = max(step, last + 1 - packet.dts)
                    begun = True
                    packet.pts, packet.dts = packet.pts + step, packet.dts + step
                    end, last = max(end, packet.pts + max(packet.duration or 0, 1)), packet.dts
                    packet.stream = copy
                    out.mux(packet)
                if end == step:
                    raise ValueError("it holds no pictures with times")
                step = end
    except (OSError, ValueError, av.error.FFmpegError) as error:
        path.unlink(missing_ok=True)
        raise OutputError(f"cannot repeat {video} to {path}: {error}\nChoose another video.") from error
