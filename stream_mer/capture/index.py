"""Reads where a video file can be cut: its key pictures and their times, without decoding it."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from pathlib import Path

from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from stream_mer.capture.address import Opening, resolve
from stream_mer.capture.container import (
    duration_s,
    nominal_rate,
    open_container,
    packets,
    pick_video,
)
from stream_mer.capture.timeline import round_ns
from stream_mer.core.segments import KeyPicture
from stream_mer.errors import SourceError

REORDER = 64
"""Pictures stored out of order lie closer together than this (H.264 and HEVC allow 16)."""
_PROBE_PACKETS = 500
NO_ENTRY = "it cannot be entered at a given time"
_STILLS = ("image2", "gif")


@dataclass(frozen=True, slots=True)
class Entry:
    """Where to begin reading inside a file: see `PyAvSource`.

    ``place`` is where to seek to, ``key`` the key picture's stamp and ``first`` that of the first picture
    wanted, in the stream's ticks; ``origin_s`` is the raw time that counts as 0, ``rank`` the number of
    pictures before ``key``.
    """

    place: int
    key: int
    first: int
    origin_s: Fraction
    rank: int


@dataclass(frozen=True, slots=True)
class VideoIndex:
    """What a file's packets say.

    ``why_whole`` is empty if the file can be entered at its key pictures and then gives the same times as
    when read from the start; otherwise it says why it must be read in one go.
    """

    frames: int
    end_ns: int
    origin_s: Fraction
    time_base: Fraction
    keys: tuple[KeyPicture, ...]
    why_whole: str

    def entry(self, key: KeyPicture, first_ns: int) -> Entry:
        """How to begin with the pictures from ``first_ns`` on, decoding from ``key``."""
        # Times were rounded to nanoseconds: half of one earlier finds the same picture again.
        raw_s = self.origin_s + Fraction(2 * first_ns - 1, 2 * 10**9)
        return Entry(key.place, key.ticks, ceil(raw_s / self.time_base), self.origin_s, key.rank)


def index_video(path: Path) -> VideoIndex:
    """Read the whole file's packets once; memory grows with key pictures only.

    Raises:
        SourceError: it cannot be opened or holds no video.
    """
    opening = resolve(path, 1.0)
    origin = _origin(opening)
    container = open_container(opening, None)
    try:
        stream = pick_video(container, opening.name)
        if origin is None:
            return _whole(container, stream, "its first picture has no time stamp")
        try:
            return _read(container, stream, origin)
        except FFmpegError:
            return _whole(container, stream, "damage on the way")
    finally:
        container.close()


def _origin(opening: Opening) -> int | None:
    """The stamp that counts as 0. Not all files can be wound back; they are opened again after this."""
    container = open_container(opening, None)
    try:
        picture = _first_picture(container, pick_video(container, opening.name))
        return None if picture is None else picture.pts
    except FFmpegError:
        return None
    finally:
        container.close()


def _read(container: InputContainer, stream: VideoStream, origin: int) -> VideoIndex:
    """Read the packets from the start on."""
    base = stream.time_base or Fraction(1, 1000)
    frames, last, keys, why = 0, None, [], ""
    for ticks, decoded, key in _in_order(container, stream):
        if ticks is None:
            why = "pictures without a time stamp"
            break
        if ticks < origin:
            continue
        if last is not None and ticks <= last:
            why = "pictures with a repeated or backward time stamp"
            break
        if key:
            keys.append((KeyPicture(ticks, round_ns((ticks - origin) * base), frames, ticks), decoded))
        frames, last = frames + 1, ticks
    if why or last is None:
        return _whole(container, stream, why or NO_ENTRY)
    landed = (_landing(container, stream, key, decoded) for key, decoded in keys)
    usable = tuple(key for key in landed if key is not None)
    why = "" if usable else NO_ENTRY
    return VideoIndex(frames, round_ns((last - origin) * base), origin * base, base, usable, why)


def is_video(path: Path) -> bool:
    """Whether a file's content is moving pictures of which one can be decoded; its name does not matter."""
    try:
        container = open_container(resolve(path, 1.0), None)
    except SourceError:
        return False
    try:
        if container.format.name.endswith("_pipe") or container.format.name in _STILLS:
            return False
        stream = pick_video(container, path.name)
        return _first_picture(container, stream) is not None
    except (SourceError, FFmpegError):
        return False
    finally:
        container.close()


def claimed_frames(path: Path) -> int:
    """How many pictures the file's header promises; 0 if it cannot be read."""
    try:
        container = open_container(resolve(path, 1.0), None)
    except SourceError:
        return 0
    try:
        stream = pick_video(container, path.name)
        return stream.frames or round((duration_s(container, stream) or 0.0) * (nominal_rate(stream) or 25.0))
    except SourceError:
        return 0
    finally:
        container.close()


def _whole(container: InputContainer, stream: VideoStream, why: str) -> VideoIndex:
    length_s = duration_s(container, stream) or 0.0
    frames = stream.frames or round(length_s * (nominal_rate(stream) or 25.0))
    return VideoIndex(
        frames, round(length_s * 1e9), Fraction(0), stream.time_base or Fraction(1, 1000), (), why
    )


def _first_picture(container: InputContainer, stream: VideoStream) -> VideoFrame | None:
    """The first picture that really decodes; the time line starts there."""
    for count, packet in enumerate(packets(container, stream)):
        try:
            for picture in stream.decode(packet):
                return picture
        except FFmpegError:
            pass
        if count > _PROBE_PACKETS:
            break
    return None


def _in_order(container: InputContainer, stream: VideoStream) -> Iterator[tuple[int | None, int, bool]]:
    """What every picture's packet says, in the order of showing: stamp, decoding stamp, key flag.

    (None, ...) has no stamp.
    """
    waiting: list[tuple[int, int, bool]] = []
    for packet in packets(container, stream):
        if packet.size == 0 or packet.is_discard:
            continue
        if packet.pts is None:
            yield None, 0, packet.is_keyframe
            return
        decoded = packet.pts if packet.dts is None else packet.dts
        heapq.heappush(waiting, (packet.pts, decoded, bool(packet.is_keyframe)))
        if len(waiting) > REORDER:
            yield heapq.heappop(waiting)
    while waiting:
        yield heapq.heappop(waiting)


def _landing(
    container: InputContainer, stream: VideoStream, key: KeyPicture, decoded: int
) -> KeyPicture | None:
    """The key picture with the place that leads to it; None if there is none.

    Most containers are sought by the time of showing, transport streams by that of decoding.
    """
    for place in dict.fromkeys((key.ticks, decoded)):
        try:
            container.seek(place, stream=stream)
            packet = next(p for p in packets(container, stream) if p.size)
        except (FFmpegError, StopIteration):
            continue
        if packet.pts == key.ticks:
            return replace(key, place=place)
    return None
