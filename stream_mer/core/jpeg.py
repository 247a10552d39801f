"""What JPEG coding takes away from a picture, without writing a file.

Only the lossy steps are done: colour transform, halved chroma, 8x8 DCT, quantisation, and back.
"""

from __future__ import annotations

import numpy as np

from stream_mer.types import ArrayF64, ImageU8

LUMA = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    np.float64,
)
"""Quantisation of luma at quality 50. Source: ITU-T T.81, table K.1."""
CHROMA = np.full((8, 8), 99.0)
CHROMA[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
"""Quantisation of chroma at quality 50. Source: ITU-T T.81, table K.2."""


def dct(side: int) -> ArrayF64:
    """Orthonormal DCT-II of ``side`` points, rows are frequencies."""
    k = np.arange(side)
    weight = np.sqrt(np.where(k == 0, 1, 2) / side)[:, None]
    return np.asarray(weight * np.cos(np.pi * k[:, None] * (2 * k + 1) / (2 * side)))


DCT = dct(8)

TO_YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
"""RGB to Y Cb Cr (full range). Source: JFIF 1.02."""
FROM_YCC = np.linalg.inv(TO_YCC)


def jpeg_loss(rgb: ImageU8, quality: int) -> ImageU8:
    """``rgb`` after JPEG coding at ``quality`` with 4:2:0 chroma.

    Args:
        rgb: ``(H, W, 3)`` uint8, sides divisible by 16.
        quality: 1..100, libjpeg's scale.

    Returns:
        ``(H, W, 3)`` uint8.

    Raises:
        ValueError: sides or quality out of range.
    """
    h, w, _ = rgb.shape
    if h % 16 or w % 16 or not 1 <= quality <= 100:
        raise ValueError(f"jpeg_loss needs sides divisible by 16 and quality 1..100, got {w}x{h}, {quality}")
    scale = 5000 / quality if quality < 50 else 200 - 2 * quality
    tables = [np.clip(np.floor((t * scale + 50) / 100), 1, 255) for t in (LUMA, CHROMA)]
    ycc = rgb.astype(np.float64) @ TO_YCC.T
    out = np.empty_like(ycc)
    out[..., 0] = _quantise(ycc[..., 0] - 128, tables[0]) + 128
    for c in (1, 2):
        half = ycc[..., c].reshape(h // 2, 2, w // 2, 2).mean((1, 3))
        out[..., c] = np.repeat(np.repeat(_quantise(half, tables[1]), 2, 0), 2, 1)
    back: ImageU8 = np.clip(np.rint(out @ FROM_YCC.T), 0, 255).astype(np.uint8)
    return back


def _quantise(plane: ArrayF64, table: ArrayF64) -> ArrayF64:
    h, w = plane.shape
    blocks = plane.reshape(h // 8, 8, w // 8, 8).swapaxes(1, 2)
    frequencies = DCT @ blocks @ DCT.T
    back = DCT.T @ (np.rint(frequencies / table) * table) @ DCT
    return np.asarray(back.swapaxes(1, 2).reshape(h, w))
