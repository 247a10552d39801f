"""The displacement of every mesh point by one action unit, different for every person.

A ``FieldStyle`` turns directions, moves anchors, widens and strengthens components, so that two clips
never share their warps. Training people move by the table (``action_units.py``), as muscles pull
(``muscles.py``), or by something between; those of the test version express by neither (``plate.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stream_mer.synth.action_units import COMPONENTS, Component, is_lid_unit, split_side
from stream_mer.synth.landmarks import (
    EYE_POINTS,
    LID_BAG,
    LID_FOLD,
    LOWER_LID,
    POINTS,
    UPPER_LID,
    face_axes,
)
from stream_mer.synth.muscles import MUSCLES, Muscle, Ring, contract
from stream_mer.synth.plate import HANDLES, HOLD, HOLD_LIDS, Handle, bend, still
from stream_mer.synth.pulse import Version
from stream_mer.types import ArrayF64

TURN_DEG = 25.0
"""How far directions of one person may be off those of the description, degrees."""
WIDEST: dict[Version, float] = {"train": 1.9, "test": 1.45}
"""Reaches at most, times those of the description. Real smiles cover two to three times the area of what the
table and muscles describe, and those of 70 people are nearer to training people that reach so far."""
ONE_SIDE = 0.03
"""Points so far beyond the middle line, face widths, stay when a unit acts on the other side only."""


@dataclass(frozen=True, slots=True)
class FieldStyle:
    """How one person's fields differ from their description; drawn by ``draw_style``.

    Arrays have one row for each of 256 slots; a component's slot follows from its place in the
    table, so a style gives the same field for the same unit every time. ``muscular`` is how much of a
    training person's motion comes of muscles, 0..1; the rest is the table's. ``smile``
    ``(468, 2)`` is how a real face smiled (``measured.py``): with it, smiles move so.
    """

    version: Version
    muscular: float
    turn: ArrayF64
    gain: ArrayF64
    widen: ArrayF64
    shift: ArrayF64
    smile: ArrayF64 | None = None


def draw_style(
    rng: np.random.Generator,
    version: Version = "train",
    strength: float = 1.0,
    smile: ArrayF64 | None = None,
) -> FieldStyle:
    """A random style: directions, magnitudes and reaches vary, and where a movement is centred (training).

    A third of the training people each move by the table, as muscles pull, and by a mixture. People differ
    widely because real ones do: the smiles of two of 70 people (``measured.py``) agree with a cosine of 0.67
    over the mesh, what is drawn here for one unit with 0.55 to 0.83 (training) and 0.81 to 0.87 (test).

    Args:
        rng: source of randomness.
        version: ``train`` or ``test``.
        strength: 1 for a person; 0 for the description as it stands.
        smile: how a real face smiled, if this person is to smile so.
    """
    slots = 256
    muscular = strength * float(np.clip(rng.uniform(-1.0, 2.0), 0.0, 1.0))
    turn = np.deg2rad(TURN_DEG) * strength * rng.uniform(-1, 1, slots)
    gain = np.exp(0.4 * strength * rng.standard_normal(slots).clip(-2, 2))
    widen = np.exp(strength * rng.uniform(np.log(0.7), np.log(WIDEST[version]), slots))
    shift = 0.012 * strength * rng.standard_normal((slots, 2)).clip(-2, 2)
    return FieldStyle(version, muscular, turn, gain, widen, shift, smile)


def field_on_mesh(mesh: ArrayF64, unit: str, style: FieldStyle) -> ArrayF64:
    """Displacement of every mesh point by one action unit at full strength.

    Args:
        mesh: ``(468, 2 or 3)`` points, px.
        unit: ``"12"``, ``"L12"``, or one of the extra names of ``COMPONENTS``.
        style: the person's variation.

    Returns:
        ``(468, 2)`` float64, face widths along the picture's axes; the largest vector is of the order of 1.

    Raises:
        ValueError: unknown unit, or a side given for a unit that has none.
    """
    name, sides = split_side(unit)
    axes = face_axes(mesh)
    points = axes.coordinates(mesh)
    if style.version == "test" and name in HANDLES:
        field = _bent(points, name, sides, style)
    elif name in MUSCLES:
        field = (1.0 - style.muscular) * _pulled(points, name, sides, COMPONENTS[name], style)
        field += style.muscular * _pulled(points, name, sides, MUSCLES[name], style)
    else:
        field = _pulled(points, name, sides, COMPONENTS[name], style)
    return axes.vectors(field) / axes.width


def _bent(points: ArrayF64, name: str, sides: str, style: FieldStyle) -> ArrayF64:
    """What the handles of a unit do to the plate; ``(N, 2)`` along the face's axes."""
    moved: list[int] = []
    to: list[ArrayF64] = []
    for number, handle in enumerate(HANDLES[name]):
        for anchors, sign, slot in _ends(name, number, handle, sides):
            angle = np.arctan2(handle.down, handle.out * sign) + style.turn[slot]
            length = float(np.hypot(handle.out, handle.down)) * style.gain[slot]
            moved += anchors
            to += [length * np.array([np.cos(angle), np.sin(angle)])] * len(anchors)
    hold = (HOLD_LIDS if is_lid_unit(name) else HOLD) * style.widen[_slot(name, 0, 0)]
    fixed = still(name)
    if len(sides) == 1:
        other = 1.0 if sides == "R" else -1.0
        fixed = [*fixed, *np.flatnonzero(other * points[:, 0] > ONE_SIDE)]
    return bend(points, moved, np.array(to), hold, fixed)


def _pulled(
    points: ArrayF64, name: str, sides: str, parts: Sequence[Component | Muscle | Ring], style: FieldStyle
) -> ArrayF64:
    """The sum of the pulls of a unit's parts; ``(N, 2)`` along the face's axes."""
    field = np.zeros((POINTS, 2))
    for number, component in enumerate(parts):
        weight = _region(component.where, points)
        for anchors, sign, slot in _ends(name, number, component, sides):
            own = on_side(points, sign) if sign else 1.0
            field += (weight * own)[:, None] * _pull(points, component, anchors, sign, slot, style)
    return field


def on_side(points: ArrayF64, sign: float) -> ArrayF64:
    """``(N,)``: 1 on one side of the face (-1 right, 1 left), 0 on the other; fades across the middle line.

    Args:
        points: ``(N, 2)`` along the face's axes, face widths.
        sign: the side.
    """
    return np.asarray(np.clip(0.5 + sign * points[:, 0] / 0.06, 0.0, 1.0))


def _ends(
    name: str, number: int, part: Component | Muscle | Ring | Handle, sides: str
) -> Iterator[tuple[tuple[int, ...], float, int]]:
    """Where a part of a unit takes hold: mesh points, side (-1 right, 1 left, 0 middle), row of a style."""
    if not part.left:
        yield part.right, 0.0, _slot(name, number, 0)
        return
    if "R" in sides:
        yield part.right, -1.0, _slot(name, number, 1)
    if "L" in sides:
        yield part.left, 1.0, _slot(name, number, 2)


def _slot(name: str, number: int, place: int) -> int:
    """The row of a style for one part of a unit: on the middle line (0), the right (1) or the left (2)."""
    return (list(COMPONENTS).index(name) * 12 + number * 3 + place) % 256


def _pull(
    points: ArrayF64,
    component: Component | Muscle | Ring,
    anchor: tuple[int, ...],
    sign: float,
    slot: int,
    style: FieldStyle,
) -> ArrayF64:
    centre = points[list(anchor)].mean(0) + style.shift[slot]
    if not isinstance(component, Component):
        moved = contract(points, component, centre, sign, style.turn[slot], style.widen[slot])
        return np.asarray(style.gain[slot] * moved)
    spread = np.asarray(component.spread) * style.widen[slot]
    r2 = (((points - centre) / spread) ** 2).sum(1)
    fall = np.exp(-0.5 * r2) if style.version == "train" else (1.0 + r2 / 4.0) ** -2.5
    outward = component.out * sign
    angle = np.arctan2(component.down, outward) + style.turn[slot]
    length = component.size * style.gain[slot]
    pull: ArrayF64 = fall[:, None] * (length * np.array([np.cos(angle), np.sin(angle)]))
    return pull


def _region(where: str, points: ArrayF64) -> ArrayF64:
    """0..1 for every mesh point: does this part of the face belong to the region?"""
    weight = np.ones(POINTS)
    y = points[:, 1]
    if where == "upper lid" or where == "lower lid":
        lids, ring = (UPPER_LID, LID_FOLD) if where == "upper lid" else (LOWER_LID, LID_BAG)
        weight = np.zeros(POINTS)
        for side in "RL":
            weight[list(ring[side])] = 0.55
            weight[list(lids[side][1:-1])] = 1.0
        return weight
    if where == "brow":
        weight = np.clip((-0.03 - y) / 0.05, 0.0, 1.0)
    elif where == "cheek":
        weight = np.clip((y - 0.02) / 0.05, 0.0, 1.0)
    elif where == "mouth":
        weight = np.clip((y - 0.2) / 0.08, 0.0, 1.0)
    elif where == "below lips":
        from_mouth = y - points[[13, 14], 1].mean()
        weight = np.clip(0.5 + from_mouth / 0.03, 0.0, 1.0)
    if where != "below lips":  # expressions do not move the ears
        weight = weight * np.clip((0.44 - np.abs(points[:, 0])) / 0.08, 0.0, 1.0)
    weight[EYE_POINTS] = 0.0
    return weight
