"""Opens what FFmpeg reads and picks the video in it, or says why there is none."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from stream_mer.capture.address import Opening, is_unresolved
from stream_mer.capture.diagnosis import why_unreadable
from stream_mer.capture.faults import explain
from stream_mer.capture.redact import redact
from stream_mer.errors import SourceDamaged, SourceError

HIGHEST_RATE_HZ = 1000.0
"""Containers without a real rate claim their time base instead, such as 90000 Hz."""
TEXT_FORMATS = ("tty", "bin", "xbin", "adf", "idf", "concat", "ffmetadata")
"""FFmpeg draws text files as video, or follows the file names in them; neither is a recording."""
_GENERATE_PTS = 0x0001  # AVFMT_FLAG_GENPTS
_NOT_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails


def open_container(opening: Opening, timeout: tuple[float, float] | None) -> InputContainer:
    try:
        container = av.open(
            opening.url, mode="r", options=opening.options, timeout=timeout, metadata_errors="replace"
        )
    except FFmpegError as error:
        failure = failure_of(error, opening, None)
    else:
        if container.format.name in TEXT_FORMATS:
            container.close()
            failure = _damaged(opening)
        else:
            # PyAV lets FFmpeg invent missing presentation times, which it gets wrong where pictures
            # are reordered (AVI with B frames); decoding times, used instead, are right there.
            container.flags &= ~_GENERATE_PTS
            return container
    # Raised outside the handler: the library's exception holds the address with its password.
    raise failure


def failure_of(error: FFmpegError, opening: Opening, at_s: float | None) -> SourceError:
    if opening.path is not None and at_s is None:
        return _damaged(opening)
    kind = type(error).__name__
    if error.errno == errno.EIO and is_unresolved(opening.url):
        kind = "gaierror"  # FFmpeg has no word of its own for it
    return explain(kind, redact(str(error.strerror)), opening.name, at_s=at_s)


def _damaged(opening: Opening) -> SourceDamaged:
    if opening.path is None:
        return SourceDamaged(f"{opening.name} sends text, no video\ncheck the address")
    why, remedy = why_unreadable(opening.path)
    return SourceDamaged(f"cannot read {opening.name!r} as a video: {why}\n{remedy}")


def packets(container: InputContainer, *streams: VideoStream) -> Iterator[Packet[Stream]]:
    """The container's packets, of these streams or of all.

    Damage can look like the beginning of another stream; PyAV, which knows only those that were there when
    the file was opened, fails at its packets with an IndexError. They are passed over.
    """
    while True:
        try:
            yield from container.demux(*streams)
        except IndexError:
            continue
        return


def pick_video(container: InputContainer, name: str) -> VideoStream:
    """The largest moving video stream; a cover picture is not one."""
    streams = [s for s in container.streams.video if not s.disposition & _NOT_VIDEO]
    decodable = [s for s in streams if s.codec_context is not None]
    if decodable:
        return max(decodable, key=area_px)
    kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
    if streams:
        raise SourceDamaged(
            f"{name!r} has a video stream in a codec this FFmpeg cannot decode\nconvert it first"
        )
    raise SourceDamaged(f"{name!r} has no video stream, only: {kinds}\ngive a file with moving pictures")


def area_px(stream: VideoStream) -> int:
    return stream.width * stream.height


def nominal_rate(stream: VideoStream) -> float | None:
    """Nominal pictures a second: the average the container states, else FFmpeg's guess."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 0 < rate <= HIGHEST_RATE_HZ:
            return float(rate)
    return None


def duration_s(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration is not None else None
