"""Where a face's parts lie in the canonical crop: what only the skull moves, and how deep it is.

Arrays over the points that registration looks at are flat, in the order of ``INDEX``; those over the whole
crop are ``(GRID, GRID)`` or its ``ravel``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_mer.types import HR_SIZE, ArrayF32

GRID = 64
"""Side of the grid of grey samples over the crop."""
CELL = HR_SIZE / GRID


def _rigid_mask() -> NDArray[np.bool_]:
    """Grid points on skin that only the skull moves."""
    centre = (np.arange(GRID) + 0.5) * CELL
    u, v = np.meshgrid(centre, centre)
    mask = (np.abs(u - 64) < 46) & (v > 8) & (v < 76)
    mask &= (np.abs(u - 64) > 20) | (v < 72)  # the lip lifts the nostrils
    for eye in (44.0, 84.0):
        mask &= ((u - eye) / 11) ** 2 + ((v - 46) / 8) ** 2 > 1
        mask &= ~((np.abs(u - eye) < 15) & (v > 24) & (v < 40))
    return np.asarray(mask, np.bool_)


def _face_mask() -> NDArray[np.bool_]:
    """Grid points on the face, the rigid ones among them."""
    centre = (np.arange(GRID) + 0.5) * CELL
    u, v = np.meshgrid(centre, centre)
    oval = ((u - 64) / 50) ** 2 + ((v - 60) / 68) ** 2 < 1
    return np.asarray(RIGID_MASK | (oval & (np.abs(u - 64) < 46) & (v > 6) & (v < 124)), np.bool_)


RIGID_MASK = _rigid_mask()
MOBILE_WEIGHT = 0.5
"""What eyes, brows, mouth and chin count against rigid skin. Source: at 0.5 small motions of theirs leak
no more into the pose than with rigid skin alone, at 1 raised brows do."""
INDEX = np.flatnonzero(_face_mask())
INDEX = INDEX[: len(INDEX) // 32 * 32]  # whole rows of 32 points
RIGID = np.flatnonzero(RIGID_MASK.ravel()[INDEX])
PRIOR = np.where(RIGID_MASK.ravel()[INDEX], 1.0, MOBILE_WEIGHT).astype(np.float32)
CENTRES = ((np.arange(GRID) + 0.5) * CELL).astype(np.float32)
ALL_U, ALL_V = np.meshgrid(CENTRES, CENTRES)
U, V = ALL_U.ravel()[INDEX], ALL_V.ravel()[INDEX]


def _depth(u: ArrayF32, v: ArrayF32) -> ArrayF32:
    """Height of an average face over the mean of its rigid points, canonical px (1 px = 1.6 mm).

    Eye corners, bridge of the nose and cheeks have mean height zero, so that the crop of a head that
    turns stays with them. Source: an ellipsoid and a nose with the measures of a mean adult head.
    """
    head = 52 * np.sqrt(np.maximum(1 - ((u - 64) / 62) ** 2 - ((v - 60) / 85) ** 2, 0.02))
    nose = 11 * np.exp(-(((u - 64) / 8) ** 2) - ((v - 66) / 11) ** 2)
    return np.asarray(head + nose - 49.5, np.float32)


ALL_Z = _depth(ALL_U, ALL_V)
Z = ALL_Z.ravel()[INDEX]
