"""Finds the packets that show a stretch of a recording, as the camera made them, in files of any kind."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from pathlib import Path

from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from stream_mer.capture.address import resolve
from stream_mer.capture.container import open_container, packets, pick_video
from stream_mer.capture.index import VideoIndex
from stream_mer.capture.pyav import GIVE_UP_AFTER, PyAvSource

Span = tuple[int, int]
"""A stretch of a recording, ns, as the run's times are."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Which packets of the video show a stretch, from a key picture on.

    Read from ``place`` (None: from the start) without the first ``skip``: up to ``take`` packets if that is
    said, else those decoded up to ``end``. Places and ends are in the stream's ticks.
    """

    place: int | None
    skip: int = 0
    take: int | None = None
    end: int | None = None


def excerpts(path: Path, index: VideoIndex, spans: Sequence[Span]) -> list[Excerpt]:
    """Where these stretches lie in a file; one that cannot be entered is decoded once for all of them.

    Args:
        path: the file.
        index: of it.
        spans: beginning and end of each stretch; a stretch may come out longer at its beginning.

    Raises:
        SourceError: it cannot be read any more.
    """
    if not spans:
        return []
    if not index.keys:
        return _counted(path, spans)
    found = []
    for begin_ns, end_ns in spans:
        keys = [key for key in index.keys if key.pts_ns <= begin_ns]
        end = floor((index.origin_s + Fraction(end_ns, 10**9)) / index.time_base)
        found.append(Excerpt(keys[-1].place if keys else None, end=end))
    return found


def read_excerpt(container: InputContainer, stream: VideoStream, part: Excerpt) -> Iterator[Packet[Stream]]:
    """The packets themselves; where the file is damaged, as many of them as can be read."""
    if part.place is not None:
        container.seek(part.place, stream=stream)
    number, failures = -1, 0
    while failures < GIVE_UP_AFTER:
        try:
            for packet in packets(container, stream):
                failures = 0
                if packet.size == 0:
                    continue
                number += 1
                if number < part.skip:
                    continue
                late = part.end is not None and packet.dts is not None and packet.dts > part.end
                if late or (part.take is not None and number >= part.skip + part.take):
                    return
                yield packet
            return
        except FFmpegError:
            failures += 1


def _counted(path: Path, spans: Sequence[Span]) -> list[Excerpt]:
    """By the number of packets that had been read when a picture came out of the decoder."""
    times, counts = [], []
    source = PyAvSource(path, digest="known")
    try:
        for frame in source:
            times.append(frame.pts_ns)
            counts.append(source.packets)
    finally:
        source.close()
    keys = _key_numbers(path)
    found = []
    for begin_ns, end_ns in spans:
        before, after = bisect_right(times, begin_ns) - 1, bisect_right(times, end_ns)
        last = counts[min(after, len(counts) - 1)]
        # The decoder holds some pictures back: the newest key picture it has read may be shown later.
        nearest = bisect_right(keys, counts[max(before, 0)] - 1) - 2
        skip = keys[nearest] if nearest >= 0 else 0
        found.append(Excerpt(None, skip=skip, take=last - skip))
    return found


def _key_numbers(path: Path) -> list[int]:
    opening = resolve(path, 1.0)
    container = open_container(opening, None)
    try:
        stream = pick_video(container, opening.name)
        everything = read_excerpt(container, stream, Excerpt(None))
        return [number for number, packet in enumerate(everything) if packet.is_keyframe]
    finally:
        container.close()
