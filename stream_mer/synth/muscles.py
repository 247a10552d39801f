"""Action units as muscles that shorten: the other of two descriptions by which training people move.

The table (``action_units.py``) pulls skin along the directions that FACS describes. Here it is drawn towards
where each muscle is fixed to the bone, or towards the middle of a ring of muscle: other directions, shapes
and reaches for the same unit, so that a network does not learn one description by heart.

Source: linear and sphincter muscles of Waters, "A muscle model for animating three-dimensional facial
expression", SIGGRAPH 1987; origins and insertions as in anatomy; which muscle makes which unit: Facial Action
Coding System (Ekman, Friesen, Hager 2002). Reaches and strengths are estimates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stream_mer.types import ArrayF64


@dataclass(frozen=True, slots=True)
class Muscle:
    """A fan of skin that moves towards the bone. Lengths in face widths.

    The muscle ends in the skin at ``right`` (mean of mesh points; ``left`` on the other side) and is fixed
    to the bone at ``(out, down)`` from there, ``out`` pointing away from the middle of the face. ``opening``
    is half the fan's angle, rad; ``reach`` how far skin beyond the end still follows; ``where`` limits it to
    part of the mesh.
    """

    right: tuple[int, ...]
    left: tuple[int, ...]
    out: float
    down: float
    size: float
    opening: float
    reach: float
    where: str


@dataclass(frozen=True, slots=True)
class Ring:
    """A ring of muscle around ``right`` (``left``): skin on it moves towards its middle.

    ``radii`` are half the ring's width and height, face widths. Its upper part counts ``upper`` times as much
    as its lower one.
    """

    right: tuple[int, ...]
    left: tuple[int, ...]
    size: float
    radii: tuple[float, float]
    upper: float
    where: str


_MIDDLE: tuple[int, ...] = ()
_EYE = (33, 133, 159, 145), (263, 362, 386, 374)
_CORNER = (61,), (291,)

MUSCLES: dict[str, tuple[Muscle | Ring, ...]] = {
    # frontalis, its middle part, fixed to the scalp
    "1": (Muscle((107, 66), (336, 296), -0.02, -0.24, 1.0, 0.75, 0.06, "brow"),),
    # frontalis, its outer part
    "2": (Muscle((105, 63, 70), (334, 293, 300), -0.05, -0.22, 1.0, 0.75, 0.06, "brow"),),
    # corrugator, towards the root of the nose; depressor supercilii; procerus
    "4": (
        Muscle((66, 105), (296, 334), -0.19, 0.1, 1.0, 0.6, 0.08, "brow"),
        Muscle((107, 55), (336, 285), 0.03, 0.12, 0.7, 0.6, 0.1, "brow"),
        Muscle((9,), _MIDDLE, 0.0, 0.13, 0.5, 0.6, 0.12, "brow"),
    ),
    # levator palpebrae
    "5": (Muscle((159, 158, 160), (386, 385, 387), 0.0, -0.1, 1.0, 1.1, 0.05, "upper lid"),),
    # orbicularis oculi, the part on the bone
    "6": (
        Ring(*_EYE, 1.0, (0.19, 0.15), 0.0, "cheek"),
        Ring(*_EYE, 0.4, (0.12, 0.04), 0.0, "lower lid"),
    ),
    # orbicularis oculi, the part in the lids
    "7": (
        Ring(*_EYE, 1.0, (0.12, 0.04), 0.0, "lower lid"),
        Ring(*_EYE, 0.5, (0.12, 0.05), 1.0, "upper lid"),
    ),
    # levator labii superioris alaeque nasi, beside the nose; procerus
    "9": (
        Muscle((129, 98), (358, 327), 0.0, -0.2, 1.0, 0.5, 0.12, "cheek"),
        Muscle((9,), _MIDDLE, 0.0, 0.13, 0.5, 0.7, 0.12, "brow"),
    ),
    # levator labii superioris, from below the eye
    "10": (
        Muscle((39, 40), (269, 270), 0.04, -0.27, 1.0, 0.45, 0.05, "cheek"),
        Muscle((37,), (267,), 0.05, -0.2, 0.6, 0.4, 0.05, "mouth"),
    ),
    # zygomaticus major, from the cheekbone
    "12": (Muscle(*_CORNER, 0.19, -0.24, 1.0, 0.5, 0.1, "cheek"),),
    # buccinator, and the cheek drawn in behind the corner
    "14": (
        Muscle(*_CORNER, 0.2, -0.02, 1.0, 0.5, 0.06, "mouth"),
        Muscle((216, 212), (436, 432), -0.12, 0.0, 0.5, 0.7, 0.05, "mouth"),
    ),
    # depressor anguli oris, from the jaw
    "15": (Muscle(*_CORNER, -0.04, 0.2, 1.0, 0.5, 0.07, "mouth"),),
    # mentalis, from below the front teeth
    "17": (
        Muscle((199, 175), _MIDDLE, 0.0, -0.2, 1.0, 1.2, 0.1, "mouth"),
        Muscle((17,), _MIDDLE, 0.0, -0.15, 0.6, 1.0, 0.1, "mouth"),
    ),
}


def contract(
    points: ArrayF64, part: Muscle | Ring, end: ArrayF64, sign: float, turn: float, widen: float
) -> ArrayF64:
    """How one muscle moves every point when it shortens.

    Args:
        points: ``(N, 2)`` in the face's axes, face widths.
        part: the muscle.
        end: ``(2,)`` where it ends in the skin, or the middle of the ring.
        sign: +1 on the person's left, -1 on the right, 0 on the middle line.
        turn: its direction is off by so much, rad (rings have none).
        widen: its opening, reach or radii are so many times the table's.

    Returns:
        ``(N, 2)`` displacements along the same axes, ``part.size`` long where the pull is strongest.
    """
    if isinstance(part, Ring):
        away = points - end
        radius = np.hypot(*(away / (np.asarray(part.radii) * widen)).T)
        height = np.exp(-0.5 * ((radius - 1.0) / 0.35) ** 2)
        distance = np.maximum(np.hypot(*away.T), 1e-6)
        lower = np.clip(0.5 + away[:, 1] / distance, 0.0, 1.0)
        height *= lower + part.upper * (1.0 - lower)
        return np.asarray(-part.size * height[:, None] * away / distance[:, None])
    length = float(np.hypot(part.out, part.down))
    angle = np.arctan2(part.down, part.out * sign) + turn
    fibre = np.array([np.cos(angle), np.sin(angle)])  # from the skin to the bone
    towards = end + length * fibre - points
    distance = np.maximum(np.hypot(*towards.T), 1e-6)
    off = np.arccos(np.clip(towards @ fibre / distance, -1.0, 1.0)) / (part.opening * widen)
    across = np.cos(0.5 * np.pi * np.minimum(off, 1.0)) ** 2
    beyond = np.clip((distance - length) / (part.reach * widen), 0.0, 1.0)
    along = np.where(
        distance < length,
        np.sin(0.5 * np.pi * np.minimum(distance / length, 1.0)) ** 2,
        np.cos(0.5 * np.pi * beyond) ** 2,
    )
    return np.asarray(part.size * (across * along / distance)[:, None] * towards)
