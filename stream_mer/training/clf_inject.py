"""Puts a micro-expression into a real face that is already registered: truth that clips cannot give.

Real skin, light, codec and head motion around a motion that is known exactly. The displacement comes
from outside (the clip generator's action-unit fields); here it becomes dense and moves the pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stream_mer.training.clf_data import FaceStrip, Span
from stream_mer.types import HR_SIZE, ArrayF32, ArrayF64, ImageU8

SPREAD_PX = 3.0
"""Reach of one mesh point's say in the dense field, canonical px: about the mesh's own spacing."""
REACH_PX = 7.0
"""Distance from the mesh at which the field has faded to about a half."""

Resample = Callable[[ImageU8, ArrayF32, ArrayF32], ImageU8]
"""Picture, x and y pixel indices -> picture."""


@dataclass(frozen=True, slots=True)
class Injection:
    """One event: ``field`` ``(468, 2)`` canonical px at the apex, on mesh ``points`` ``(468, 2)``;
    ``heights`` ``(T,)`` 0..1 for every picture of the strip."""

    span: Span
    points: ArrayF64
    field: ArrayF64
    heights: ArrayF64


def dense_field(points: ArrayF64, field: ArrayF64) -> ArrayF32:
    """Smooth displacement of every pixel, ``(128, 128, 2)`` float32, from that of the mesh points."""
    cells = 64
    axis = (np.arange(cells) + 0.5) * (HR_SIZE / cells)
    gx = np.exp(-0.5 * ((axis[:, None] - points[:, 0]) / SPREAD_PX) ** 2)
    gy = np.exp(-0.5 * ((axis[:, None] - points[:, 1]) / SPREAD_PX) ** 2)
    total = gy @ gx.T
    floor = np.exp(-0.5 * (REACH_PX / SPREAD_PX) ** 2)
    planes = [(gy * field[:, k]) @ gx.T / (total + floor) for k in (0, 1)]
    spread = np.repeat(np.repeat(np.stack(planes, -1), 2, 0), 2, 1)
    padded = np.pad(spread, ((1, 1), (1, 1), (0, 0)), mode="edge")  # 3x3 tent: hides the 2x2 blocks
    rows = 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]
    return (0.25 * rows[:, :-2] + 0.5 * rows[:, 1:-1] + 0.25 * rows[:, 2:]).astype(np.float32)


def inject(strip: FaceStrip, injections: Sequence[Injection], resample: Resample) -> FaceStrip:
    """The strip with the events in it; its LR pictures follow by averaging 4x4 pixels.

    Pixels are fetched backwards with the field taken at the target, corrected once, which is exact to
    a few hundredths of a pixel for fields this smooth.
    """
    pictures, lr = strip.pictures.copy(), strip.lr.copy()
    y, x = np.mgrid[0:HR_SIZE, 0:HR_SIZE].astype(np.float32)
    for item in injections:
        field = dense_field(item.points, item.field)
        for index in np.flatnonzero(item.heights > 1e-4):
            move = field * np.float32(item.heights[index])
            once = resample_field(move, x - move[..., 0], y - move[..., 1])
            picture = resample(pictures[index], x - once[..., 0], y - once[..., 1])
            pictures[index] = picture
            blocks = picture.reshape(32, 4, 32, 4, 3).mean((1, 3))
            lr[index] = np.rint(blocks).astype(np.uint8)
    return replace(strip, pictures=pictures, lr=lr)


def resample_field(field: ArrayF32, x: ArrayF32, y: ArrayF32) -> ArrayF32:
    """Bilinear samples of an ``(H, W, 2)`` field at pixel indices, border repeated."""
    height, width = field.shape[:2]
    x, y = np.clip(x, 0, width - 1.001), np.clip(y, 0, height - 1.001)
    ix, iy = x.astype(np.intp), y.astype(np.intp)
    fx, fy = (x - ix)[..., None], (y - iy)[..., None]
    top = field[iy, ix] * (1 - fx) + field[iy, ix + 1] * fx
    bottom = field[iy + 1, ix] * (1 - fx) + field[iy + 1, ix + 1] * fx
    out: ArrayF32 = (top * (1 - fy) + bottom * fy).astype(np.float32)
    return out
