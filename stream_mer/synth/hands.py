"""Hands that pass before a face: what a signer, a thinker or a drinker does, and no micro-expression.

A hand is drawn over finished frames, rendered ones and real ones alike, in the colour of the face's
own skin. It comes from below or from the side, lingers and moves, and leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stream_mer.synth.dense import drawn_line, filled_outline, stretched
from stream_mer.synth.landmarks import FaceAxes, face_axes
from stream_mer.synth.plan import stream
from stream_mer.synth.pulse import Version
from stream_mer.synth.schedule import GUARD_S
from stream_mer.types import ArrayF32, ArrayF64, ImageU8

LASTS_S = (0.35, 2.0)
"""Shortest and longest visit of a hand, s (log-uniform)."""
CHEEKS = (50, 280, 205, 425, 151)
"""Mesh points whose colour the hand takes: both cheeks twice, the forehead."""
SIDE_PX = 96
"""Side of the square in which a hand is drawn before it is placed."""


@dataclass(frozen=True, slots=True)
class HandVisit:
    """One hand before one face: ``[onset_s, offset_s)``, where it goes, how it looks.

    ``way`` ``(K, 2)`` are the places its middle passes through at even times, in face widths from the
    point between the eyes; ``shape`` ``(SIDE_PX, SIDE_PX)`` says where it is, ``shade`` how bright.
    ``size`` is the side of that square in face widths.
    """

    onset_s: float
    offset_s: float
    way: ArrayF64
    shape: ArrayF32
    shade: ArrayF32
    size: float

    def at(self, time_s: float) -> ArrayF64:
        """Where the middle is, ``(2,)`` face widths: a smooth curve through ``way``."""
        share = np.clip((time_s - self.onset_s) / (self.offset_s - self.onset_s), 0.0, 1.0)
        place = share * (len(self.way) - 1)
        left = min(int(place), len(self.way) - 2)
        t = place - left
        ease = t * t * (3 - 2 * t)
        where: ArrayF64 = (1 - ease) * self.way[left] + ease * self.way[left + 1]
        return where


def draw_hands(
    seed: int,
    duration_s: float,
    rate: float,
    *,
    avoid_s: Sequence[tuple[float, float]] = (),
    version: Version = "train",
) -> tuple[HandVisit, ...]:
    """Random visits in a clip of ``duration_s``, about ``rate`` a minute, one at a time.

    Args:
        seed: non-negative.
        duration_s: length of the clip, s.
        rate: visits a minute.
        avoid_s: stretches without a hand, e.g. events that must be seen: (start, end) in s.
        version: as for clips; the versions share no random number.
    """
    rng = stream(seed, 20, version)
    taken = [(a - GUARD_S, b + GUARD_S) for a, b in avoid_s]
    visits = []
    for _ in range(int(rng.poisson(rate * duration_s / 60.0))):
        length = float(np.exp(rng.uniform(*np.log(LASTS_S))))
        onset = float(rng.uniform(0.0, max(0.0, duration_s - length)))
        if any(onset < b and a < onset + length for a, b in taken):
            continue
        taken.append((onset, onset + length))
        shape, shade = _draw_hand(rng)
        visits.append(
            HandVisit(onset, onset + length, _draw_way(rng), shape, shade, float(rng.uniform(0.8, 1.9)))
        )
    return tuple(sorted(visits, key=lambda v: v.onset_s))


def cover(rgb: ImageU8, time_s: float, mesh: ArrayF64, visits: Sequence[HandVisit]) -> ImageU8:
    """The frame with whatever hand is there at ``time_s``.

    Args:
        rgb: ``(H, W, 3)`` uint8.
        time_s: from the beginning of the clip.
        mesh: ``(468, 2 or 3)`` face mesh in px of this frame; the hand goes by its position and size.
        visits: ``draw_hands``.

    Returns:
        ``rgb`` itself where there is no hand, else a new frame.
    """
    for visit in visits:
        if visit.onset_s <= time_s < visit.offset_s:
            rgb = _over(rgb, visit, visit.at(time_s), mesh)
    return rgb


def _over(rgb: ImageU8, visit: HandVisit, where: ArrayF64, mesh: ArrayF64) -> ImageU8:
    axes = face_axes(mesh)
    side = max(8, round(visit.size * axes.width))
    x0, y0 = (round(v - side / 2) for v in _place(axes, where))
    height, width = rgb.shape[:2]
    left, top, right, bottom = max(0, x0), max(0, y0), min(width, x0 + side), min(height, y0 + side)
    if right <= left or bottom <= top:
        return rgb
    rows, columns = slice(top - y0, bottom - y0), slice(left - x0, right - x0)
    share = np.clip(stretched(visit.shape, side, side)[rows, columns, None], 0, 1)
    shade = stretched(visit.shade, side, side)[rows, columns, None]
    out = rgb.copy()
    part = out[top:bottom, left:right]
    part[:] = np.clip(part + share * (shade * _skin(rgb, mesh) - part) + 0.5, 0, 255).astype(np.uint8)
    return out


def _place(axes: FaceAxes, where: ArrayF64) -> ArrayF64:
    """Face coordinates as picture px."""
    place: ArrayF64 = axes.centre + axes.width * (where[0] * axes.x + where[1] * axes.y)
    return place


def _skin(rgb: ImageU8, mesh: ArrayF64) -> ArrayF32:
    """The face's own colour, ``(3,)``: the median of a few places of bare skin."""
    height, width = rgb.shape[:2]
    x, y = (np.clip(mesh[list(CHEEKS), i].astype(int), 0, n - 1) for i, n in ((0, width), (1, height)))
    colour: ArrayF32 = np.median(rgb[y, x].astype(np.float32), axis=0)
    return colour


def _draw_way(rng: np.random.Generator) -> ArrayF64:
    """From outside to somewhere on the face, two to seven places there, and out again."""
    outside = np.array([[-1.5, 0.9], [-0.5, 2.2], [0.0, 2.3], [0.5, 2.2], [1.5, 0.9]])
    first, last = outside[rng.integers(len(outside), size=2)]
    goal = rng.uniform((-0.45, -0.1), (0.45, 0.95))
    stay = goal + rng.normal(0.0, float(rng.choice([0.02, 0.1, 0.25])), (int(rng.integers(2, 8)), 2))
    return np.concatenate([first[None], stay, last[None]])


def _draw_hand(rng: np.random.Generator) -> tuple[ArrayF32, ArrayF32]:
    """A palm with up to five fingers, pointing anywhere: where it is, and how bright."""
    middle, turn = SIDE_PX / 2, float(rng.uniform(-np.pi, np.pi))
    palm, angle = SIDE_PX * float(rng.uniform(0.16, 0.24)), np.linspace(0, 2 * np.pi, 24, endpoint=False)
    outline = middle + palm * np.stack([np.cos(angle), 1.15 * np.sin(angle)], -1)
    soft = float(rng.uniform(0.7, 2.0))
    shape = filled_outline(outline, SIDE_PX, SIDE_PX, soft)
    creases = np.zeros_like(shape)
    for number in range(int(rng.integers(0, 6))):
        along = turn + 0.35 * (number - 2) + float(rng.normal(0.0, 0.06))
        length, bend = palm * float(rng.uniform(0.6, 2.1)), float(rng.normal(0.0, 0.25))
        steps = np.linspace(0.5, 1.0, 5)[:, None]
        angles = along + bend * (steps - 0.5)
        finger = middle + (palm * 0.5 + length * (steps - 0.5) * 2) * np.concatenate(
            [np.cos(angles), np.sin(angles)], axis=1
        )
        thick = palm * float(rng.uniform(0.35, 0.5))
        shape = np.maximum(shape, np.clip(drawn_line(finger, SIDE_PX, SIDE_PX, thick, soft), 0, 1))
        creases = np.maximum(
            creases, drawn_line(finger + thick * 0.5, SIDE_PX, SIDE_PX, 1.0, 1.0) * (length > palm)
        )
    patches = stretched(rng.normal(0.0, 1.0, (5, 5)).astype(np.float32), SIDE_PX, SIDE_PX)
    bright = float(rng.uniform(0.75, 1.15))
    shade = bright * (1.0 + 0.07 * patches - 0.25 * creases)
    return shape.astype(np.float32), shade.astype(np.float32)
