"""A spotter that learnt nothing: how far brows and mouth moved against the rigid face, and for how long.

The baseline that every trained spotter has to beat. On the same registered faces as the classifier, dense
optical flow (Lucas and Kanade, two levels, iterated) leads from the face a moment ago to the face now. The
head's own motion is taken off, every region's course is low-passed, and a short hump that stands out of
what the region did around it is an event.

Source: the optical-flow feature method of the MEGC challenges (regions, nose centred again, its motion
taken off, low-pass, local prominence, limits at a third of the peak, regions merged, eyes left out), made
causal: a trailing reference instead of a chunk's first frame, running statistics instead of those of the
whole video. Two things differ: the low-pass (see ``SIGMA_S``), and a region's motion is the mean of all its
vectors, not of the strongest 25 %, with which fewer events of tuning people were found.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stream_mer.core.dense_flow import dense_flow
from stream_mer.core.memory import SIDE, grey64
from stream_mer.types import ArrayF32, ArrayF64, Event, FaceCrop

REFERENCE_NS = (250_000_000, 450_000_000)
"""The face is compared with its mean picture of so long ago."""
SIGMA_S = 0.013
"""Of the Gaussian low-pass (linear phase): 10 Hz at -3 dB. A pulse of 0.1 s has half its energy above the
5 Hz of the method, which looks for events of 0.35 s and more."""
LENGTHS_S = (0.06, 0.10, 0.15, 0.20)
"""A hump stands out of the middle of the places where the region is half of one of these before and after."""
BACK = 0.5
"""What the region did not come back counts against it, with this weight."""
AROUND_S = (0.8, 0.15)
"""Prominence is judged by what is usual for the region so long before and after, the hump left out."""
PEAK_S = 0.2
"""No stronger hump lies this near."""
KNOWN_S = 0.5
"""What is usual for a region is not known before it was watched for so long."""
SUPPORT = 0.5
"""Weight of the other regions' strength (squared): a face seldom moves in one place only."""
DELAY_NS = 450_000_000
"""A hump is decided this long after its apex: what the prominence of every place within ``PEAK_S`` needs."""
FOOT = 0.33
"""Onset and offset lie where the motion has fallen to this share of the peak."""
LONGEST_NS = 260_000_000
"""Longer humps are no micro-expressions; those up to here are clipped to the longest allowed."""
WINDOW_NS = 1_600_000_000
"""What is remembered of a face: what is usual before an apex, the delay, and room."""
ENOUGH = 10
"""Frames from which on anything is looked for."""
_FLOOR_PX = 0.02
"""Added to what is usual (pixels of the 64 px face): finer motion is noise."""


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
RIGID = _box(54, 48, 74, 76) | _box(28, 60, 44, 72) | _box(84, 60, 100, 72)
"""Nose and cheekbones: what moves there is the head."""
_SHARES = np.stack([mask.ravel() / mask.sum() for mask in REGIONS.values()]).astype(np.float32)


def region_motion(reference: ArrayF32, grey: ArrayF32) -> ArrayF32:
    """``(regions, 2)`` px of the 64 px face by which each region moved against the rigid skin.

    Args:
        reference: ``(64, 64)`` grey face of before.
        grey: ``(64, 64)`` grey face of now.
    """
    flow = dense_flow(reference, grey, RIGID)
    flow = flow - np.median(flow[:, RIGID], 1)[:, None, None]
    moved: ArrayF32 = _SHARES @ flow.reshape(2, -1).T
    return moved


def low_passed(times: ArrayF64, course: ArrayF64) -> ArrayF64:
    """The course ``(frames, ...)`` at ``times`` (seconds), smoothed without delay by ``SIGMA_S``."""
    apart = times[:, None] - times
    weights = np.exp(-0.5 * (apart / SIGMA_S) ** 2) * (np.abs(apart) <= 3 * SIGMA_S)
    smooth: ArrayF64 = np.tensordot(weights / weights.sum(1, keepdims=True), course, 1)
    return smooth


def _at(times: ArrayF64, course: ArrayF64, when: ArrayF64) -> ArrayF64:
    """The course between frames."""
    when = np.clip(when, times[0], times[-1])
    i = np.clip(np.searchsorted(times, when), 1, len(times) - 1)
    share = ((when - times[i - 1]) / (times[i] - times[i - 1]))[:, None, None]
    between: ArrayF64 = course[i - 1] * (1 - share) + course[i] * share
    return between


def prominence(times: ArrayF64, course: ArrayF64) -> tuple[ArrayF64, ArrayF64, ArrayF64]:
    """How far every frame's motion stands out, in units of what is usual around it, per supposed length.

    Args:
        times: ``(frames,)`` seconds, rising.
        course: ``(frames, regions, 2)`` low-passed motion, px.

    Returns:
        ``(lengths, frames, regions)`` prominence; ``(lengths, frames, regions, 2)`` rise above the middle
        of before and after; that middle, of the same shape.
    """
    step, apart = float(np.median(np.diff(times))), times - times[:, None]
    near = (apart >= -AROUND_S[0]) & (apart <= AROUND_S[1])
    stands, rises, middles = [], [], []
    for length in LENGTHS_S:
        half = max(length / 2, step)
        before, after = _at(times, course, times - half), _at(times, course, times + half)
        middle = 0.5 * (before + after)
        rise = course - middle
        size = np.hypot(rise[..., 0], rise[..., 1])
        gap = np.hypot(*np.moveaxis(after - before, -1, 0))
        around = near & (np.abs(apart) > 2 * half)
        usual = np.sqrt(around @ size**2 / np.maximum(around.sum(1), 1)[:, None])
        stands.append((size - BACK * gap) / (_FLOOR_PX + usual))
        rises.append(rise)
        middles.append(middle)
    return np.maximum(stands, 0.0), np.array(rises), np.array(middles)


@dataclass(slots=True)
class _Lane:
    """One stretch of one face."""

    stretch: tuple[int, int, bool]
    greys: deque[tuple[int, ArrayF32]] = field(default_factory=deque)
    times: deque[int] = field(default_factory=deque)
    motion: deque[ArrayF32] = field(default_factory=deque)
    decided: int = -1
    last_end: int = -1


@dataclass(slots=True)
class FlowSpotter:
    """Turns the crops of all tracks into candidates; prominence becomes a 'probability'.

    ``p = z / (z + 2)`` for a hump ``z`` times as high as usual, all regions joined, so that one threshold
    orders them. The class is always the same: this method cannot tell.
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
            lane.motion.append(region_motion(np.mean(before, axis=0, dtype=np.float32), grey))
        while lane.times and now - lane.times[0] > WINDOW_NS:
            lane.times.popleft()
            lane.motion.popleft()

    def _peaks(self, lane: _Lane, crop: FaceCrop) -> list[Event]:
        """The humps whose apexes have become ``DELAY_NS`` old with this frame."""
        if len(lane.times) < ENOUGH:
            return []
        times = np.array(lane.times)
        due = np.flatnonzero((times > lane.decided) & (times <= times[-1] - DELAY_NS))
        if not len(due):
            return []
        lane.decided = int(times[due[-1]])
        seconds = (times - times[0]) / 1e9
        course = low_passed(seconds, np.array(lane.motion, np.float64))
        stands, rises, middles = prominence(seconds, course)
        best = stands.max((0, 2))
        events = []
        for apex in due:
            near = np.abs(seconds - seconds[apex]) <= PEAK_S
            if seconds[apex] < KNOWN_S or not 0 < best[apex] >= best[near].max():
                continue
            length, region = np.unravel_index(stands[:, apex].argmax(), stands[:, apex].shape)
            others = float((stands[:, apex].max(0) ** 2).sum()) - best[apex] ** 2
            z = float(np.sqrt(best[apex] ** 2 + SUPPORT * others))
            up = rises[length, apex, region] / np.linalg.norm(rises[length, apex, region])
            along, low = course[:, region] @ up, float(middles[length, apex, region] @ up)
            onset, offset = _limits(times, along, int(apex), low + FOOT * float(along[apex] - low))
            if offset - onset <= LONGEST_NS and int(times[apex]) > lane.last_end:
                events.append(self._event(crop, onset, int(times[apex]), offset, z / (z + 2)))
                lane.last_end = events[-1].offset_ns
        return events

    def _event(self, crop: FaceCrop, onset: int, apex: int, offset: int, p: float) -> Event:
        excess = (offset - onset) - min(max(offset - onset, self.min_ns), self.max_ns)
        onset, offset = onset + excess // 2, offset - (excess - excess // 2)
        onset = max(0, min(onset, apex))  # clipping may have passed the apex of a skewed hump
        return Event(
            "", self.source, crop.epoch, crop.track.track_id, onset, apex, max(offset, apex + 1),
            self.label, p, (0.0, 0.0, 0.0, 0.0, p), crop.track.face_px, crop.sr,
        )  # fmt: skip


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
