"""LPQ-TOP against a slow direct implementation of its definition, and by what must not change it."""

from __future__ import annotations

import cmath
from math import pi

import numpy as np
import pytest

from stream_mer.core.lpq_top import lpq_top, plane_phases, whitening

RNG = np.random.default_rng(6)


def coefficients(patch: np.ndarray) -> list[float]:
    """Real, then imaginary parts of the short-term Fourier transform of ``patch[u, v]``."""
    mu, mv = patch.shape
    a, b = 1 / mu, 1 / mv
    found = []
    for fu, fv in ((a, 0.0), (0.0, b), (a, b), (a, -b)):
        total = 0j
        for i in range(mu):
            for j in range(mv):
                total += patch[i, j] * cmath.exp(-2j * pi * (fu * (i - mu // 2) + fv * (j - mv // 2)))
        found.append(total)
    return [z.real for z in found] + [z.imag for z in found]


def direct(clip: np.ndarray, windows, grid, correlation: float | None) -> np.ndarray:
    """The definition, voxel by voxel."""
    wx, wy, wt = windows
    hx, hy, ht = wx // 2, wy // 2, wt // 2
    inner = tuple(n - 2 * m for n, m in zip(clip.shape, (ht, hy, hx), strict=True))
    counts = np.zeros((grid[2], grid[0], grid[1], 3, 256))
    exact = clip.astype(float)
    for t in range(inner[0]):
        for y in range(inner[1]):
            for x in range(inner[2]):
                rows, cols, times = slice(y, y + wy), slice(x, x + wx), slice(t, t + wt)
                patches = (
                    (exact[t + ht, rows, cols].T, (hx, hy)),
                    (exact[times, y + hy, cols].T, (hx, ht)),
                    (exact[times, rows, x + hx].T, (hy, ht)),
                )
                block = (t * grid[2] // inner[0], y * grid[0] // inner[1], x * grid[1] // inner[2])
                for plane, (patch, halves) in enumerate(patches):
                    values = np.array(coefficients(patch))
                    if correlation is not None:
                        values = whitening(*halves, correlation) @ values
                    counts[(*block, plane, sum(1 << n for n, v in enumerate(values) if v >= -0.01))] += 1
    return (counts / counts.sum(-1, keepdims=True)).ravel()


@pytest.mark.parametrize("correlation", [None, 0.9])
@pytest.mark.parametrize(
    ("shape", "windows", "grid"),
    [
        ((7, 10, 11), (5, 3, 5), (2, 1, 1)),
        ((8, 9, 9), (3, 5, 3), (1, 2, 2)),
        ((9, 9, 9), (7, 7, 5), (1, 1, 1)),
    ],
)
def test_equals_the_definition(shape, windows, grid, correlation) -> None:
    clip = RNG.integers(0, 256, shape, dtype=np.uint8)
    found = lpq_top(clip, windows=windows, grid=grid, correlation=correlation)
    np.testing.assert_allclose(found, direct(clip, windows, grid, correlation), atol=1e-6)
    assert found.dtype == np.float32


def test_whitening_makes_the_coefficients_uncorrelated() -> None:
    rotation = whitening(3, 3, 0.9)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(8), atol=1e-9)
    # Pictures with the assumed correlation: white noise through the covariance's root.
    u, v = (a.ravel() for a in np.meshgrid(range(7), range(7), indexing="ij"))
    covariance = 0.9 ** np.hypot(u[:, None] - u, v[:, None] - v)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    patches = (root @ RNG.normal(size=(49, 4000))).T.reshape(-1, 7, 7)
    white = np.array([coefficients(patch) for patch in patches[:1500]]) @ rotation.T
    found = np.corrcoef(white.T) - np.eye(8)
    assert np.abs(found).max() < 0.1


def test_a_flat_clip_fills_one_bin_of_each_plane() -> None:
    feature = lpq_top(np.full((9, 20, 20), 77, np.uint8), grid=(2, 2, 1)).reshape(4, 3, 256)
    assert (np.count_nonzero(feature, axis=2) == 1).all()


@pytest.mark.parametrize("plane", [(2, 0), (1, 0)])
def test_a_static_clip_has_no_temporal_phase(plane: tuple[int, int]) -> None:
    # Every coefficient with a temporal frequency is 0 then, so only the purely spatial one has bits.
    clip = np.stack([RNG.integers(0, 256, (24, 24)).astype(np.float32)] * 9)
    spatial = 1 << 0 | 1 << 4
    codes = plane_phases(clip, (2, 3, 3), plane, None)
    assert ((codes | spatial) == 255).all()
    clip[4] = RNG.integers(0, 256, (24, 24))
    assert not ((plane_phases(clip, (2, 3, 3), plane, None) | spatial) == 255).all()


def test_brightness_does_not_matter_and_symmetric_blur_hardly() -> None:
    clip = RNG.integers(60, 180, (9, 40, 40)).astype(np.uint8)
    np.testing.assert_array_equal(lpq_top(clip), lpq_top(clip + 40))
    smooth = clip.astype(float)
    for _ in range(3):
        smooth = (np.roll(smooth, 1, 2) + 2 * smooth + np.roll(smooth, -1, 2)) / 4
        smooth = (np.roll(smooth, 1, 1) + 2 * smooth + np.roll(smooth, -1, 1)) / 4
    sharp = smooth.round().astype(np.uint8)
    s = sharp.astype(float)
    blurred = (np.roll(s, 1, 2) + 2 * s + np.roll(s, -1, 2)) / 4
    codes = [plane_phases(a[:, 4:-4, 4:-4].astype(np.float32), (2, 3, 3), (2, 1), None) for a in (s, blurred)]
    same = np.mean([((codes[0] ^ codes[1]) >> n & 1) == 0 for n in range(8)])
    assert same > 0.97


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((4, 30, 30), {}, "4 frames are too few: 5 are needed"),
        ((9, 30, 30), {"windows": (7, 6, 5)}, "odd and 3 or more"),
        ((9, 30, 30), {"windows": (1, 7, 5)}, "odd and 3 or more"),
        ((9, 30, 30), {"correlation": 1.0}, "between 0 and 1, got 1"),
    ],
)
def test_refuses_what_it_cannot_describe(shape, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        lpq_top(np.zeros(shape, np.uint8), **options)
