"""THE crop: where a canonical face lies in a frame, and how its pixels are sampled.

Training and serving both cut faces with ``sample`` and place them with ``pose_from_keypoints``, so a
network never meets a crop in service that it could not have met in training.

The canonical crop is 128x128: eye centres 40 px apart at y = 46, symmetric about x = 64, which makes
a face about 92 px wide. The LR crop is the same square at 32x32. Pixel centres lie at half-integers
in canonical coordinates (``u = column + 0.5`` at 128x128), and likewise in the frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_mer.types import HR_SIZE, ArrayF32, ArrayF64, Box, ImageU8, Similarity

EYE_DISTANCE = 40.0
"""Distance between the eye centres in the canonical crop, canonical px."""
FACE_WIDTH = 92.0
"""Width of a face in the canonical crop, canonical px; ``face_px = FACE_WIDTH * pose.scale``."""
ANCHORS: ArrayF64 = np.array([[44.0, 46.0], [84.0, 46.0], [64.0, 69.0], [64.0, 89.0]])
"""Where both eyes, the nose tip and the mouth centre lie in the canonical crop."""


def fit_similarity(source: ArrayF64, target: ArrayF64, weights: ArrayF64 | None = None) -> Similarity:
    """Weighted least-squares similarity that takes ``source`` points to ``target`` points.

    Args:
        source: ``(N, 2)`` points, N >= 2, not all equal.
        target: ``(N, 2)`` points.
        weights: ``(N,)`` non-negative, default all one.

    Raises:
        ValueError: fewer than two distinct source points.

    Source: closed form of Umeyama 1991 restricted to the plane, without reflection.
    """
    w = np.ones(len(source)) if weights is None else weights
    total = w.sum()
    if len(source) < 2 or total <= 0:
        raise ValueError("a similarity needs at least two weighted points")
    ms, mt = (w[:, None] * source).sum(0) / total, (w[:, None] * target).sum(0) / total
    s, t = source - ms, target - mt
    spread = float((w * (s**2).sum(1)).sum())
    if spread <= 1e-12:
        raise ValueError("a similarity needs at least two distinct points")
    a = float((w * (s * t).sum(1)).sum()) / spread
    b = float((w * (s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0])).sum()) / spread
    return Similarity(a, b, float(mt[0] - a * ms[0] + b * ms[1]), float(mt[1] - b * ms[0] - a * ms[1]))


def pose_from_keypoints(keypoints: ArrayF64) -> Similarity:
    """Pose of the canonical crop from a detection's ``(6, 2)`` key points (the ears are ignored)."""
    return fit_similarity(ANCHORS, keypoints[:4])


def crop_box(pose: Similarity) -> Box:
    """The face (not the whole crop) as an upright box in the frame."""
    half_w, top, bottom = FACE_WIDTH / 2, 12.0, 118.0
    corners = np.array([[64 - half_w, top], [64 + half_w, top], [64 - half_w, bottom], [64 + half_w, bottom]])
    xy = pose.apply(corners)
    return Box(*(float(c) for c in (*xy.min(0), *xy.max(0))))


def sample(rgb: ImageU8, pose: Similarity, size: int) -> ImageU8:
    """Cut the canonical crop out of a frame at ``size x size`` by one sub-pixel warp.

    Coordinates stay in floating point to the end (OpenCV's warps round them to 1/32 px, which is
    above the jitter allowed here). When the crop shrinks the frame, a grid of up to 4x4 points per
    output pixel is averaged, which is the paper's area down-sampling.

    Args:
        rgb: frame, ``(H, W, 3)`` uint8.
        pose: crop -> frame.
        size: output side in px (32 for LR, 128 for a native face).

    Returns:
        ``(size, size, 3)`` uint8, owned by the caller; outside the frame the border repeats.
    """
    return np.clip(np.rint(sample_f32(rgb, pose, size)), 0, 255).astype(np.uint8)


def sample_f32(rgb: NDArray[np.uint8], pose: Similarity, size: int) -> ArrayF32:
    """``sample`` without the final rounding: ``(size, size, C)`` float32 for ``(H, W, C)`` uint8."""
    step = HR_SIZE / size * pose.scale  # frame pixels per output pixel
    reduce = max(1, int(step / 4))
    region, x0, y0 = _region(rgb, pose, margin=3 * reduce + 2)
    patch = region.astype(np.float32)
    if reduce > 1:
        h, w = patch.shape[0] // reduce * reduce, patch.shape[1] // reduce * reduce
        patch = patch[:h, :w].reshape(h // reduce, reduce, w // reduce, reduce, -1).mean((1, 3))
    sub = int(np.clip(np.ceil(step / reduce - 0.25), 1, 4))
    grid = (np.arange(size * sub) + 0.5) * (HR_SIZE / (size * sub))
    u, v = np.meshgrid(grid, grid)
    x = (pose.a * u - pose.b * v + pose.tx - x0) / reduce - 0.5
    y = (pose.b * u + pose.a * v + pose.ty - y0) / reduce - 0.5
    out = bicubic(patch, x.ravel(), y.ravel()).reshape(size, sub, size, sub, -1)
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


def _region(rgb: NDArray[np.uint8], pose: Similarity, margin: int) -> tuple[NDArray[np.uint8], int, int]:
    """The part of the frame that the crop can touch, and its offset; at least one pixel."""
    corners = pose.apply(np.array([[0.0, 0.0], [HR_SIZE, 0.0], [0.0, HR_SIZE], [HR_SIZE, HR_SIZE]]))
    h, w = rgb.shape[:2]
    low, high = np.floor(corners.min(0)).astype(int) - margin, np.ceil(corners.max(0)).astype(int) + margin
    x0, y0 = int(np.clip(low[0], 0, w - 1)), int(np.clip(low[1], 0, h - 1))
    x1, y1 = int(np.clip(high[0], x0 + 1, w)), int(np.clip(high[1], y0 + 1, h))
    return rgb[y0:y1, x0:x1], x0, y0
