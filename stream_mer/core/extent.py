"""Measures when an event began and ended, from the pictures themselves.

The classifier says that something happened around a time; its probability hardly depends on the length
supposed. But motions this small change every pixel in proportion to the displacement, so the share of
the event's change that each picture shows *is* the course of the motion. Pulses of many lengths and places
are laid over that course, and the limits are the mean of theirs, each weighted by how well it explains the
course and by how near it is to what the classifier supposed: where noise drowns the course, that remains.

The constants were chosen on 274 events of clips (30 to 200 fps, test version) of six people set aside from
training, ``MANY`` also on real video. The mean IoU with the truth is .85 (of what was supposed: .73), of 223
events of the other seven people .85, of 156 events with the pulses of training .88; one in a hundred has
IoU < 0.5. In real video (98 events, 25-30 fps) it is .77. Of the .85, .81 would be left with every picture's
own noise in its course, .82 without taking out what moves or lights the whole face, .83 with all around it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stream_mer.core.memory import FaceMemory
from stream_mer.core.signals import FACE
from stream_mer.core.spotting import EARLIEST_NS
from stream_mer.types import ArrayF32, ArrayF64, Event

REST_NS = 100_000_000
"""Pictures this long before and after the supposed event are looked at: what else moves is seldom nearer."""
LENGTHS = np.geomspace(0.4, 2.5, 13)
"""Lengths that are tried, in supposed lengths."""
SHIFTS = np.linspace(-0.75, 0.75, 25)
"""How far from the supposed middle others are tried, in supposed lengths."""
RISES = (0.25, 0.33, 0.4, 0.5)
"""Shares of an event that its rise may take: onsets are faster than offsets or as fast (CASME II, SAMM)."""
BOWS = (0.7, 1.0, 1.5)
"""Pulses rise and fall as these powers of the time: bulging, straight and hollow ones."""
SPREAD = 0.3
"""Standard deviation of the logarithm of true over supposed length, ..."""
OFF = 0.25
"""... and of the distance between the middles, in supposed lengths."""
TRUST = 0.5
"""A picture counts as this much of an independent one: what disturbs it also disturbs its neighbours."""
FEWEST = 5
"""Fewer pictures have no course."""
MANY = 15
"""From so many on, pictures are weighted so that what changes along a parabola cancels, such as a turning
head, which would look like a long event. Of fewer (30 fps) it takes too much of the event itself."""
ROUNDING = 1 / 48
"""Variance, in grey levels squared, that whole levels leave in the mean of four pixels."""


@dataclass(slots=True)
class Extents:
    """Refines the limits of events from the remembered pictures.

    Args:
        memory: the faces.
        min_ns: shortest event reported.
        max_ns: longest event reported.
    """

    memory: FaceMemory
    min_ns: int
    max_ns: int

    def refine(self, event: Event) -> Event:
        """The event with measured onset, apex and offset; as it is where they cannot be measured."""
        before, after = event.apex_ns - event.onset_ns + REST_NS, event.offset_ns - event.apex_ns + REST_NS
        near = self.memory.around(event.track_id, event.apex_ns, before, after)
        times = np.array([g.pts_ns for g in near], np.float64)
        band = self.min_ns, min(self.max_ns, self.memory.now_ns)
        measured = measure_extent(times, [g.grey for g in near], event.onset_ns, event.offset_ns, band)
        if measured is None:
            return event
        onset, apex, offset = measured
        # Moved whole, so that it stays in the band: not beyond what was seen, reported in time, not before 0.
        early = max(0, offset - self.memory.now_ns)
        late = max(0, event.offset_ns - EARLIEST_NS - (offset - early), early - onset)
        onset, apex, offset = (t + late - early for t in (onset, apex, offset))
        return replace(event, onset_ns=onset, apex_ns=apex, offset_ns=offset)


def measure_extent(
    times_ns: ArrayF64, pictures: list[ArrayF32], onset_ns: int, offset_ns: int, band_ns: tuple[int, int]
) -> tuple[int, int, int] | None:
    """Onset, apex and offset of the motion near the supposed event; None if there is no course.

    Args:
        times_ns: ``(T,)`` rising times.
        pictures: ``T`` aligned grey faces, ``(64, 64)``.
        onset_ns: supposed.
        offset_ns: supposed.
        band_ns: shortest and longest event.
    """
    length = offset_ns - onset_ns
    way = (times_ns - onset_ns) / length
    course = motion_course(way, pictures)
    if course is None:
        return None
    shortest, longest = (b / length for b in band_ns)
    tried = np.meshgrid(np.unique(np.clip(LENGTHS, shortest, longest)), SHIFTS, RISES, indexing="ij")
    lengths, shifts, rises = (t.ravel() for t in tried)
    onsets = 0.5 + shifts - 0.5 * lengths
    apexes, offsets = onsets + rises * lengths, onsets + lengths
    up = (way - onsets[:, None]) / (apexes - onsets)[:, None]
    down = (offsets[:, None] - way) / (offsets - apexes)[:, None]
    height = np.clip(np.minimum(up, down), 0, 1)
    near = -0.5 * ((np.log(lengths) / SPREAD) ** 2 + (shifts / OFF) ** 2)
    course = _without_trend(course, way, 1)
    left = [_unexplained(course, _without_trend(height**bow, way, 1)) for bow in BOWS]
    likely = near - 0.5 * TRUST * len(way) * np.log(left)
    weight = np.exp(likely - likely.max()).sum(0)
    onset, rise, lasts = (
        round(length * float(np.average(x, weights=weight))) for x in (onsets, apexes - onsets, lengths)
    )
    lasts = min(max(lasts, band_ns[0]), band_ns[1])  # against rounding
    return onset_ns + onset, onset_ns + onset + rise, onset_ns + onset + lasts


def motion_course(way: ArrayF64, pictures: list[ArrayF32]) -> ArrayF64 | None:
    """``(T,)`` how much of the event's change each picture shows, but for a factor and a straight line.

    None if nothing changes, or no picture shows the time before or after.

    Args:
        way: ``(T,)`` rising times, 0 at the supposed onset and 1 at the offset.
        pictures: ``T`` aligned grey faces, ``(64, 64)``.
    """
    rest = (way < 0) | (way > 1)
    if len(way) < FEWEST or not (way < 0).any() or not (way > 1).any():
        return None
    changes = _changes(np.stack(pictures), rest)
    # Each picture is compared with all others, weighted by how much of the event they are supposed to show.
    # Not with itself: its own noise would look like motion, and make a peak where the weight is largest.
    alike = (changes @ changes.T).astype(np.float64)
    np.fill_diagonal(alike, 0)
    degree = 2 if len(way) >= MANY else 1
    course = alike @ _without_trend(np.clip(1 - np.abs(2 * way - 1), 0, 1), way, degree)
    return course if course.any() else None


def _changes(pictures: ArrayF32, rest: NDArray[np.bool_]) -> ArrayF32:
    """``(T, P)`` by what the face's pixels differ from their mean, in units of their noise.

    What another brightness, a shift, a turn or a change of size of the whole face would do is taken out.
    """
    mean = pictures.mean(0)
    down, right = np.gradient(mean)
    y, x = np.mgrid[: mean.shape[0], : mean.shape[1]] - 0.5 * (mean.shape[0] - 1)
    whole = (mean, np.ones_like(mean), right, down, right * x + down * y, down * x - right * y)
    basis = np.linalg.qr(np.stack([w[FACE] for w in whole], 1))[0].astype(np.float32)
    changes = (pictures - mean)[:, FACE]
    changes -= (changes @ basis) @ basis.T
    noise = changes[rest].var(0) + ROUNDING
    scaled: ArrayF32 = changes / np.sqrt(noise + np.median(noise))
    return scaled


def _unexplained(course: ArrayF64, pulses: ArrayF64) -> ArrayF64:
    """``(K,)`` share of the course's square that each of ``(K, T)`` pulses leaves, lines taken out."""
    explained = np.maximum(pulses @ course, 0) ** 2 / np.maximum((pulses**2).sum(1), 1e-9)
    left: ArrayF64 = 1 - explained / max(float(course @ course), 1e-300)
    return np.maximum(left, 1e-6)


def _without_trend(values: ArrayF64, way: ArrayF64, degree: int) -> ArrayF64:
    """``(..., T)`` values less the polynomial in time that fits them best."""
    basis = np.linalg.qr(np.vander(way, degree + 1))[0]
    less: ArrayF64 = values - (values @ basis) @ basis.T
    return less
