"""Optical flow as a fixed network: how a face moved between three pictures, measured inside the engine.

Training and serving must see the same flow, on every backend, so it is not a library call but a part
of the classifier's graph. Every linear filter is one matrix from the left (columns) and one from the
right (rows): matrix products are what every backend does best, and there are no learned weights.

Method: dense Lucas-Kanade. Pictures are made grey and locally normalised (light and contrast drop
out), gradients are fixed derivative filters, the 2x2 normal equations are summed over a Gaussian
window of about 11 px on a 32x32 grid of cells, and the second picture is warped by the estimate and
measured again, first at half resolution (reach: about 3 px), then at full.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stream_mer.types import HR_SIZE

GRID = 32
"""Side of the flow grid; a cell is 4x4 px of the 128x128 picture."""
PAIRS = (("pre", "apex"), ("post", "apex"), ("pre", "post"))
"""Which pictures are compared; flow points from the first to the second."""
RAW_CHANNELS = (
    "pre_apex_u", "post_apex_u", "pre_post_u", "pre_apex_v", "post_apex_v", "pre_post_v",
    "pre_apex_residual", "post_apex_residual", "pre_post_residual", "confidence_pre", "confidence_post",
)  # fmt: skip
"""What ``DenseLucasKanade`` gives per cell: flow in px of the 128 picture, residual, confidence."""

_LUMA = (0.299, 0.587, 0.114)
# Five-tap smoothing and derivative pair (Farid & Simoncelli 2004): right in direction and size.
_SMOOTH = (0.037659, 0.249153, 0.426375, 0.249153, 0.037659)
_DERIVE = (-0.109604, -0.276691, 0.0, 0.276691, 0.109604)
# Summation window: Gaussian of sigma 1 cell (4 px) on top of the cell's own 4x4 box.
_WINDOW = (0.054489, 0.244201, 0.402620, 0.244201, 0.054489)


def _banded(taps: Sequence[float], size: int) -> np.ndarray:
    """Matrix of a 1-D correlation with repeated borders, ``(size, size)``."""
    matrix = np.zeros((size, size))
    for i in range(size):
        for k, tap in enumerate(taps):
            matrix[i, min(max(i + k - len(taps) // 2, 0), size - 1)] += tap
    return matrix


def _shrink(size: int, out: int) -> np.ndarray:
    """Matrix that averages neighbours, ``(out, size)``."""
    return np.kron(np.eye(out), np.full((1, size // out), out / size))


def _enlarge(size: int, out: int) -> np.ndarray:
    """Matrix of linear enlargement, pixel centres at half-integers, ``(out, size)``."""
    at = np.clip((np.arange(out) + 0.5) * size / out - 0.5, 0, size - 1)
    low = np.minimum(np.floor(at).astype(int), size - 2)
    matrix = np.zeros((out, size))
    matrix[np.arange(out), low] = 1 - (at - low)
    matrix[np.arange(out), low + 1] = at - low
    return matrix


class RigidMotion(nn.Module):
    """Fits how a stiff head would move to a flow, so that what is left is the face's own motion.

    Model: u and v are each a mix of 1, x, y and the depth of an average face: shift, rotation, scale,
    shear, and the parallax of a small yaw or pitch. Brows, eyes and mouth hardly vote; cells that
    disagree with the first fit vote less in the second.

    Source of the depth: quadric plus a Gaussian nose fitted to the mean 468-point mesh of 30 people,
    4 px rms off, where the depth itself has 11 px rms.
    """

    vote: Tensor
    basis: Tensor
    outer: Tensor

    def __init__(self, outlier_px: float = 0.25) -> None:
        super().__init__()
        self.outlier_px = outlier_px
        axis = (np.arange(GRID) * 2 + 1) / GRID - 1
        x, y = np.meshgrid(axis, axis)
        nose = 0.218 * np.exp(-((x / 0.194) ** 2) - ((y - 0.096) / 0.241) ** 2)
        depth = 0.087 - 1.036 * x**2 - 0.018 * y**2 - 0.1 * y + nose
        vote = rigid_votes()
        basis = np.stack([np.ones_like(x), x, y, depth], -1).reshape(-1, 4)
        norm = np.sqrt(vote.reshape(-1, 1) / vote.sum())
        basis = basis @ np.linalg.inv(np.linalg.qr(basis * norm)[1])  # orthonormal: CG converges at once
        outer = (basis[:, :, None] * basis[:, None]).reshape(-1, 16)
        for name, value in (("vote", vote.reshape(1, 1, -1)), ("basis", basis), ("outer", outer)):
            self.register_buffer(name, torch.from_numpy(value.astype(np.float32)), persistent=False)

    def forward(self, flow: Tensor, confidence: Tensor) -> Tensor:
        """Fit.

        Args:
            flow: ``(N, 6, 32, 32)``, u of three pairs, then v of three pairs.
            confidence: ``(N, 3, 32, 32)``, 0..1, how far each pair's cell can be trusted.

        Returns:
            The stiff head's flow, shape of ``flow``.
        """
        values = flow.reshape(-1, 2, 3, GRID * GRID)
        weight = confidence.reshape(-1, 1, 3, GRID * GRID) * self.vote
        fit = self._solve(values, weight)
        error = ((values - fit) ** 2).sum(1, keepdim=True)
        fit = self._solve(values, weight / (1.0 + error / self.outlier_px**2))
        return fit.reshape(-1, 6, GRID, GRID)

    def _solve(self, values: Tensor, weight: Tensor) -> Tensor:
        weight = weight / (weight.sum(-1, keepdim=True) + 1e-3)
        matrix = torch.matmul(weight, self.outer).reshape(-1, 1, 3, 4, 4)
        right = torch.matmul(values * weight, self.basis).unsqueeze(-1)
        solution = torch.zeros_like(right)
        residual, direction = right, right
        square = (residual * residual).sum(-2, keepdim=True)
        for _ in range(4):  # conjugate gradients are exact after as many steps as there are unknowns
            image = torch.matmul(matrix, direction) + 1e-3 * direction
            length = square / ((direction * image).sum(-2, keepdim=True) + 1e-20)
            solution = solution + length * direction
            residual = residual - length * image
            fresh = (residual * residual).sum(-2, keepdim=True)
            direction = residual + direction * (fresh / (square + 1e-20))
            square = fresh
        return torch.matmul(solution.squeeze(-1), self.basis.t())


def rigid_votes() -> np.ndarray:
    """How far each cell moves with the skull, ``(32, 32)`` 0..1: face yes; brows, eyes, mouth hardly."""
    axis = (np.arange(GRID) + 0.5) * (HR_SIZE / GRID)
    x, y = np.meshgrid(axis, axis)

    def ellipse(cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
        return np.asarray(1 / (1 + np.exp(8 * (((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 - 1))))

    soft = np.maximum.reduce([ellipse(42, 39, 20, 15), ellipse(86, 39, 20, 15), ellipse(64, 92, 28, 17)])
    return np.asarray(ellipse(64, 64, 42, 52) * (1 - 0.9 * soft))


class DenseLucasKanade(nn.Module):
    """Three face pictures in, flow of three pairs on a 32x32 grid out; nothing to learn.

    Args:
        iterations: refinements at (half, full) resolution, at least one at half.
        ridge: added to the normal equations' diagonal, in squared gradient of the normalised
            picture; holds textureless skin still instead of letting noise move it.
        contrast_floor: standard deviation (0..1 grey) below which contrast is not amplified further.
    """

    smooth: Tensor
    grey_rows: Tensor

    def __init__(
        self, iterations: Sequence[int] = (2, 1), ridge: float = 0.001, contrast_floor: float = 0.02
    ) -> None:
        super().__init__()
        self.iterations = tuple(iterations)
        self.ridge = ridge
        self.contrast_floor = contrast_floor
        self.rigid = RigidMotion()
        smooth = _banded(_SMOOTH, HR_SIZE)
        self._fix("grey_rows", np.kron(smooth, np.array(_LUMA)[None] / 255.0).T)  # (384, 128)
        self._fix("smooth", smooth)
        broad = np.linalg.matrix_power(_banded(_WINDOW, GRID), 2) @ _shrink(HR_SIZE, GRID)
        self._fix("broad", broad)
        self._fix("halve", _shrink(HR_SIZE, 64))
        for name, size in (("half", 64), ("full", HR_SIZE)):
            self._fix(f"smooth_{name}", _banded(_SMOOTH, size))
            self._fix(f"derive_{name}", _banded(_DERIVE, size))
            self._fix(f"sum_{name}", _banded(_WINDOW, GRID) @ _shrink(size, GRID))
            self._fix(f"enlarge_{name}", _enlarge(GRID, size))
            axis = (np.arange(size) * 2 + 1) / size - 1
            self._fix(f"grid_{name}", np.stack(np.meshgrid(axis, axis), -1)[None])

    def _fix(self, name: str, value: np.ndarray) -> None:
        self.register_buffer(name, torch.from_numpy(value.astype(np.float32)), persistent=False)

    def _filter(self, x: Tensor, rows: str, columns: str) -> Tensor:
        """Apply one fixed matrix along the columns and one along the rows of ``(N, C, H, W)``."""
        left: Tensor = getattr(self, columns)
        right: Tensor = getattr(self, rows)
        return torch.matmul(torch.matmul(left, x), right.t())

    def forward(self, pictures: Tensor) -> Tensor:
        """Measure.

        Args:
            pictures: ``(N, 3, 128, 128, 3)`` uint8 or float 0..255: pre, apex, post.

        Returns:
            ``(N, 11, 32, 32)`` float32, channels as ``RAW_CHANNELS``.
        """
        full = self._normalise(pictures)
        half = self._filter(full, "halve", "halve")
        flow, residual, confidence = self._refine(half, None, "half", self.iterations[0])
        if self.iterations[1]:
            sure = torch.cat([confidence, confidence[:, :1]], 1)
            stiff = self.rigid(flow, sure)  # where there is no texture, skin is taken to follow the skull
            flow = stiff + (flow - stiff) * torch.cat([sure, sure], 1)
            flow, residual, confidence = self._refine(full, flow, "full", self.iterations[1])
        return torch.cat([flow, residual, confidence], 1)

    def _normalise(self, pictures: Tensor) -> Tensor:
        """Grey, smoothed, local mean removed, local contrast made equal: ``(N, 3, 128, 128)``."""
        x = pictures.to(torch.float32).reshape(-1, 3, HR_SIZE, HR_SIZE * 3)
        grey = torch.matmul(self.smooth, torch.matmul(x, self.grey_rows))
        # Local statistics over about 21 px, on the coarse grid where they are cheap.
        mean = self._filter(grey, "broad", "broad")
        power = self._filter(grey * grey, "broad", "broad")
        variance = torch.clamp(power - mean * mean, min=0.0) + self.contrast_floor**2
        gain = self._filter(0.25 / torch.sqrt(variance), "enlarge_full", "enlarge_full")
        return (grey - self._filter(mean, "enlarge_full", "enlarge_full")) * gain

    def _refine(
        self, planes: Tensor, flow: Tensor | None, name: str, iterations: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        size = planes.shape[-1]
        unit = HR_SIZE / size  # flow is kept in px of the 128 picture
        pre, apex, post = planes.chunk(3, 1)
        template = torch.cat([pre, post, pre], 1)
        second = torch.cat([apex, apex, post], 1).reshape(-1, 1, size, size)
        base = torch.cat([pre, post], 1)  # gradients are needed only of these
        gx = self._filter(base, f"derive_{name}", f"smooth_{name}")
        gy = self._filter(base, f"smooth_{name}", f"derive_{name}")
        sums = f"sum_{name}"
        xx, xy, yy = self._filter(torch.cat([gx * gx, gx * gy, gy * gy], 1), sums, sums).chunk(3, 1)
        weak = 0.5 * (xx + yy - torch.sqrt((xx - yy) ** 2 + 4 * xy * xy + 1e-12))
        xx, yy = xx + self.ridge, yy + self.ridge
        solve = unit / (xx * yy - xy * xy)
        uu, uv, vv = (torch.cat([m, m[:, :1]], 1) for m in (yy * solve, xy * solve, xx * solve))
        gx, gy = (torch.cat([g, g[:, :1]], 1) for g in (gx, gy))
        u = v = torch.zeros_like(uu)
        if flow is not None:
            u, v = flow.chunk(2, 1)
        grid: Tensor = getattr(self, f"grid_{name}")
        moved = second.reshape(-1, 3, size, size)
        for i in range(iterations):
            if i or flow is not None:
                shift = self._filter(torch.cat([u, v], 1), f"enlarge_{name}", f"enlarge_{name}")
                shift = shift.reshape(-1, 2, 3, size, size).permute(0, 2, 3, 4, 1).flatten(0, 1)
                moved = F.grid_sample(
                    second,
                    grid + shift * (2.0 / HR_SIZE),
                    mode="bilinear",
                    padding_mode="border",
                    align_corners=False,
                ).reshape(-1, 3, size, size)
            change = moved - template
            bx, by = self._filter(torch.cat([gx * change, gy * change], 1), sums, sums).chunk(2, 1)
            u = torch.clamp(u + uv * by - uu * bx, -6.0, 6.0)
            v = torch.clamp(v + uv * bx - vv * by, -6.0, 6.0)
        residual = self._filter(torch.abs(change), sums, sums)
        return torch.cat([u, v], 1), residual, weak / (weak + self.ridge)
