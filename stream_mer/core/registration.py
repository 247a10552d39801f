"""Says where a face known from a key frame lies in a new frame, to a few thousandths of a pixel.

Robust inverse-compositional Gauss-Newton over a similarity, a gain and an offset of brightness. Skin
that only the skull moves counts fully; eyes, brows, mouth and chin count half, and hardly at all, with
the skin beside them, while they do not look as they did: what they do stays in the crop. At rest
they help, for a video codec displaces the whole face, each block of it a little differently. A turned
head never looks quite as the model of its depth says; what usually stays unexplained is therefore
subtracted (``usual``), or the pose would step whenever a blink takes the eyes' vote away.
Everything here is a pure function of pixels and poses; policy is in ``keyframes``.

Source: Baker & Matthews 2004 (inverse composition), the mask and the robust weights from our own
measurements (scripts/bench_crop.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_mer.core.face_shape import ALL_U, ALL_V, ALL_Z, CELL, GRID, INDEX, PRIOR, RIGID, U, V, Z
from stream_mer.core.geometry import compose
from stream_mer.core.warp import Patch, cut, gather, grey, resample, smoothed
from stream_mer.types import ArrayF32, ImageU8, Similarity

BLUR_CELLS = 0.35
COARSE_CELLS = 2.5
BLUR_MIN_PX = 0.6
"""Frame px; below, linear interpolation would pull the pose towards whole pixels."""
PIVOT = (64.0, 48.0)
"""About where the rigid skin has its middle; unknowns are counted from here so that they hardly mix."""
REACH = 32.0
"""Canonical px at which rotation and scale are weighed against translation."""
MAX_ITERATIONS = 10
STOP_PX = 0.004
TURN_LIMIT = 9.0
"""Canonical px at ``TURN_REACH``: a turn of 37 degrees against the key frame."""
TURN_RIDGE = 0.002
"""How strongly the head is supposed to be turned as it was at the start of the fit, as a share of what
translation weighs. Source: pulled towards the key frame instead, the turn settles short of the truth by a
share that depends on which points count, and the crop steps with every blink."""
_DIAGONAL = np.diag_indices(8)
_RIDGE = np.array([0, 0, 0, 0, 0, 0, 1, 1], np.float64)
SIGMA_FLOOR = 0.5
"""Grey levels; residuals are never judged finer than this."""
ROUGH_STOP_PX = 0.02
"""Step, canonical px, below which the pose is good enough to see what else has moved."""
NEAR_CELLS = 4.0
"""How far around itself, as a Gaussian's sigma, a part that moves on its own is distrusted."""
MOVED_RATIO = 2.0
"""A place counts half where its squared motion is this many times the median's."""
ENERGY_FLOOR = 20.0
"""Squared grey levels a cell; smoother places say nothing about motion."""
TURN_REACH = 15.0
"""Depth, canonical px, at which a turn of the head is weighed against translation."""


@dataclass(frozen=True, slots=True)
class Template:
    """What a face looked like.

    Of the face's points the grey values ``(N,)``, how they change ``(N, 8)`` and their mean; of the whole
    crop the ``picture`` and how much of a motion would show around each place (``energy``, squared grey
    levels a cell), both ``(GRID, GRID)``.
    """

    values: ArrayF32
    jacobian: ArrayF32
    mean: float
    picture: ArrayF32
    energy: ArrayF32


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """A face to be found again: sharp for precision, blurred for a start that is far off."""

    fine: Template
    coarse: Template


@dataclass(frozen=True, slots=True)
class Fit:
    """Outcome of a registration.

    ``turn`` is how far the head has turned (yaw, pitch) since the key frame: the canonical px by which a
    point ``TURN_REACH`` before the plane of eyes and mouth is displaced. ``quality`` is the correlation with
    the key frame, -1..1, over the rigid skin inside the frame; ``inside`` the share of it that lies inside.
    ``residual`` is what no pose explains, grey levels at the face's points ``(N,)``, and ``trust`` which of
    them do not move on their own, 0..1 (None: the fit never came near enough to tell).
    """

    pose: Similarity
    turn: tuple[float, float]
    quality: float
    inside: float
    converged: bool
    residual: ArrayF32
    trust: ArrayF32 | None


def look(rgb: ImageU8, pose: Similarity, margin_px: float = 8.0) -> Patch:
    """The grey, smoothed surroundings of a face, at about the resolution of the grid.

    Args:
        rgb: frame.
        pose: where the face is supposed to be.
        margin_px: how far it may be off, canonical px.
    """
    cell_px = CELL * pose.scale
    reduce = max(1, int(cell_px / 3))
    patch = cut(rgb, pose, reduce=reduce, margin=margin_px * pose.scale / reduce + 3)
    return smoothed(grey(patch), max(BLUR_MIN_PX, BLUR_CELLS * cell_px / reduce))


def coarser(patch: Patch, pose: Similarity) -> Patch:
    """A patch from ``look`` blurred so far that a face may be found from further away."""
    return smoothed(patch, COARSE_CELLS * CELL * pose.scale / patch.pitch)


def key_frame(patch: Patch, pose: Similarity) -> KeyFrame:
    """Remember the face at ``pose``; the patch is from ``look``."""
    return KeyFrame(_template(patch, pose), _template(coarser(patch, pose), pose))


def _template(patch: Patch, pose: Similarity) -> Template:
    picture = resample(patch, pose, GRID)
    gu, gv = np.gradient(picture, axis=1), np.gradient(picture, axis=0)
    du, dv = gu.ravel()[INDEX] / CELL, gv.ravel()[INDEX] / CELL
    values = picture.ravel()[INDEX]
    ru, rv = (U - PIVOT[0]) / REACH, (V - PIVOT[1]) / REACH
    rz = Z / TURN_REACH
    rigid = [du * ru + dv * rv, dv * ru - du * rv, du, dv]
    columns = [*rigid, values - values.mean(), np.ones_like(du), du * rz, dv * rz]
    jacobian = np.stack(columns, 1).astype(np.float32)
    energy = _around(gu**2 + gv**2) + ENERGY_FLOOR
    return Template(values, jacobian, float(values.mean()), picture, energy)


def _around(picture: ArrayF32) -> ArrayF32:
    return smoothed(Patch(picture, 0.0, 0.0, 1.0), NEAR_CELLS).pixels


def register(
    patch: Patch,
    key: Template,
    start: Similarity,
    turn: tuple[float, float] = (0.0, 0.0),
    usual: ArrayF32 | None = None,
) -> Fit:
    """Find the pose at which the patch looks like the key frame.

    Args:
        patch: from ``look`` for a fine template, ``coarser`` for a coarse one.
        key: the face to find.
        start: a pose within about 6 canonical px for a fine template, twice that for a coarse one.
        turn: yaw and pitch against the key frame to start from, as ``Fit.turn``.
        usual: the residual this face has had against this key frame lately, as ``Fit.residual``.
    """
    pose, gain, offset, converged = start, np.float32(1.0), np.float32(0.0), False
    yaw, pitch = turn
    inside, trust = _inside(patch, pose), None
    values = _values(patch, pose, yaw, pitch)
    for _ in range(MAX_ITERATIONS):
        residual = values - gain * key.values - offset
        if usual is not None:
            residual -= usual
        weights = _robust(residual) * PRIOR
        if inside is not None:
            weights *= inside
        if trust is not None:
            weights *= trust
        weighted = key.jacobian * weights[:, None]
        normal = (weighted.T @ key.jacobian).astype(np.float64)
        aim = (weighted.T @ residual).astype(np.float64)
        ridge = TURN_RIDGE * (normal[2, 2] + normal[3, 3])
        aim[6:] += ridge * (yaw - turn[0]), ridge * (pitch - turn[1])
        normal[_DIAGONAL] += normal[_DIAGONAL] * 1e-6 + _RIDGE * ridge + 1e-3
        step = np.linalg.solve(normal, aim)
        motion: NDArray[np.float64] = np.asarray(step[[0, 1, 2, 3, 6, 7]] / float(gain), np.float64)
        pose = _undo(pose, motion)
        yaw = min(max(yaw - float(motion[4]), -TURN_LIMIT), TURN_LIMIT)
        pitch = min(max(pitch - float(motion[5]), -TURN_LIMIT), TURN_LIMIT)
        gain, offset = gain + np.float32(step[4]), offset + np.float32(step[5] - step[4] * key.mean)
        values = _values(patch, pose, yaw, pitch)
        if not 0.2 < gain < 5:
            break
        moved = np.abs(motion[:4]).max()
        if moved < STOP_PX and trust is not None:
            converged = True
            break
        if moved < ROUGH_STOP_PX and trust is None:
            seen = gather(patch, pose, *_turned(ALL_U, ALL_V, ALL_Z, yaw, pitch))
            strange = seen - gain * key.picture - offset
            if usual is not None:
                strange.ravel()[INDEX] -= usual
            trust = _trust(strange, key.energy)
    inside = _inside(patch, pose)
    within = None if inside is None else inside[RIGID]
    share = 1.0 if within is None else float(within.mean())
    quality = correlation(values[RIGID], key.values[RIGID], within)
    residual = values - gain * key.values - offset
    return Fit(pose, (yaw, pitch), quality, share, converged, residual, trust)


def _values(patch: Patch, pose: Similarity, yaw: float, pitch: float) -> ArrayF32:
    u, v = _turned(U, V, Z, yaw, pitch)
    return gather(patch, pose, u.reshape(-1, 32), v.reshape(-1, 32)).ravel()


def _turned(u: ArrayF32, v: ArrayF32, z: ArrayF32, yaw: float, pitch: float) -> tuple[ArrayF32, ArrayF32]:
    return u + z * np.float32(yaw / TURN_REACH), v + z * np.float32(pitch / TURN_REACH)


def _trust(residual: ArrayF32, energy: ArrayF32) -> ArrayF32:
    """Weights of the face's points, 0..1: small where something nearby, on it or not, moves on its own."""
    motion = (_around(residual**2) / energy).ravel()[INDEX]
    ratio = motion / max(MOVED_RATIO * float(np.median(motion[RIGID])), 1e-4)
    return np.asarray(1 / (1 + ratio**2), np.float32)


def correlation(x: ArrayF32, y: ArrayF32, inside: ArrayF32 | None = None) -> float:
    """Pearson's correlation, over the points where ``inside`` is not zero; 0 if undefined."""
    if inside is not None:
        x, y = x[inside > 0], y[inside > 0]
    if len(x) < 2:
        return 0.0
    x, y = x - x.mean(), y - y.mean()
    norm = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / norm if norm > 1e-6 else 0.0


def _robust(residual: NDArray[np.float32]) -> ArrayF32:
    """Weight one up to 2 sigma, falling up to 6 sigma, zero beyond."""
    size = np.abs(residual)
    sigma = max(1.4826 * float(np.partition(size, len(size) // 2)[len(size) // 2]), SIGMA_FLOOR)
    weights = np.minimum(1.0, 2 * sigma / np.maximum(size, 1e-6))
    weights[size > 6 * sigma] = 0.0
    return weights.astype(np.float32)


def _undo(pose: Similarity, step: NDArray[np.float64]) -> Similarity:
    """``pose`` composed with the inverse of a small similarity about the pivot."""
    a, b, (pu, pv) = 1 + step[0] / REACH, step[1] / REACH, PIVOT
    small = Similarity(a, b, pu - a * pu + b * pv + step[2], pv - b * pu - a * pv + step[3])
    back = compose(pose, small.inverse())
    return Similarity(float(back.a), float(back.b), float(back.tx), float(back.ty))


def _inside(patch: Patch, pose: Similarity) -> ArrayF32 | None:
    """One for grid points inside the patch, None when all are (the usual case)."""
    h, w = patch.pixels.shape[:2]
    corners = pose.apply(np.array([[18.0, 6.0], [110.0, 6.0], [18.0, 124.0], [110.0, 124.0]]))
    cols, rows = (corners[:, 0] - patch.x0) / patch.pitch, (corners[:, 1] - patch.y0) / patch.pitch
    if cols.min() >= 0 and rows.min() >= 0 and cols.max() <= w - 1 and rows.max() <= h - 1:
        return None
    x = (pose.a * U - pose.b * V + pose.tx - patch.x0) / patch.pitch
    y = (pose.b * U + pose.a * V + pose.ty - patch.y0) / patch.pitch
    return np.asarray((x >= 0) & (x <= w - 1) & (y >= 0) & (y <= h - 1), np.float32)
