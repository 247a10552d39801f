"""Where a canonical face lies in a frame: the crop's measures and the maps between crop and frame.

Training and serving both place faces with ``pose_from_keypoints`` and cut them with ``warp.sample``, so a
network never meets a crop in service that it could not have met in training.

The canonical crop is 128x128: eye centres 40 px apart at y = 46, symmetric about x = 64, which makes
a face about 92 px wide. The LR crop is the same square at 32x32. Pixel centres lie at half-integers
in canonical coordinates (``u = column + 0.5`` at 128x128), and likewise in the frame.
"""

from __future__ import annotations

import numpy as np

from stream_mer.types import ArrayF64, Box, Similarity

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


def compose(outer: Similarity, inner: Similarity) -> Similarity:
    """The similarity that applies ``inner`` first, then ``outer``."""
    return Similarity(
        outer.a * inner.a - outer.b * inner.b,
        outer.b * inner.a + outer.a * inner.b,
        outer.a * inner.tx - outer.b * inner.ty + outer.tx,
        outer.b * inner.tx + outer.a * inner.ty + outer.ty,
    )


def pose_from_keypoints(keypoints: ArrayF64) -> Similarity:
    """Pose of the canonical crop from a detection's ``(6, 2)`` key points (the ears are ignored)."""
    return fit_similarity(ANCHORS, keypoints[:4])


def crop_box(pose: Similarity) -> Box:
    """The face (not the whole crop) as an upright box in the frame."""
    half_w, top, bottom = FACE_WIDTH / 2, 12.0, 118.0
    corners = np.array([[64 - half_w, top], [64 + half_w, top], [64 - half_w, bottom], [64 + half_w, bottom]])
    xy = pose.apply(corners)
    return Box(*(float(c) for c in (*xy.min(0), *xy.max(0))))
