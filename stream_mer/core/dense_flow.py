"""Dense optical flow between two small grey faces: Lucas and Kanade, two levels, iterated, in NumPy.

Source: B. Lucas and T. Kanade, 1981; the warp at every step after J.-Y. Bouguet's pyramidal form.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_mer.core.memory import SIDE
from stream_mer.types import ArrayF32

_WEIGHT = 4.0
"""Added to the flow's equations (grey levels squared): where there is no texture nothing moves."""
_CELLS = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)


def _blur(side: int, sigma: float) -> ArrayF32:
    """``(side, side)``: a Gaussian mean along one axis, as a matrix."""
    apart = np.subtract.outer(np.arange(side), np.arange(side))
    weights = np.exp(-0.5 * (apart / sigma) ** 2) * (np.abs(apart) <= 3 * sigma)
    matrix: ArrayF32 = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return matrix


_WINDOWS = {side: _blur(side, 2.0) for side in (SIDE // 2, SIDE)}
_LOCAL, _JOIN = _blur(SIDE, 4.0), _blur(SIDE, 1.5)


def _sample(picture: ArrayF32, y: ArrayF32, x: ArrayF32) -> ArrayF32:
    """The picture at fractional places, between its pixels."""
    side = picture.shape[0]
    (fy, i), (fx, j) = np.modf(np.clip(y, 0, side - 1.001)), np.modf(np.clip(x, 0, side - 1.001))
    at, flat = (i * side + j).astype(np.intp), picture.ravel()
    upper, lower = flat.take(at), flat.take(at + side)
    upper += fx * (flat.take(at + 1) - upper)
    lower += fx * (flat.take(at + side + 1) - lower)
    between: ArrayF32 = upper + fy * (lower - upper)
    return between


def _refine(before: ArrayF32, now: ArrayF32, flow: ArrayF32, rounds: int) -> ArrayF32:
    """Some rounds of Lucas and Kanade from where ``flow`` ``(2, side, side)`` (x, y) has got to."""
    side = before.shape[0]
    window, (y, x) = _WINDOWS[side], _CELLS[:, :side, :side]
    down, right = np.gradient(before)
    slope: ArrayF32 = np.stack([right, down])
    a, b, c = window @ np.stack([slope[0] ** 2, slope[0] * slope[1], slope[1] ** 2]) @ window.T
    a, c = a + _WEIGHT, c + _WEIGHT
    det = a * c - b * b
    for _ in range(rounds):
        p, q = window @ (slope * (_sample(now, y + flow[1], x + flow[0]) - before)) @ window.T
        flow = flow - np.clip(np.stack([c * p - b * q, a * q - b * p]) / det, -1, 1)
    return flow


def dense_flow(before: ArrayF32, now: ArrayF32, rigid: NDArray[np.bool_]) -> ArrayF32:
    """``(2, 64, 64)`` px by which every cell moved to the right and down, the nose centred first.

    Args:
        before: ``(64, 64)`` grey face.
        now: ``(64, 64)`` grey face.
        rigid: ``(64, 64)`` where only the head moves the skin.
    """
    fine = [g - (_LOCAL @ g @ _LOCAL.T).astype(np.float32) for g in (before, now)]
    coarse: list[ArrayF32] = [g.reshape(SIDE // 2, 2, SIDE // 2, 2).mean((1, 3)) for g in fine]
    start = np.zeros((2, SIDE // 2, SIDE // 2), np.float32)
    for _ in range(3):
        flow = _refine(coarse[0], coarse[1], start, 2)
        head = np.median(flow[:, rigid[::2, ::2]], 1)[:, None, None]
        if float(np.abs(head - start[:, :1, :1]).max()) < 0.25:
            break
        start = np.broadcast_to(head, start.shape)
    wide = (_JOIN @ (2 * flow.repeat(2, 1).repeat(2, 2)) @ _JOIN.T).astype(np.float32)
    return _refine(fine[0], fine[1], wide, 3)
