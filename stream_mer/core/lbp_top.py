"""Describes how a clip's texture looks and moves: local binary patterns on three orthogonal planes.

Every pixel is compared with a ring of neighbours in the picture (XY) and in the two planes that time
makes with a row (XT) and a column (YT); the histograms of the patterns so found, block by block, are
the clip's feature vector, which a support vector machine then tells apart.
"""

from __future__ import annotations

from functools import cache
from math import cos, floor, pi, sin
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Volume: TypeAlias = NDArray[Any]

PLANES: tuple[tuple[int, int], ...] = ((2, 1), (2, 0), (1, 0))
"""Axes of a ``(T, H, W)`` clip spanned by XY, XT and YT: the first carries the cosine."""
MAX_NEIGHBOURS = 8
_EXACT = 9
"""Decimals of an offset: what is closer to a whole pixel than this lies on it."""


@cache
def uniform_bins(neighbours: int) -> tuple[NDArray[np.intp], int]:
    """Bin of each pattern, and how many bins: uniform patterns get one each, all others share the last.

    A pattern is uniform when its ring changes between 0 and 1 at most twice.

    >>> uniform_bins(8)[1], uniform_bins(4)[1]
    (59, 15)

    Source: Ojala, Pietikäinen, Mäenpää, PAMI 24(7), 2002.
    """
    codes = range(2**neighbours)
    changes = [((code ^ (code >> 1 | (code & 1) << (neighbours - 1))).bit_count()) for code in codes]
    uniform = [code for code in codes if changes[code] <= 2]
    bins = np.full(2**neighbours, len(uniform), np.intp)
    bins[uniform] = np.arange(len(uniform))
    bins.setflags(write=False)
    return bins, len(uniform) + 1


def ring(neighbours: int, radius_u: float, radius_v: float) -> list[tuple[float, float]]:
    """Offsets ``(u, v)`` of the sampling points on an ellipse, counter-clockwise from the u axis."""
    angles = [2 * pi * n / neighbours for n in range(neighbours)]
    return [(round(radius_u * cos(a), _EXACT), round(radius_v * sin(a), _EXACT)) for a in angles]


def lbp_top(
    clip: NDArray[np.uint8],
    *,
    radii: tuple[int, int, int] = (1, 1, 2),
    grid: tuple[int, int, int] = (5, 5, 1),
    neighbours: int = 8,
) -> NDArray[np.float32]:
    """The LBP-TOP feature of a clip, uniform patterns, each histogram normed to sum 1.

    Only voxels whose three rings lie inside the clip count; that inner volume is what ``grid`` divides.

    Args:
        clip: ``(T, H, W)`` uint8 grey pictures.
        radii: of the rings along x, y and t, whole pixels and frames, 1 or more.
        grid: blocks down, across and in time.
        neighbours: sampling points on a ring, 2 to 8; between pixels they are interpolated bilinearly.

    Returns:
        ``(blocks * 3 * bins,)`` float32; block by block (time outermost, then down, then across), in
        each XY, XT, YT; 59 bins for 8 neighbours.

    Raises:
        ValueError: not such a clip, or it is smaller than its rings and blocks need.

    Source: Zhao, Pietikäinen, PAMI 29(6), 2007.
    """
    if not 2 <= neighbours <= MAX_NEIGHBOURS:
        raise ValueError(f"neighbours must be 2 to {MAX_NEIGHBOURS}, got {neighbours}")
    margins = (radii[2], radii[1], radii[0])
    inner = inner_shape(clip, margins, (grid[2], grid[0], grid[1]))
    bins, count = uniform_bins(neighbours)
    blocks = block_numbers(inner, (grid[2], grid[0], grid[1]))
    codes = (plane_codes(clip, margins, plane, neighbours) for plane in PLANES)
    return joint_histograms([bins[code] for code in codes], blocks, count)


def plane_codes(
    clip: NDArray[np.uint8], margins: tuple[int, int, int], plane: tuple[int, int], neighbours: int
) -> NDArray[np.uint8]:
    """The pattern of every inner voxel in one plane: bit n is set where neighbour n >= the voxel.

    Args:
        clip: ``(T, H, W)`` uint8.
        margins: radii along t, y, x; so much is left out at each side.
        plane: axes of the plane, as in ``PLANES``.
        neighbours: points on the ring.
    """
    axis_u, axis_v = plane
    exact = clip.astype(np.float32)
    centre_u8, centre_f32 = _shifted(clip, margins, {}), _shifted(exact, margins, {})
    codes = np.zeros(centre_u8.shape, np.uint8)
    along_u: dict[float, Volume] = {}
    for bit, (du, dv) in enumerate(ring(neighbours, margins[axis_u], margins[axis_v])):
        if du.is_integer() and dv.is_integer():
            above = _shifted(clip, margins, {axis_u: int(du), axis_v: int(dv)}) >= centre_u8
        else:
            if du not in along_u:
                along_u[du] = _interpolated(exact, margins[axis_u], axis_u, du)
            # The u axis is cut to its inner part already.
            rest = tuple(0 if axis == axis_u else margin for axis, margin in enumerate(margins))
            others = tuple(0 if axis == axis_v else margin for axis, margin in enumerate(rest))
            sheet = _shifted(along_u[du], others, {})
            above = _interpolated(sheet, margins[axis_v], axis_v, dv) >= centre_f32
        codes |= above.view(np.uint8) << np.uint8(bit)
    return codes


def inner_shape(
    clip: NDArray[np.uint8], margins: tuple[int, int, int], grid: tuple[int, int, int]
) -> tuple[int, int, int]:
    """Shape left of a clip when ``margins`` (t, y, x) go at each side, large enough for ``grid``.

    Raises:
        ValueError: no ``(T, H, W)`` uint8 clip, or too small a one; the message says which side.
    """
    if clip.ndim != 3 or clip.dtype != np.uint8:
        raise ValueError(f"a clip must be (T, H, W) uint8, got {clip.shape} {clip.dtype}")
    if min(margins) < 1 or min(grid) < 1:
        raise ValueError(f"radii and blocks must be 1 or more, got {margins} and {grid} (t, y, x)")
    for name, size, margin, blocks in zip(
        ("frames", "rows", "columns"), clip.shape, margins, grid, strict=True
    ):
        if size < 2 * margin + blocks:
            raise ValueError(f"{size} {name} are too few: {2 * margin + blocks} are needed at least")
    t, h, w = (size - 2 * margin for size, margin in zip(clip.shape, margins, strict=True))
    return t, h, w


def block_numbers(shape: tuple[int, int, int], grid: tuple[int, int, int]) -> NDArray[np.intp]:
    """``shape`` filled with the number of the block each voxel lies in; blocks differ by one at most."""
    t, y, x = (np.arange(n) * parts // n for n, parts in zip(shape, grid, strict=True))
    numbers: NDArray[np.intp] = (t[:, None, None] * grid[1] + y[:, None]) * grid[2] + x
    return numbers


def joint_histograms(
    planes: list[NDArray[np.intp]], blocks: NDArray[np.intp], bins: int
) -> NDArray[np.float32]:
    """Histograms of each plane in each block, normed to sum 1: ``(blocks * planes * bins,)`` float32."""
    total = int(blocks.max()) + 1
    size = total * bins
    counts = [
        np.bincount((blocks * bins + codes).ravel(), minlength=size).reshape(total, bins) for codes in planes
    ]
    stacked = np.stack(counts, axis=1).astype(np.float32)
    features: NDArray[np.float32] = (stacked / stacked.sum(axis=2, keepdims=True)).ravel()
    return features


def _shifted(volume: Volume, margins: tuple[int, ...], by: dict[int, int]) -> Volume:
    """A view of the inner volume, moved by whole voxels along some axes."""
    cut = tuple(
        slice(margin + by.get(axis, 0), size - margin + by.get(axis, 0))
        for axis, (size, margin) in enumerate(zip(volume.shape, margins, strict=True))
    )
    return volume[cut]


def _interpolated(volume: Volume, margin: int, axis: int, by: float) -> Volume:
    """The inner part along one axis, moved by a fraction; equal neighbours stay exactly equal."""
    margins = tuple(margin if a == axis else 0 for a in range(volume.ndim))
    low = floor(by)
    first = _shifted(volume, margins, {axis: low})
    if by == low:
        return first
    between = _shifted(volume, margins, {axis: low + 1}) - first
    between *= np.float32(by - low)
    between += first
    return between
