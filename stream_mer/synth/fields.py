"""The displacement of every mesh point by one action unit, different for every person.

A ``FieldStyle`` turns directions, moves anchors, widens and strengthens components, so that two clips
never share their warps. The test version moves skin as muscles do (``muscles.py``) instead of by the
training version's table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stream_mer.synth.action_units import COMPONENTS, Component, split_side
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
from stream_mer.synth.pulse import Version
from stream_mer.types import ArrayF64


@dataclass(frozen=True, slots=True)
class FieldStyle:
    """How one person's (or one event's) fields differ from the table; drawn by ``draw_style``.

    Arrays have one row for each of 256 slots; a component's slot follows from its place in the
    table, so a style gives the same field for the same unit every time.
    """

    version: Version
    turn: ArrayF64
    gain: ArrayF64
    widen: ArrayF64
    shift: ArrayF64


def draw_style(rng: np.random.Generator, version: Version = "train", strength: float = 1.0) -> FieldStyle:
    """A random style: directions turn by up to 15 degrees, magnitudes, widths and anchors vary.

    Args:
        rng: source of randomness.
        version: ``train`` has mid-sized reaches; ``test`` narrower or wider ones, of muscles.
        strength: 1 for a person; less for the difference between two events of one person; 0 for none.
    """
    slots = 256
    turn = np.deg2rad(15.0) * strength * rng.uniform(-1, 1, slots)
    gain = np.exp(0.25 * strength * rng.standard_normal(slots).clip(-2, 2))
    if version == "train":
        widen = np.exp(strength * rng.uniform(np.log(0.85), np.log(1.25), slots))
    else:
        wide = rng.random(slots) < 0.5
        low = np.exp(strength * rng.uniform(np.log(0.62), np.log(0.82), slots))
        widen = np.where(wide, np.exp(strength * rng.uniform(np.log(1.28), np.log(1.5), slots)), low)
    shift = 0.012 * strength * rng.standard_normal((slots, 2)).clip(-2, 2)
    return FieldStyle(version, turn, gain, widen, shift)


def field_on_mesh(mesh: ArrayF64, unit: str, style: FieldStyle) -> ArrayF64:
    """Displacement of every mesh point by one action unit at full strength.

    Args:
        mesh: ``(468, 2 or 3)`` points, px.
        unit: ``"12"``, ``"L12"``, or one of the extra names of ``COMPONENTS``.
        style: the person's variation.

    Returns:
        ``(468, 2)`` float64, face widths along the picture's axes; the largest vector is about 1.

    Raises:
        ValueError: unknown unit, or a side given for a unit that has none.
    """
    name, sides = split_side(unit)
    axes = face_axes(mesh)
    points = axes.coordinates(mesh)
    field = np.zeros((POINTS, 2))
    parts: Sequence[Component | Muscle | Ring] = COMPONENTS[name]
    if style.version == "test" and name in MUSCLES:
        parts = MUSCLES[name]
    for number, component in enumerate(parts):
        weight = _region(component.where, points)
        if not component.left:
            field += weight[:, None] * _pull(
                points, component, component.right, 0.0, (name, number, 0), style
            )
            continue
        for side in sides:
            anchor, sign = (component.right, -1.0) if side == "R" else (component.left, 1.0)
            pull = _pull(points, component, anchor, sign, (name, number, 1 if side == "R" else 2), style)
            own = np.clip(0.5 + sign * points[:, 0] / 0.06, 0.0, 1.0)  # fades across the middle line
            field += (weight * own)[:, None] * pull
    return axes.vectors(field) / axes.width


def _pull(
    points: ArrayF64,
    component: Component | Muscle | Ring,
    anchor: tuple[int, ...],
    sign: float,
    key: tuple[str, int, int],
    style: FieldStyle,
) -> ArrayF64:
    slot = (list(COMPONENTS).index(key[0]) * 12 + key[1] * 3 + key[2]) % 256
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
