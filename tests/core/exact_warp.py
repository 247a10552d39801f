"""The exact sampler that ``warp`` is compared with: slow, plain NumPy, coordinates in float64 to the end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_mer.types import HR_SIZE, ArrayF32, ArrayF64, Similarity


def exact_sample(rgb: NDArray[np.uint8], pose: Similarity, size: int, sub: int) -> ArrayF32:
    """``(size, size, C)`` float32, every pixel the mean of ``sub x sub`` Catmull-Rom samples."""
    grid = (np.arange(size * sub) + 0.5) * (HR_SIZE / (size * sub))
    u, v = np.meshgrid(grid, grid)
    x = pose.a * u - pose.b * v + pose.tx - 0.5
    y = pose.b * u + pose.a * v + pose.ty - 0.5
    out = bicubic(rgb.astype(np.float32), x.ravel(), y.ravel()).reshape(size, sub, size, sub, -1)
    return out.mean((1, 3), dtype=np.float32)


def bicubic(patch: ArrayF32, x: ArrayF64, y: ArrayF64) -> ArrayF32:
    """Catmull-Rom samples of ``(H, W, C)`` float32 at pixel-index points; ``(N, C)`` float32.

    The border repeats. Source: Keys 1981 with a = -0.5.
    """
    h, w, channels = patch.shape
    ix, iy = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    wx, wy = _cubic_weights(x - ix), _cubic_weights(y - iy)
    flat = patch.reshape(-1, channels)
    cols = [np.clip(ix + k, 0, w - 1) for k in (-1, 0, 1, 2)]
    out = np.zeros((len(x), channels), np.float32)
    for j in range(4):
        row = np.clip(iy + j - 1, 0, h - 1) * w
        line = flat[row + cols[0]] * wx[0][:, None]
        for i in (1, 2, 3):
            line += flat[row + cols[i]] * wx[i][:, None]
        out += line * wy[j][:, None]
    return out


def _cubic_weights(t: ArrayF64) -> list[ArrayF32]:
    t = t.astype(np.float32)  # type: ignore[assignment]
    t2, t3 = t * t, t * t * t
    weights = [
        -0.5 * t3 + t2 - 0.5 * t,
        1.5 * t3 - 2.5 * t2 + 1.0,
        -1.5 * t3 + 2.0 * t2 + 0.5 * t,
        0.5 * t3 - 0.5 * t2,
    ]
    return [w.astype(np.float32) for w in weights]
