"""Lays windows over a face's pictures, in seconds, and decides which may be classified.

A window is a hypothesis: 'a micro-expression of this length has its apex here'. It shows the
classifier the face just before, at and just after. Hypothesised lengths form a geometric ladder over
the band of durations asked for; lengths that the source's frame rate cannot show are left out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import ceil, inf, log, sqrt

import numpy as np

from stream_mer.core.window_pictures import REFERENCE_NS, lay_window
from stream_mer.types import FaceCrop, Window

LOOK_AHEAD_NS = REFERENCE_NS
"""An event can be judged so long after its offset, when the last picture of its window has come."""
LADDER_RATIO = 1.6
"""Widest allowed step of the duration ladder: any event then has IoU >= 1/sqrt(1.6) = 0.79 with a rung."""
FRAMES_PER_EVENT = 3
"""Fewest frames that tell an event from a one-frame glitch, so fps >= 3 / duration."""
NEARLY = 1.04
"""A camera that says 15 fps may give 14.5: three of its frames last this much longer than they should."""
NUDGED_NS = 2_000_000
"""Frames closer than this had the same time stamp (no camera here gives 500 fps)."""
HISTORY = 31
"""Frame distances whose median is the usual one."""


def duration_ladder(min_s: float, max_s: float) -> tuple[int, ...]:
    """Hypothesised event lengths in ns that cover ``[min_s, max_s]``, shortest first.

    >>> [round(d / 1e6) for d in duration_ladder(0.04, 0.2)]
    [49, 73, 109, 164]
    """
    if not 0 < min_s <= max_s:
        raise ValueError(f"durations must be 0 < min <= max, got {min_s}, {max_s}")
    rungs = max(1, ceil(log(max_s / min_s) / log(LADDER_RATIO)))
    ratio = (max_s / min_s) ** (1 / rungs)
    return tuple(round(1e9 * min_s * ratio ** (k + 0.5)) for k in range(rungs))


def observable_rungs(ladder: tuple[int, ...], usual_ns: float, longest_ns: float = inf) -> tuple[int, ...]:
    """The hypothesised lengths that a source can show whose frames lie ``usual_ns`` apart.

    A rung also stands for events up to half a step longer, and is tried if the longest of them shows in
    three frames: 0.2 s at 15 fps, for which the rung is 0.164 s. ``longest_ns`` is the longest event looked
    for: none is, where three frames last longer.
    """
    three = FRAMES_PER_EVENT * usual_ns
    return tuple(d for d in ladder if min(sqrt(LADDER_RATIO) * d, NEARLY * longest_ns) >= three)


def usual_distance_ns(distances_ns: Iterable[int]) -> float:
    """Median distance between frames, ns; stamps that had to be told apart by a nudge do not count."""
    real = [d for d in distances_ns if d > NUDGED_NS]
    return float(np.median(real)) if real else 0.0


@dataclass(slots=True)
class _Lane:
    """What is remembered of one track."""

    segment: int
    epoch: int
    sr: bool
    crops: deque[FaceCrop] = field(default_factory=deque)
    next_centre: dict[int, int] = field(default_factory=dict)
    distances: deque[int] = field(default_factory=lambda: deque(maxlen=HISTORY))


@dataclass(slots=True)
class Windower:
    """Turns the crops of each track into windows, in time order, as soon as their pictures exist.

    A window never spans a gap, two segments or two epochs, and never mixes super-resolved with native
    pictures, whose different sharpness would look like motion. Lengths that the frame rate cannot show
    are not tried.

    Args:
        durations_ns: lengths to hypothesise (``duration_ladder``).
        reference_ns: reach of the neutral pictures; the look-ahead after an event's offset.
        longest_ns: longest event looked for.
    """

    durations_ns: tuple[int, ...]
    reference_ns: int = REFERENCE_NS
    longest_ns: float = inf
    _lanes: dict[int, _Lane] = field(default_factory=dict)

    def push(self, crops: Iterable[FaceCrop]) -> list[Window]:
        """Take the crops of one frame (each with its ``picture``); give the windows that are complete."""
        windows: list[Window] = []
        for crop in crops:
            lane = self._lane_for(crop)
            if lane.crops:
                lane.distances.append(crop.pts_ns - lane.crops[-1].pts_ns)
            lane.crops.append(crop)
            windows.extend(self._complete(lane))
            self._forget(lane)
        self._drop_stale(crops)
        return windows

    def _lane_for(self, crop: FaceCrop) -> _Lane:
        track = crop.track
        lane = self._lanes.get(track.track_id)
        if lane is None or (lane.segment, lane.epoch, lane.sr) != (track.segment, crop.epoch, crop.sr):
            distances = lane.distances if lane is not None else deque(maxlen=HISTORY)
            lane = _Lane(track.segment, crop.epoch, crop.sr, distances=distances)
            self._lanes[track.track_id] = lane
        return lane

    def _complete(self, lane: _Lane) -> Iterator[Window]:
        if len(lane.crops) < FRAMES_PER_EVENT:
            return
        pts = np.fromiter((c.pts_ns for c in lane.crops), np.int64, len(lane.crops))
        usual = usual_distance_ns(lane.distances)
        now = int(pts[-1])
        for duration in observable_rungs(self.durations_ns, usual, self.longest_ns) if usual else ():
            reach = duration // 2 + self.reference_ns
            stride = max(duration // 4, 1)
            start = lane.next_centre.get(duration, 0)
            for centre in pts[(pts >= start) & (pts + reach <= now + usual / 2)]:
                lane.next_centre[duration] = int(centre) + stride
                window = lay_window(lane.crops, pts, int(centre), duration, usual, self.reference_ns)
                if window is not None:
                    yield window

    def _forget(self, lane: _Lane) -> None:
        reach = 2 * (max(self.durations_ns) // 2 + self.reference_ns) + self.reference_ns
        while lane.crops and lane.crops[-1].pts_ns - lane.crops[0].pts_ns > reach:
            lane.crops.popleft()

    def _drop_stale(self, crops: Iterable[FaceCrop]) -> None:
        now = max((c.pts_ns for c in crops), default=None)
        if now is None:
            return
        for track_id in [k for k, lane in self._lanes.items() if now - lane.crops[-1].pts_ns > 5 * 10**9]:
            del self._lanes[track_id]
