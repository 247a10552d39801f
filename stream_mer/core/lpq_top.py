"""Describes how a clip's texture looks and moves by phases, which blur does not change: LPQ on three planes.

Around every voxel the signs of the local Fourier transform at four low frequencies make an eight-bit
code; histograms of the codes over XY, XT and YT, block by block, are the clip's feature vector.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stream_mer.core.lbp_top import PLANES, block_numbers, inner_shape, joint_histograms
from stream_mer.types import ArrayF64

Volume: TypeAlias = NDArray[Any]
CODES = 256
_NOTHING = np.float32(1e-2)
"""Coefficients (sums over a window of grey levels 0..255) this small are rounding; they count as 0, or
chance would give a flat patch its code."""
CORRELATION = 0.9
"""Correlation of neighbouring pixels assumed for whitening. Source: Ojansivu & Heikkilä, ICISP 2008."""


def lpq_top(
    clip: NDArray[np.uint8],
    *,
    windows: tuple[int, int, int] = (7, 7, 5),
    grid: tuple[int, int, int] = (5, 5, 1),
    correlation: float | None = CORRELATION,
) -> NDArray[np.float32]:
    """The LPQ-TOP feature of a clip, each histogram normed to sum 1.

    Only voxels whose windows lie inside the clip count; that inner volume is what ``grid`` divides.

    Args:
        clip: ``(T, H, W)`` uint8 grey pictures.
        windows: lengths of the windows along x, y and t, odd, 3 or more; the frequencies are 1/length.
        grid: blocks down, across and in time.
        correlation: of neighbouring pixels, for whitening the coefficients; None leaves them as they are.

    Returns:
        ``(blocks * 3 * 256,)`` float32; block by block (time outermost, then down, then across), in each
        XY, XT, YT.

    Raises:
        ValueError: not such a clip, or it is smaller than its windows and blocks need.

    Source: Ojansivu, Heikkilä, ICISP 2008 (LPQ); Päivärinta, Rahtu, Heikkilä, SCIA 2011 (three planes).
    """
    if any(length < 3 or length % 2 == 0 for length in windows):
        raise ValueError(f"windows must be odd and 3 or more, got {windows}")
    if correlation is not None and not 0 < correlation < 1:
        raise ValueError(f"correlation must lie between 0 and 1, got {correlation:g}")
    margins = (windows[2] // 2, windows[1] // 2, windows[0] // 2)
    inner = inner_shape(clip, margins, (grid[2], grid[0], grid[1]))
    blocks = block_numbers(inner, (grid[2], grid[0], grid[1]))
    exact = clip.astype(np.float32)
    codes = [plane_phases(exact, margins, plane, correlation) for plane in PLANES]
    return joint_histograms(codes, blocks, CODES)


def plane_phases(
    clip: NDArray[np.float32],
    margins: tuple[int, int, int],
    plane: tuple[int, int],
    correlation: float | None,
) -> NDArray[np.intp]:
    """The code of every inner voxel in one plane: bit n is set where coefficient n is >= 0.

    Coefficients are the real, then the imaginary parts at (a, 0), (0, b), (a, b) and (a, -b).

    Args:
        clip: ``(T, H, W)`` float32.
        margins: half windows along t, y, x.
        plane: axes of the plane, as in ``PLANES``.
        correlation: see ``lpq_top``.
    """
    axis_u, axis_v = plane
    other = 3 - axis_u - axis_v
    sheet = clip[tuple(slice(margins[a], -margins[a]) if a == other else slice(None) for a in range(3))]
    flat_u, wave_u = (_filtered(sheet, axis_u, w) for w in _windows(margins[axis_u]))
    box, wave = _windows(margins[axis_v])
    only_u = _filtered(wave_u, axis_v, box)
    only_v = _filtered(flat_u, axis_v, wave)
    both, against = _filtered(wave_u, axis_v, wave), _filtered(wave_u, axis_v, wave.conj())
    parts = [f for c in (only_u, only_v, both, against) for f in (c.real, c.imag)]
    order = [parts[i] for i in (0, 2, 4, 6, 1, 3, 5, 7)]
    if correlation is not None:
        whitener = whitening(margins[axis_u], margins[axis_v], correlation).astype(np.float32)
        order = list(np.tensordot(whitener, np.stack(order), axes=1))
    codes = np.zeros(order[0].shape, np.intp)
    for bit, coefficient in enumerate(order):
        codes |= (coefficient >= -_NOTHING).astype(np.intp) << bit
    return codes


@cache
def whitening(half_u: int, half_v: int, correlation: float) -> ArrayF64:
    """``(8, 8)`` rotation that makes the coefficients uncorrelated for a first-order Markov picture.

    Args:
        half_u: half window along u, whole pixels.
        half_v: half window along v.
        correlation: of neighbours; falls with the distance as ``correlation ** distance``.
    """
    (box_u, wave_u), (box_v, wave_v) = _windows(half_u), _windows(half_v)
    waves = [
        np.outer(wave_u, box_v),
        np.outer(box_u, wave_v),
        np.outer(wave_u, wave_v),
        np.outer(wave_u, wave_v.conj()),
    ]
    rows = np.array([w.ravel() for w in waves])
    basis = np.concatenate([rows.real, rows.imag])
    u, v = np.meshgrid(np.arange(2 * half_u + 1), np.arange(2 * half_v + 1), indexing="ij")
    distance = np.hypot(u.ravel()[:, None] - u.ravel(), v.ravel()[:, None] - v.ravel())
    covariance = basis @ correlation**distance @ basis.T
    # Equal variances would leave the rotation to chance: scale each a little apart, as the authors do.
    apart = np.diag(1 + 1e-6 * np.arange(8, 0, -1))
    _, vectors = np.linalg.eigh(apart @ covariance @ apart)
    rotation = vectors[:, ::-1].T
    largest = np.abs(rotation).argmax(axis=1)
    signs = np.sign(rotation[np.arange(8), largest])
    whitener: ArrayF64 = rotation * signs[:, None]
    whitener.setflags(write=False)
    return whitener


def _windows(half: int) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """The constant window and the lowest full wave over ``2 * half + 1`` samples."""
    places = np.arange(-half, half + 1)
    return np.ones(len(places), complex), np.exp(-2j * np.pi * places / len(places))


def _filtered(volume: Volume, axis: int, window: NDArray[np.complex128]) -> Volume:
    """Correlation with a window along one axis, only where it fits whole."""
    taps = window.astype(np.complex64) if np.iscomplexobj(volume) or window.imag.any() else window.real
    kept = volume.shape[axis] - len(window) + 1
    at = [slice(None)] * volume.ndim
    total: Volume = np.zeros((), np.float32)
    for start, tap in enumerate(taps):
        at[axis] = slice(start, start + kept)
        total = total + volume[tuple(at)] * np.asarray(
            tap, np.float32 if np.isrealobj(taps) else np.complex64
        )
    return total
