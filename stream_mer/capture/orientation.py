"""Turns pictures upright as the file's display matrix says, in quarter turns and mirrorings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, hypot, pi

import numpy as np

from stream_mer.types import ImageU8

_LEAST_COSINE = cos(pi / 12)
"""A matrix up to 15 degrees off a quarter turn counts as that turn; a slanted one is left alone."""


@dataclass(frozen=True, slots=True)
class Orientation:
    """First mirror left to right if ``mirrored``, then turn by ``quarter_turns`` counter-clockwise."""

    quarter_turns: int = 0
    mirrored: bool = False


UPRIGHT = Orientation()


def orientation(matrix: Sequence[int]) -> Orientation | None:
    """Read a display matrix.

    Args:
        matrix: Nine 16.16 fixed-point numbers ``a b u c d v x y w``; a picture's point goes to
            ``(a p + c q, b p + d q)``, y pointing down.

    Returns:
        The nearest orientation, or None if the matrix is slanted or empty.

    Source:
        ISO/IEC 14496-12, 8.3.2 (track header box).
    """
    if len(matrix) != 9:
        return None
    a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
    mirrored = a * d - b * c < 0
    if mirrored:  # take the mirroring, which comes first, out: M = R · diag(-1, 1)
        a, b = -a, -b
    length = hypot(a, b)
    if length == 0 or hypot(c, d) == 0:
        return None
    # What is left is a rotation (cos, sin; -sin, cos), clockwise on screen because y points down.
    cosine, sine = a / length, b / length
    for turns, along in enumerate((cosine, -sine, -cosine, sine)):
        if along >= _LEAST_COSINE:
            return Orientation(turns, mirrored)
    return None


def upright(rgb: ImageU8, how: Orientation) -> ImageU8:
    """Turn ``(H, W, 3)`` upright; the result is contiguous, and ``rgb`` itself if nothing is to do."""
    if how == UPRIGHT:
        return rgb
    turned = rgb[:, ::-1] if how.mirrored else rgb
    return np.ascontiguousarray(np.rot90(turned, how.quarter_turns))
