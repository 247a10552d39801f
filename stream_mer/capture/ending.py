"""Tells whether a file ended where it should, or was cut off or not copied whole."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from av.container import InputContainer
from av.video.stream import VideoStream

CUT_SLACK_S = 0.25
"""How far sound and pictures of a whole file may fall short of the length its header states."""
TS_PACKETS = (188, 192, 204)
"""Bytes of an MPEG transport packet: plain, with a time code (M2TS), with error correction.
Source: ISO/IEC 13818-1, 2.4.3.2; ETSI EN 300 429."""


def cut_off(
    container: InputContainer, stream: VideoStream, end_s: Fraction | None, rate: float | None, path: Path
) -> str | None:
    """What is missing at the end of a file that was read through, in words; None if nothing seems to be.

    Args:
        container: Of the file.
        stream: Its pictures.
        end_s: Where the last packet of any stream ended.
        rate: Nominal pictures a second.
        path: The file.
    """
    if container.format.name == "mpegts":
        # A transport stream promises no length; but it is made of whole packets.
        if path.stat().st_size % _packet_bytes(path):
            return "the file ends in the middle of a transport packet: it was cut off or not copied whole"
        return None
    if container.duration is None or end_s is None:
        return None
    promised_s = container.duration / 1e6
    if container.format.name == "avi" and stream.time_base:
        # FFmpeg shortens the duration of a cut AVI file; the header's count still tells.
        promised_s = max(promised_s, float(stream.frames * stream.time_base))
    # Matroska counts from zero, the others from their first packet.
    start_s = 0.0 if "matroska" in container.format.name else (container.start_time or 0) / 1e6
    ended_s = float(end_s) - start_s
    if ended_s >= promised_s - max(CUT_SLACK_S, 2 / rate if rate else 0.0):
        return None
    return (
        f"the file ends at {ended_s:.2f} s of the {promised_s:.2f} s it promises: "
        "it was cut off or not copied whole"
    )


def _packet_bytes(path: Path) -> int:
    """The length of a transport stream's packets: each holds the same byte at the same place."""
    with path.open("rb") as file:
        head = file.read(2 * max(TS_PACKETS))
    for packet in TS_PACKETS:
        first = packet - 188 if packet == 192 else 0
        if head[first : first + 1] == head[first + packet : first + packet + 1] == b"\x47":
            return packet
    return 1
