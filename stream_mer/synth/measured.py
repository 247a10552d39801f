"""How a real face moved between two pictures, as a movement that can be put into others.

Descriptions of action units say how skin should move; two portraits of one person, at rest and smiling,
say how it did. What the head did between them, turning included, is taken off first.
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
        rest: ``(468, 3)`` mesh of the face at rest, px of its picture.
        moved: the same of the face that has moved, px of its own picture.

    Returns:
        ``(468, 2)`` along the axes of the face at rest; the longest vector is 1.

    Raises:
        ValueError: not two meshes with depth, or nothing moved.
    """
    for mesh in (rest, moved):
        require_mesh(mesh)
        if mesh.shape[1] != 3:
            raise ValueError("a mesh without depth does not show how the head turned")
    shift = (_aligned(moved, rest) - rest)[:, :2]
    axes = face_axes(rest)
    field = np.stack([shift @ axes.x, shift @ axes.y], axis=1)
    longest = float(np.hypot(field[:, 0], field[:, 1]).max())
    if not longest > 1e-6 * axes.width:
        raise ValueError("the two meshes show the same face: nothing moved")
    return np.asarray(field / longest)


def _aligned(moved: ArrayF64, rest: ArrayF64) -> ArrayF64:
    """The moved mesh turned, scaled and shifted in space, its steady points nearest to those at rest.

    Source: Umeyama, IEEE PAMI 13(4), 1991.
    """
    there, here = moved[list(STEADY)], rest[list(STEADY)]
    away, home = there - there.mean(0), here - here.mean(0)
    u, spread, vt = np.linalg.svd(home.T @ away)
    mirrored = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    turn = u @ mirrored @ vt
    scale = float((spread * np.diag(mirrored)).sum() / (away**2).sum())
    aligned: ArrayF64 = scale * (moved - there.mean(0)) @ turn.T + here.mean(0)
    return aligned
