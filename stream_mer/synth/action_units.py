"""Which points of a face an action unit moves, which way and how far: the tables.

An action unit is a few components; each pulls the skin around an anchor in one direction, strongest
at the anchor. ``fields.py`` turns them into displacements and varies them per person.

Source: Facial Action Coding System (Ekman, Friesen, Hager 2002) for what moves where; magnitudes are
estimates relative to the largest component.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CLASS_ACTION_UNITS: dict[str, tuple[tuple[str, ...], ...]] = {
    "happiness": (("12",), ("6", "12"), ("L12",), ("R12",)),
    "surprise": (("1", "2"), ("1", "2", "5"), ("2",)),
    "disgust": (("9",), ("10",), ("9", "10"), ("4", "9"), ("4", "7", "10")),
    "repression": (("15",), ("17",), ("15", "17"), ("14", "15")),
    "others": (("4",), ("4", "7"), ("14",), ("7",)),
}
"""Action-unit sets of every class: one table for all generators and tests."""
UNILATERAL = ("4", "12", "14", "15")
"""Units that also occur on one side only: ``L12`` is the person's left."""


@dataclass(frozen=True, slots=True)
class Component:
    """Skin around ``right`` (mean of mesh points; ``left`` on the other side) moves along
    ``(out, down)``, ``out`` pointing away from the middle of the face. ``spread`` are the standard
    deviations across and along the face, face widths. ``where`` limits it to part of the mesh."""

    right: tuple[int, ...]
    left: tuple[int, ...]
    out: float
    down: float
    size: float
    spread: tuple[float, float]
    where: str


def _c(
    right: tuple[int, ...],
    left: tuple[int, ...],
    out: float,
    down: float,
    size: float,
    sx: float,
    sy: float,
    where: str,
) -> Component:
    return Component(right, left, out, down, size, (sx, sy), where)


_MIDDLE: tuple[int, ...] = ()  # no left side: the component lies on the middle line

COMPONENTS: dict[str, tuple[Component, ...]] = {
    "1": (
        _c((107, 55, 66, 65), (336, 285, 296, 295), -0.1, -1.0, 1.0, 0.085, 0.075, "brow"),
        _c((108, 69), (337, 299), 0.0, -1.0, 0.55, 0.09, 0.08, "brow"),
    ),
    "2": (
        _c((70, 46, 63, 53), (300, 276, 293, 283), 0.1, -1.0, 1.0, 0.09, 0.075, "brow"),
        _c((104, 68), (333, 298), 0.0, -1.0, 0.5, 0.09, 0.08, "brow"),
    ),
    "4": (
        _c((55, 107), (285, 336), -0.5, 0.85, 1.0, 0.08, 0.07, "brow"),
        _c((52, 105), (282, 334), -0.25, 0.8, 0.65, 0.08, 0.06, "brow"),
        _c((108,), (337,), -0.1, 0.9, 0.4, 0.07, 0.07, "brow"),
    ),
    "5": (_c((159, 158, 160), (386, 385, 387), 0.0, -1.0, 1.0, 0.06, 0.035, "upper lid"),),
    "6": (
        _c((117, 118, 50, 101), (346, 347, 280, 330), 0.1, -1.0, 1.0, 0.1, 0.07, "cheek"),
        _c((145, 144), (374, 373), 0.0, -1.0, 0.45, 0.06, 0.035, "lower lid"),
        _c((156, 143), (383, 372), -0.5, 0.3, 0.3, 0.05, 0.06, "cheek"),
    ),
    "7": (
        _c((145, 153, 144), (374, 380, 373), -0.15, -1.0, 1.0, 0.065, 0.035, "lower lid"),
        _c((159, 158, 160), (386, 385, 387), 0.0, 1.0, 0.5, 0.06, 0.035, "upper lid"),
    ),
    "9": (
        _c((129, 49, 131, 198), (358, 279, 360, 420), 0.05, -1.0, 1.0, 0.06, 0.075, "cheek"),
        _c((55, 107), (285, 336), -0.3, 0.95, 0.55, 0.07, 0.06, "brow"),
        _c((37, 39), (267, 269), 0.0, -1.0, 0.5, 0.07, 0.045, "mouth"),
    ),
    "10": (
        _c((37, 39, 40), (267, 269, 270), 0.1, -1.0, 1.0, 0.08, 0.05, "mouth"),
        _c((203, 206), (423, 426), 0.15, -1.0, 0.6, 0.06, 0.06, "mouth"),
        _c((129,), (358,), 0.2, -1.0, 0.35, 0.05, 0.05, "cheek"),
    ),
    "12": (
        _c((61,), (291,), 0.75, -0.7, 1.0, 0.085, 0.065, "mouth"),
        _c((205, 50), (425, 280), 0.4, -0.75, 0.5, 0.09, 0.09, "cheek"),
    ),
    "14": (
        _c((61,), (291,), 0.95, 0.12, 1.0, 0.055, 0.05, "mouth"),
        _c((216, 212), (436, 432), -0.75, 0.0, 0.7, 0.04, 0.07, "mouth"),
    ),
    "15": (
        _c((61,), (291,), 0.2, 1.0, 1.0, 0.075, 0.06, "mouth"),
        _c((204, 106), (424, 335), 0.1, 1.0, 0.55, 0.06, 0.06, "mouth"),
    ),
    "17": (
        _c((199, 175, 200), _MIDDLE, 0.0, -1.0, 1.0, 0.095, 0.075, "mouth"),
        _c((17, 84, 314), _MIDDLE, 0.0, -1.0, 0.8, 0.1, 0.045, "mouth"),
    ),
    # Not action units of the table: what speech and swallowing do.
    "jaw": (
        _c((14, 17, 200), _MIDDLE, 0.0, 1.0, 1.0, 0.12, 0.06, "below lips"),
        _c((199, 152), _MIDDLE, 0.0, 1.0, 1.0, 0.17, 0.1, "below lips"),
    ),
    "spread": (_c((61,), (291,), 1.0, 0.0, 1.0, 0.09, 0.07, "mouth"),),
    "pucker": (_c((61, 40, 91), (291, 270, 321), -1.0, 0.0, 1.0, 0.08, 0.07, "mouth"),),
    "swallow": (
        _c((152, 175), _MIDDLE, 0.0, -1.0, 1.0, 0.17, 0.09, "mouth"),
        _c((61,), (291,), 0.25, 0.4, 0.35, 0.06, 0.05, "mouth"),
    ),
}


def split_side(unit: str) -> tuple[str, str]:
    """``"L12"`` -> ``("12", "L")``; ``"12"`` -> ``("12", "RL")``."""
    if unit in COMPONENTS:
        return unit, "RL"
    name, side = unit[1:], unit[:1]
    if side in "LR" and name in UNILATERAL:
        return name, side
    raise ValueError(
        f"unknown action unit {unit!r}: known are {', '.join(COMPONENTS)} and L/R with {UNILATERAL}"
    )


def is_lid_unit(unit: str) -> bool:
    """Whether the unit is allowed to move the eyelids (5, 6 and 7)."""
    return split_side(unit)[0] in ("5", "6", "7")


def known_units(units: Sequence[str]) -> None:
    """Raise ``ValueError`` unless every unit can be drawn."""
    for unit in units:
        split_side(unit)


def smiling_sides(units: Sequence[str]) -> str:
    """``"RL"``, ``"R"`` or ``"L"`` for a set of units that makes a smile; empty for any other set."""
    parts = [split_side(unit) for unit in units]
    sides = "".join(side for name, side in parts if name == "12")
    return "".join(sorted(set(sides), reverse=True)) if {name for name, _ in parts} <= {"6", "12"} else ""
