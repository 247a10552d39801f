"""How a real face moved between two pictures, as a movement that can be put into others.

Descriptions of action units say how skin should move; two portraits of one person, at rest and smiling,
say how it did. What the head did between them is taken off first.
"""

from __future__ import annotations

import numpy as np

from stream_mer.synth.landmarks import face_axes, require_mesh
from stream_mer.types import ArrayF64

STEADY = (33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 10, 151, 9, 127, 356, 234, 454, 162, 389)
"""Corners of the eyes, bridge of the nose, forehead and temples: what a smile moves least."""


def measured_movement(rest: ArrayF64, moved: ArrayF64) -> ArrayF64:
    """How every mesh point moved against the steady ones.

    Args:
        rest: ``(468, 2 or 3)`` mesh of the face at rest, px of its picture.
        moved: the same of the face that has moved, px of its own picture.

    Returns:
        ``(468, 2)`` along the axes of the face at rest; the longest vector is 1.

    Raises:
        ValueError: not two meshes, or nothing moved.
    """
    require_mesh(rest)
    require_mesh(moved)
    steady = list(STEADY)
    here, there = (mesh[:, 0] + 1j * mesh[:, 1] for mesh in (rest, moved))
    origin, target = there[steady].mean(), here[steady].mean()
    away = there[steady] - origin
    turn = np.vdot(away, here[steady] - target) / np.vdot(away, away)  # rotation and scale, least squares
    shift = turn * (there - origin) + target - here
    axes = face_axes(rest)
    pixels = np.stack([shift.real, shift.imag], axis=1)
    field = np.stack([pixels @ axes.x, pixels @ axes.y], axis=1)
    longest = float(np.hypot(field[:, 0], field[:, 1]).max())
    if not longest > 1e-6 * axes.width:
        raise ValueError("the two meshes show the same face: nothing moved")
    return np.asarray(field / longest)
