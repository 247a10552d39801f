"""From a few hundred moved mesh points to a smooth displacement of every pixel around a face.

Displacements live on a square grid of nodes over the portrait and its margin, fine enough to be
interpolated linearly. Between mesh points they follow a normalised Gaussian average; away from the
face they fade to nothing, so that nothing tears.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from stream_mer.synth.action_units import is_lid_unit, smiling_sides
from stream_mer.synth.dense import blurred, filled_outline, resample
from stream_mer.synth.fields import FieldStyle, field_on_mesh, on_side
from stream_mer.synth.landmarks import LOWER_LID, UPPER_LID, face_axes
from stream_mer.types import ArrayF32, ArrayF64

NODE_STEP = 0.02
"""Distance between nodes, face widths."""
BANDWIDTH = 0.032
"""Standard deviation of the Gaussian average over mesh points, face widths."""
FADE = 0.08
"""Weight of 'no motion' in the average; the field halves where the points' weights sum to this."""


INVERSION_ERROR = 0.01
"""What the inversion of a warp may leave of its steepest displacement, a share of it."""


class WarpBasis:
    """Turns fields on the mesh of one face into dense ones over a rectangle.

    Args:
        mesh: ``(468, 2 or 3)`` points in px of the picture (z towards the viewer negative, same unit).
        low, high: ``(2,)`` corners of the rectangle that the grid covers, px; None: the face with room
            for every displacement to fade.
    """

    def __init__(self, mesh: ArrayF64, low: ArrayF64 | None = None, high: ArrayF64 | None = None) -> None:
        self.mesh = np.asarray(mesh, np.float64)
        self.axes = face_axes(self.mesh)
        self.step = NODE_STEP * self.axes.width
        room = 0.3 * self.axes.width
        self.origin = self.mesh[:, :2].min(0) - room if low is None else np.asarray(low, np.float64)
        size = (self.mesh[:, :2].max(0) + room if high is None else np.asarray(high)) - self.origin
        self.columns, self.rows = (int(np.ceil(v / self.step)) for v in size)
        self._weights_of_points()
        self._eyes = self._eye_mask()

    def node_index(self, x: ArrayF32, y: ArrayF32) -> tuple[ArrayF32, ArrayF32]:
        """Portrait points as fractional node indices, for ``resample``."""
        inverse = np.float32(1.0 / self.step)
        return (
            (x - np.float32(self.origin[0])) * inverse - np.float32(0.5),
            (y - np.float32(self.origin[1])) * inverse - np.float32(0.5),
        )

    def at_points(self, grid: ArrayF32, points: ArrayF64) -> ArrayF64:
        """A dense ``(rows, columns, C)`` grid at ``(N, 2)`` portrait points; ``(N, C)``."""
        x, y = self.node_index(points[None, :, 0].astype(np.float32), points[None, :, 1].astype(np.float32))
        values: ArrayF64 = resample(grid, x, y)[0].astype(np.float64)
        return values

    def invert(self, local: ArrayF32, ux: ArrayF32, uy: ArrayF32) -> tuple[ArrayF32, ArrayF32]:
        """The points that the displacement ``local`` takes to ``(ux, uy)``, by fixed-point steps.

        Each step leaves at most the steepest gradient's share of the error, so steep warps get more steps.
        """
        gradient = max(float(np.abs(np.diff(local, axis=a)).max()) for a in (0, 1)) / self.step
        steepest = float(np.clip(1.2 * gradient, 1e-3, 0.9))
        x, y = ux, uy
        for _ in range(max(2, int(np.ceil(np.log(INVERSION_ERROR) / np.log(steepest))))):
            offset = resample(local, *self.node_index(x, y))
            x, y = ux - offset[:, :, 0], uy - offset[:, :, 1]
        return x, y

    def spread(self, on_mesh: ArrayF64, keep_eyes: bool) -> ArrayF32:
        """Values at the mesh points as a dense grid.

        Args:
            on_mesh: ``(468, C)``.
            keep_eyes: True leaves the eyes unmoved, lids and corners included.

        Returns:
            ``(rows, columns, C)`` float32.
        """
        r0, r1, c0, c1 = self._face
        grid = np.zeros((self.rows, self.columns, on_mesh.shape[1]), np.float32)
        inner = (self._weights @ on_mesh.astype(np.float32)).reshape(r1 - r0, c1 - c0, -1)
        if keep_eyes:
            inner = inner * (1.0 - self._eyes[r0:r1, c0:c1, None])
        grid[r0:r1, c0:c1] = inner
        return grid

    def movement(self, units: Sequence[str], style: FieldStyle) -> ArrayF32:
        """Unit displacement of a set of action units acting together.

        Args:
            units: as in ``action_units``.
            style: the person; one with a smile of his own smiles so.

        Returns:
            ``(rows, columns, 2)`` float32; its longest vector is exactly 1 (portrait px per px asked for).
        """
        sides = smiling_sides(units)
        if style.smile is not None and sides:
            return self.measured(style.smile, sides)
        total = np.zeros((self.rows, self.columns, 2), np.float32)
        for unit in units:
            total += self.spread(field_on_mesh(self.mesh, unit, style), keep_eyes=not is_lid_unit(unit))
        return _unit(total)

    def measured(self, movement: ArrayF64, sides: str = "RL") -> ArrayF32:
        """The same of a movement seen in another face: ``(468, 2)`` along that face's axes.

        With one of ``sides`` only, the other side of the face stays.
        """
        own = np.ones(len(self.mesh))
        if len(sides) == 1:
            own = on_side(self.axes.coordinates(self.mesh), -1.0 if sides == "R" else 1.0)
        return _unit(self.spread(own[:, None] * self.axes.vectors(movement), keep_eyes=True))

    def _weights_of_points(self) -> None:
        low = (self.mesh[:, :2].min(0) - 0.2 * self.axes.width - self.origin) / self.step
        high = (self.mesh[:, :2].max(0) + 0.2 * self.axes.width - self.origin) / self.step
        c0, r0 = (int(max(0, np.floor(v))) for v in low)
        c1, r1 = min(self.columns, int(np.ceil(high[0]))), min(self.rows, int(np.ceil(high[1])))
        self._face = (r0, r1, c0, c1)
        x = self.origin[0] + (np.arange(c0, c1) + 0.5) * self.step
        y = self.origin[1] + (np.arange(r0, r1) + 0.5) * self.step
        s = 1.0 / (np.sqrt(2.0) * BANDWIDTH * self.axes.width)
        gx = np.exp(-(((x[:, None] - self.mesh[None, :, 0]) * s) ** 2)).astype(np.float32)
        gy = np.exp(-(((y[:, None] - self.mesh[None, :, 1]) * s) ** 2)).astype(np.float32)
        weights = (gy[:, None, :] * gx[None, :, :]).reshape(-1, len(self.mesh))
        self._weights = weights / (weights.sum(1, keepdims=True) + np.float32(FADE))

    def _eye_mask(self) -> ArrayF32:
        mask = np.zeros((self.rows, self.columns), np.float32)
        for side in "RL":
            ring = self.mesh[list(UPPER_LID[side] + LOWER_LID[side][-2:0:-1]), :2]
            wide = (ring - ring.mean(0)) * np.array([1.3, 1.9]) + ring.mean(0)
            nodes = (wide - self.origin) / self.step
            mask = np.maximum(mask, filled_outline(nodes, self.rows, self.columns, 1.0))
        return mask

    @cached_property
    def depth(self) -> ArrayF32:
        """How far every node lies before the axis of the neck, px; 0 outside the head."""
        if self.mesh.shape[1] == 3:
            near = np.percentile(self.mesh[:, 2], 97) - self.mesh[:, 2]
        else:  # a flat mesh: an ellipsoid is a fair face
            r2 = (self.axes.coordinates(self.mesh) - [0.0, 0.2]) / [0.55, 0.75]
            near = 0.65 * self.axes.width * np.sqrt(np.clip(1.0 - (r2**2).sum(1), 0.0, 1.0))
        near = np.clip(near, 0.0, 0.8 * self.axes.width) + 0.1 * self.axes.width
        grid = self.spread(near[:, None], keep_eyes=False)
        return blurred(grid[:, :, 0], 0.05 / NODE_STEP)


def _unit(grid: ArrayF32) -> ArrayF32:
    """The grid's displacements, the longest exactly 1."""
    longest = float(np.sqrt((grid**2).sum(2)).max())
    return grid / np.float32(max(longest, 1e-9))
