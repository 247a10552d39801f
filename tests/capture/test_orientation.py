"""Display matrices become the right quarter turns and mirrorings."""

from __future__ import annotations

from math import cos, radians, sin

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.capture.orientation import UPRIGHT, Orientation, orientation, upright

ONE = 1 << 16


def matrix(clockwise: float, mirrored: bool = False) -> list[int]:
    """The display matrix that mirrors left to right, then turns clockwise (degrees)."""
    c, s = cos(radians(clockwise)), sin(radians(clockwise))
    x = -1 if mirrored else 1
    return [round(v) for v in (x * c * ONE, x * s * ONE, 0, -s * ONE, c * ONE, 0, 0, 0, 1 << 30)]


@given(st.sampled_from([0, 90, 180, 270]), st.booleans(), st.floats(-14, 14))
def test_nearest_quarter_turn(clockwise: int, mirrored: bool, off: float) -> None:
    assert orientation(matrix(clockwise + off, mirrored)) == Orientation((-clockwise // 90) % 4, mirrored)


@pytest.mark.parametrize("slanted", [matrix(30), matrix(45), matrix(60), [0] * 9, [1, 2, 3], []])
def test_slanted_or_empty_is_nothing(slanted: list[int]) -> None:
    assert orientation(slanted) is None


@given(st.sampled_from([0, 90, 180, 270]), st.booleans())
def test_pixels_go_where_the_matrix_says(clockwise: int, mirrored: bool) -> None:
    m = [v / ONE for v in matrix(clockwise, mirrored)]
    height, width = 3, 5
    rgb = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)
    how = orientation(matrix(clockwise, mirrored))
    assert how is not None
    turned = upright(rgb, how)
    assert turned.flags["C_CONTIGUOUS"]
    y, x = np.mgrid[0:height, 0:width]
    to_x = np.rint(m[0] * x + m[3] * y).astype(int)
    to_y = np.rint(m[1] * x + m[4] * y).astype(int)
    assert np.array_equal(turned[to_y - to_y.min(), to_x - to_x.min()], rgb)


def test_upright_is_free() -> None:
    rgb = np.zeros((2, 3, 3), np.uint8)
    assert upright(rgb, UPRIGHT) is rgb
