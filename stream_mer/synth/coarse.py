"""A warp worked out on every few pixels of a rectangle and refined to all of them."""

from __future__ import annotations

import numpy as np

from stream_mer.synth.dense import stretched
from stream_mer.types import ArrayF32, ArrayF64


class CoarseGrid:
    """Points every ``step`` px over the pixel rectangle ``[low, high)``.

    One cell more lies on every side, because refining flattens the outermost half cell.

    Args:
        low, high: ``(2,)`` whole pixel corners (x, y).
        step: distance between points, px.
    """

    def __init__(self, low: ArrayF64, high: ArrayF64, step: int) -> None:
        x0, y0, x1, y1 = int(low[0]), int(low[1]), int(high[0]), int(high[1])
        self.inside = (slice(y0, y1), slice(x0, x1))
        self.shape = (y1 - y0, x1 - x0)
        self.step = step
        counts = [-(-(x1 - x0) // step) + 2, -(-(y1 - y0) // step) + 2]
        xs = x0 + (np.arange(counts[0]) - 0.5) * step
        ys = y0 + (np.arange(counts[1]) - 0.5) * step
        self.x, self.y = np.meshgrid(xs, ys)

    def refine(self, x: ArrayF32, y: ArrayF32) -> tuple[ArrayF32, ArrayF32]:
        """Two values known at the coarse points, at every pixel of the rectangle."""
        both = np.stack([x, y], axis=2)
        if self.step > 1:
            both = stretched(both, both.shape[1] * self.step, both.shape[0] * self.step)
        s = self.step
        both = both[s : s + self.shape[0], s : s + self.shape[1]]
        return np.ascontiguousarray(both[:, :, 0]), np.ascontiguousarray(both[:, :, 1])
