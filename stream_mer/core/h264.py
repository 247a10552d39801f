"""What H.264 coding takes away from a single picture, without writing a video.

Only the lossy steps of an intra frame are done: 4:2:0 chroma, an 8x8 transform of luma and 4x4 of
chroma, flat quantisation with a dead zone, and a deblocking filter. Prediction is left out: it saves
bits, and of the loss it changes only which small differences fall into the dead zone.
"""

from __future__ import annotations

import numpy as np

from stream_mer.core.jpeg import FROM_YCC, TO_YCC, dct
from stream_mer.types import ArrayF64, ImageU8

DEAD_ZONE = 1 / 3
"""What is added before a coefficient is cut to whole steps: x264's and JM's choice for intra blocks."""
CHROMA_QP = (29, 30, 31, 32, 32, 33, 34, 34, 35, 35, 36, 36, 37, 37, 37, 38, 38, 38, 39, 39, 39, 39)
"""Chroma's quantiser for luma's from 30 to 51. Source: ITU-T H.264, table 8-15."""


def step_size(qp: float) -> float:
    """Quantiser step in grey levels: 0.625 at 0, doubling every 6. Source: ITU-T H.264, 8.5."""
    return float(0.625 * 2 ** (qp / 6))


def h264_loss(rgb: ImageU8, qp: int) -> ImageU8:
    """``rgb`` as an H.264 intra frame at quantiser ``qp`` shows it.

    Args:
        rgb: ``(H, W, 3)`` uint8, sides divisible by 16.
        qp: 0..51; surveillance video has about 24 to 38.

    Returns:
        ``(H, W, 3)`` uint8.

    Raises:
        ValueError: sides or quantiser out of range.
    """
    h, w, _ = rgb.shape
    if h % 16 or w % 16 or not 0 <= qp <= 51:
        raise ValueError(f"h264_loss needs sides divisible by 16 and a quantiser of 0..51, got {w}x{h}, {qp}")
    ycc = rgb.astype(np.float64) @ TO_YCC.T
    out = np.empty_like(ycc)
    out[..., 0] = _deblocked(_quantised(ycc[..., 0], 8, step_size(qp)), 8, qp)
    chroma_qp = CHROMA_QP[qp - 30] if qp >= 30 else qp
    for c in (1, 2):
        half = ycc[..., c].reshape(h // 2, 2, w // 2, 2).mean((1, 3))
        coded = _deblocked(_quantised(half, 4, step_size(chroma_qp)), 4, chroma_qp)
        out[..., c] = np.repeat(np.repeat(coded, 2, 0), 2, 1)
    back: ImageU8 = np.clip(np.rint(out @ FROM_YCC.T), 0, 255).astype(np.uint8)
    return back


def _quantised(plane: ArrayF64, side: int, step: float) -> ArrayF64:
    h, w = plane.shape
    blocks = plane.reshape(h // side, side, w // side, side).swapaxes(1, 2)
    base = dct(side)
    levels = base @ blocks @ base.T / step
    kept = np.sign(levels) * np.floor(np.abs(levels) + DEAD_ZONE)
    kept[..., 0, 0] = np.rint(levels[..., 0, 0])  # the mean is predicted, its rest does not fall away
    back = base.T @ (kept * step) @ base
    return np.asarray(back.swapaxes(1, 2).reshape(h, w))


def _deblocked(plane: ArrayF64, side: int, qp: int) -> ArrayF64:
    """Small steps at block borders are smoothed, large ones (real edges) left.

    Source of thresholds: List et al. 2003, adaptive deblocking filter (fits of the standard's tables).
    """
    large, rough = 0.8 * (2 ** (qp / 6) - 1), max(0.0, 0.5 * qp - 7)
    for _ in range(2):
        at = np.arange(side, plane.shape[1], side)
        p1, p0, q0, q1 = (plane[:, at + k] for k in (-2, -1, 0, 1))
        soft = (np.abs(p0 - q0) < large) & (np.abs(p1 - p0) < rough) & (np.abs(q1 - q0) < rough)
        move = np.where(soft, np.clip((4 * (q0 - p0) + p1 - q1) / 8, -large / 9, large / 9), 0.0)
        smooth = plane.copy()
        smooth[:, at - 1] += move
        smooth[:, at] -= move
        plane = smooth.T
    return plane
