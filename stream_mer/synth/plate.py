"""Action units as points that move and points that stay, with the skin between them bent like a thin plate.

What the generator's test version does. Training versions say how far a movement reaches (``action_units.py``)
or which muscle pulls where (``muscles.py``); here only single points of the mesh are told where to go, most
of the others hold still, and the smoothest field through both follows from that.

Source: thin-plate splines, Bookstein, "Principal warps", IEEE PAMI 11(6), 1989; what moves where: Facial
Action Coding System (Ekman, Friesen, Hager 2002). How far points go relative to each other is estimated, but
for unit 12: there lips and cheeks move as in the mean of 70 people who smile (``measured.py``; Face Research
Lab London Set, DeBruine & Jones 2017, CC BY 4.0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stream_mer.synth.landmarks import BROW, EYE_CORNERS, EYE_POINTS, LOWER_LID
from stream_mer.types import ArrayF64


@dataclass(frozen=True, slots=True)
class Handle:
    """Mesh points that move along ``(out, down)``, ``out`` pointing away from the middle of the face.

    ``left`` are the same points on the other side; none: the points lie on the middle line.
    """

    right: tuple[int, ...]
    left: tuple[int, ...]
    out: float
    down: float


_MIDDLE: tuple[int, ...] = ()

HANDLES: dict[str, tuple[Handle, ...]] = {
    "1": (
        Handle((107, 66, 55, 65), (336, 296, 285, 295), 0.0, -1.0),
        Handle((105, 52), (334, 282), 0.0, -0.45),
    ),
    "2": (
        Handle((70, 46, 63, 53), (300, 276, 293, 283), 0.05, -1.0),
        Handle((105, 52), (334, 282), 0.0, -0.6),
    ),
    "4": (
        Handle((55, 107), (285, 336), -0.55, 0.75),
        Handle((65, 66), (295, 296), -0.4, 0.7),
        Handle((52, 105), (282, 334), -0.2, 0.5),
        Handle((9, 8), _MIDDLE, 0.0, 0.45),
    ),
    "5": (Handle((159, 158, 160), (386, 385, 387), 0.0, -1.0),),
    "6": (
        Handle((117, 118, 119, 50, 101), (346, 347, 348, 280, 330), 0.0, -1.0),
        Handle((23, 24, 110), (253, 254, 339), 0.0, -0.6),
        Handle((143, 35), (372, 265), -0.5, -0.2),
    ),
    "7": (
        Handle((145, 153, 144), (374, 380, 373), 0.0, -0.6),
        Handle((23, 22, 24), (253, 252, 254), 0.0, -0.3),
        Handle((159, 158, 160), (386, 385, 387), 0.0, 0.25),
    ),
    "9": (
        Handle((129, 49, 198, 131), (358, 279, 420, 360), 0.05, -1.0),
        Handle((36, 142, 203), (266, 371, 423), 0.0, -0.7),
        Handle((55, 107), (285, 336), -0.2, 0.5),
        Handle((37, 39), (267, 269), 0.0, -0.4),
    ),
    "10": (
        Handle((37, 39, 40), (267, 269, 270), 0.0, -1.0),
        Handle((0, 164), _MIDDLE, 0.0, -0.6),
        Handle((203, 206), (423, 426), 0.1, -0.6),
    ),
    "12": (
        Handle((61,), (291,), 0.57, -0.65),
        Handle((185, 57, 40), (409, 287, 270), 0.42, -0.62),
        Handle((146, 91), (375, 321), 0.4, -0.34),
        Handle((205, 207, 50), (425, 427, 280), 0.25, -0.33),
    ),
    "14": (
        Handle((61, 185, 146), (291, 409, 375), 1.0, 0.05),
        Handle((40, 91), (270, 321), 0.4, 0.0),
        Handle((212, 214), (432, 434), -0.4, 0.0),
    ),
    "15": (
        Handle((61, 146, 57), (291, 375, 287), 0.15, 1.0),
        Handle((185, 91), (409, 321), 0.05, 0.5),
        Handle((43, 106), (273, 335), 0.1, 0.6),
    ),
    "17": (
        Handle((199, 175, 200, 18), _MIDDLE, 0.0, -1.0),
        Handle((17,), _MIDDLE, 0.0, -0.75),
        Handle((208, 201, 181), (428, 421, 405), 0.0, -0.6),
    ),
}
HOLD = 0.13
"""Points at least so far from all that move stay where they are, face widths."""
HOLD_LIDS = 0.06
"""The same for units of the lids."""
GIVE = 1e-4
"""Smoothing of the spline: it misses its points by a few hundredths of the movement and bends less."""
_BROWS = [i for side in "RL" for i in BROW[side]]
_CORNERS = [i for side in "RL" for i in EYE_CORNERS[side]]
_LOWER_LIDS = [i for side in "RL" for i in LOWER_LID[side]]
STILL: dict[str, list[int]] = {
    "5": [*_BROWS, *_LOWER_LIDS],
    "6": _CORNERS,
    "7": [*_BROWS, *_CORNERS],
}
"""What stays however near it is; for all other units every point of the eyes."""


def still(unit: str) -> list[int]:
    """The points that stay where they are whatever moves beside them."""
    return STILL.get(unit, list(EYE_POINTS))


def bend(points: ArrayF64, moved: Sequence[int], to: ArrayF64, hold: float, still: Sequence[int]) -> ArrayF64:
    """How all points of a face move when some are moved.

    Args:
        points: ``(N, 2)`` mesh in the face's axes, face widths.
        moved: ``M`` numbers of the points that move.
        to: ``(M, 2)`` their displacements.
        hold: points at least so far from all of these stay, face widths.
        still: numbers of points that stay, too.

    Returns:
        ``(N, 2)`` displacements of the thin plate through all of these.
    """
    handles = points[list(moved)]
    stays = np.linalg.norm(points[:, None] - handles, axis=2).min(1) >= hold
    stays[list(still)] = True
    stays[list(moved)] = False
    knots = np.concatenate([handles, points[stays]])
    values = np.concatenate([to, np.zeros((int(stays.sum()), 2))])
    count = len(knots)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _plate(knots, knots) + GIVE * np.eye(count)
    system[:count, count:] = np.column_stack([np.ones(count), knots])
    system[count:, :count] = system[:count, count:].T
    weights = np.linalg.solve(system, np.concatenate([values, np.zeros((3, 2))]))
    bent: ArrayF64 = _plate(points, knots) @ weights[:count]
    bent += np.column_stack([np.ones(len(points)), points]) @ weights[count:]
    return bent


def _plate(points: ArrayF64, knots: ArrayF64) -> ArrayF64:
    """``r^2 log r`` between every point and every knot."""
    r2 = ((points[:, None] - knots) ** 2).sum(2)
    out: ArrayF64 = 0.5 * r2 * np.log(np.maximum(r2, 1e-12))
    return out
