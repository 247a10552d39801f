"""A spotter that learnt nothing: how far brows and mouth moved against the nose, and for how long.

The baseline that every trained spotter has to beat. On the same registered faces as the classifier, the
motion of each region against the face a moment ago is measured by Lucas and Kanade's method, the rigid
skin's motion is taken off, and a short, prominent hump of it is an event.

Source: the optical-flow feature method of the MEGC challenges (regions, nose motion taken off, peak
prominence, limits at a third of the peak), made causal: a trailing reference instead of a chunk's first
frame, running median and deviation instead of statistics of the whole video.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stream_mer.core.memory import SIDE, grey64
from stream_mer.types import ArrayF32, ArrayF64, Event, FaceCrop

REFERENCE_NS = (250_000_000, 450_000_000)
"""The face is compared with its mean picture of so long ago."""
MEMORY_NS = 12_000_000_000
PROMINENCE_NS = 300_000_000
"""A peak must stand out from the lowest motion this long before and after it."""
FOOT = 0.33
"""Onset and offset lie where the motion has fallen to this share of the peak."""
LONGEST_NS = 260_000_000
"""Longer humps are no micro-expressions; those up to here are clipped to the longest allowed."""
ENOUGH = 20
_FLOOR_PX = 0.02
"""Deviations are never judged finer than this (pixels of the 64 px face)."""


def _box(u0: float, v0: float, u1: float, v1: float) -> NDArray[np.bool_]:
    centre = (np.arange(SIDE) + 0.5) * (128 / SIDE)
    x, y = np.meshgrid(centre, centre)
    return np.asarray((x >= u0) & (x < u1) & (y >= v0) & (y < v1))


REGIONS: dict[str, NDArray[np.bool_]] = {
    "left outer brow": _box(24, 22, 40, 40),
    "left inner brow": _box(40, 22, 60, 42),
    "right inner brow": _box(68, 22, 88, 42),
    "right outer brow": _box(88, 22, 104, 40),
    "left nose wing": _box(46, 58, 58, 78),
    "right nose wing": _box(70, 58, 82, 78),
    "left mouth corner": _box(38, 80, 54, 98),
    "right mouth corner": _box(74, 80, 90, 98),
    "upper lip": _box(54, 76, 74, 88),
    "lower lip": _box(52, 90, 76, 106),
    "chin": _box(50, 104, 78, 120),
}
"""Canonical crop; eyes are left out, which is how this family of methods meets blinks."""
RIGID = _box(58, 52, 70, 72) | _box(28, 60, 44, 72) | _box(84, 60, 100, 72)
"""Nose bridge and cheekbones: what moves there is the head."""
_MASKS = np.stack([mask.ravel() for mask in (*REGIONS.values(), RIGID)]).astype(np.float32)


def region_motion(reference: ArrayF32, grey: ArrayF32) -> ArrayF64:
    """``(regions,)`` px of the 64 px face by which each region moved against the rigid skin.

    Args:
        reference: ``(64, 64)`` grey face of before.
        grey: ``(64, 64)`` grey face of now.
    """
    mean = 0.5 * (reference + grey)
    dv, du = np.gradient(mean)
    dt = (grey - reference) - float((grey - reference).mean())
    products = np.stack([du * du, du * dv, dv * dv, du * dt, dv * dt]).reshape(5, -1)
    a, b, c, p, q = (_MASKS @ products.T).astype(np.float64).T
    a, c = a + 50.0, c + 50.0  # a region without texture is taken to stand still
    det = a * c - b * b
    flow = -np.stack([(c * p - b * q) / det, (a * q - b * p) / det], 1)
    moved: ArrayF64 = np.hypot(*(flow[:-1] - flow[-1]).T)
    return moved


@dataclass(slots=True)
class _Lane:
    """One stretch of one face."""

    stretch: tuple[int, int, bool]
    greys: deque[tuple[int, ArrayF32]] = field(default_factory=deque)
    times: deque[int] = field(default_factory=deque)
    motion: deque[ArrayF64] = field(default_factory=deque)
    last_end: int = -1


@dataclass(slots=True)
class FlowSpotter:
    """Turns the crops of all tracks into candidates; deviations above usual become a 'probability'.

    ``p = z / (z + 8)`` for a peak ``z`` robust deviations high, so that one threshold orders them. The
    class is always the same: this method cannot tell.
    """

    source: str
    min_ns: int
    max_ns: int
    label: str = "others"
    _lanes: dict[int, _Lane] = field(default_factory=dict)

    def push(self, crops: Sequence[FaceCrop]) -> list[Event]:
        """Take one frame's crops, each with its picture; give the events decided with it."""
        events: list[Event] = []
        for crop in crops:
            if crop.picture is None:
                raise ValueError("a crop without picture cannot be measured")
            stretch = (crop.track.segment, crop.epoch, crop.sr)
            lane = self._lanes.get(crop.track.track_id)
            if lane is None or lane.stretch != stretch:
                lane = self._lanes[crop.track.track_id] = _Lane(stretch)
            self._measure(lane, crop.pts_ns, grey64(crop.picture))
            events += self._peaks(lane, crop)
        return events

    def _measure(self, lane: _Lane, now: int, grey: ArrayF32) -> None:
        lane.greys.append((now, grey))
        while now - lane.greys[0][0] > REFERENCE_NS[1]:
            lane.greys.popleft()
        before = [g for t, g in lane.greys if now - t >= REFERENCE_NS[0]]
        if before:
            lane.times.append(now)
            lane.motion.append(region_motion(np.mean(before, axis=0), grey))
        while lane.times and now - lane.times[0] > MEMORY_NS:
            lane.times.popleft()
            lane.motion.popleft()

    def _peaks(self, lane: _Lane, crop: FaceCrop) -> list[Event]:
        """The hump whose apex is now ``PROMINENCE_NS`` old, if there is one."""
        if len(lane.times) < ENOUGH:
            return []
        times, motion = np.array(lane.times), np.array(lane.motion)
        apex = int(np.searchsorted(times, times[-1] - PROMINENCE_NS))
        if apex in (0, len(times) - 1) or times[apex] <= lane.last_end:
            return []
        near = np.abs(times - times[apex]) <= PROMINENCE_NS
        middle = np.median(motion, axis=0)
        spread = np.maximum(1.4826 * np.median(np.abs(motion - middle), axis=0), _FLOOR_PX)
        left, right = near & (times < times[apex]), near & (times > times[apex])
        if not left.any() or not right.any():
            return []
        low = np.maximum(motion[left].min(0), motion[right].min(0))
        deviation = np.where(
            motion[apex] >= motion[near].max(0), (motion[apex] - np.maximum(low, middle)) / spread, 0.0
        )
        region = int(deviation.argmax())
        z = float(deviation[region])
        if z <= 1:
            return []
        wanted = low[region] + FOOT * (motion[apex, region] - low[region])
        onset, offset = _limits(times, motion[:, region], apex, float(wanted))
        if offset - onset > LONGEST_NS:
            return []
        excess = (offset - onset) - min(max(offset - onset, self.min_ns), self.max_ns)
        onset, offset = onset + excess // 2, offset - (excess - excess // 2)
        onset = max(0, min(onset, int(times[apex])))  # clipping may have passed the apex of a skewed hump
        lane.last_end = offset
        p = z / (z + 8)
        return [
            Event(
                "", self.source, crop.epoch, crop.track.track_id, onset, int(times[apex]),
                max(offset, int(times[apex]) + 1), self.label, p, (0.0, 0.0, 0.0, 0.0, p),
                crop.track.face_px, crop.sr,
            )
        ]  # fmt: skip


def _limits(times: NDArray[np.int64], course: ArrayF64, apex: int, wanted: float) -> tuple[int, int]:
    """Where the course falls to ``wanted`` on either side of the apex, between frames."""
    ends = []
    for step in (-1, 1):
        i = apex
        while 0 <= i + step < len(course) and course[i] > wanted:
            i += step
        inner, outer = i - step, i
        if course[inner] > course[outer]:
            share = min(1.0, (course[inner] - wanted) / (course[inner] - course[outer]))
        else:
            share = 0.0
        ends.append(round(times[inner] + share * (times[outer] - times[inner])))
    return min(ends[0], int(times[apex])), max(ends[1], int(times[apex]) + 1)
