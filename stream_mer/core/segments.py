"""Cuts a long recording into segments that are judged independently, and holds what each gave.

A segment *owns* the half-open time ``[start_ns, stop_ns)``. The pipeline is shown more than that: it
begins ``WARM_UP_NS`` earlier, so that faces are known when the owned time begins, and goes on a little
after it, so that every event of the owned time is decided. What a segment gives is therefore a function
of the file, the segment and the settings alone, whoever computes it, in whatever order, how often ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from stream_mer.types import Event, Rejection

WARM_UP_NS = 5_000_000_000
"""Shown before the owned time: a face is confirmed after 0.15 s, its crop settles within some seconds."""
TAIL_NS = 500_000_000
"""Shown after it, besides three longest events: window, look-ahead and the spotter's patience."""
SHORTEST = 0.5
"""A rest shorter than this part of a segment is added to the segment before."""

BoxTimes = dict[int, tuple[float, float, float, float]]
"""Where one face was: time in ns -> x0, y0, x1, y1 in frame px."""


@dataclass(frozen=True, slots=True)
class KeyPicture:
    """A picture that decoding can start with: stamp in the stream's ticks, time, pictures shown before it.

    ``place`` is what to seek to in order to get there, in ticks: its stamp, or when it is decoded.
    """

    ticks: int
    pts_ns: int
    rank: int
    place: int = 0


@dataclass(frozen=True, slots=True)
class Segment:
    """One piece of a file.

    ``key`` is where decoding starts (None: at the beginning), ``warm_ns`` the time of the first picture
    shown to the pipeline, ``until_ns`` the first one that is not (None: to the end). ``frames`` is how many
    pictures it owns, as far as the index tells.
    """

    index: int
    start_ns: int
    stop_ns: int | None
    warm_ns: int
    until_ns: int | None
    key: KeyPicture | None
    frames: int

    def owns(self, pts_ns: int) -> bool:
        """Whether this time belongs to the segment."""
        return self.start_ns <= pts_ns and (self.stop_ns is None or pts_ns < self.stop_ns)


def plan_segments(
    keys: Sequence[KeyPicture], frames: int, end_ns: int, segment_ns: int, longest_ns: int
) -> tuple[Segment, ...]:
    """The segments of a file: cut at key pictures, each about ``segment_ns`` long or a little more.

    Args:
        keys: pictures that decoding can start with, in time order.
        frames: pictures in the file.
        end_ns: time of the last picture.
        segment_ns: wanted length.
        longest_ns: longest event that is looked for.

    >>> keys = [KeyPicture(n, n * 10**9, n * 25) for n in range(100)]
    >>> [s.start_ns // 10**9 for s in plan_segments(keys, 2500, 100 * 10**9, 30 * 10**9, 2 * 10**8)]
    [0, 30, 60]
    """
    cuts: list[KeyPicture] = []
    last = 0
    for key in keys:
        if key.pts_ns - last >= segment_ns and end_ns - key.pts_ns >= SHORTEST * segment_ns:
            cuts.append(key)
            last = key.pts_ns
    segments = []
    tail_ns = TAIL_NS + 3 * longest_ns
    for index, begin in enumerate([None, *cuts]):
        end = cuts[index] if index < len(cuts) else None
        start_ns, rank = (begin.pts_ns, begin.rank) if begin else (0, 0)
        warm_ns = max(0, start_ns - WARM_UP_NS)
        usable = [key for key in keys if key.pts_ns <= warm_ns]
        segments.append(
            Segment(
                index=index,
                start_ns=start_ns,
                stop_ns=end.pts_ns if end else None,
                warm_ns=warm_ns,
                until_ns=end.pts_ns + tail_ns if end else None,
                key=usable[-1] if begin and usable else None,
                frames=(end.rank if end else frames) - rank,
            )
        )
    return tuple(segments)


@dataclass(slots=True)
class SegmentResult:
    """Everything a segment gave, with its own track ids (``core.stitch`` makes them the file's).

    ``events`` holds also those a little outside the owned time, which the merging needs at the borders.
    ``tracks`` are the faces seen in the owned time, in the order they came; ``entry`` and ``exit`` say
    where each face was in the last second before the owned time and in the last second of it.
    ``distances`` counts frame distances in bins of 1 ms: bin -> (count, sum in ns). ``stages`` holds per
    stage the number of durations and evenly spread quantiles of them, ns.
    """

    index: int
    frames: int = 0
    streamed_ns: int = 0
    gaps: int = 0
    compared: int = 0
    repeats: int = 0
    classified_ns: int = 0
    distances: dict[int, tuple[int, int]] = field(default_factory=dict)
    tracks: list[int] = field(default_factory=list)
    entry: dict[int, BoxTimes] = field(default_factory=dict)
    exit: dict[int, BoxTimes] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    losses: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    stages: dict[str, tuple[int, list[int]]] = field(default_factory=dict)
    first_result_s: float | None = None
    busy_s: float = 0.0
    fps_nominal: float | None = None
