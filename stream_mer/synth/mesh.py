"""Finds the 468-point face mesh in a portrait, with a landmark network that the caller runs.

The network is the official ``face_landmark.tflite``: input ``(1, 192, 192, 3)`` float32 RGB in 0..1,
outputs 1404 numbers (x, y, z of 468 points in px of that input) and one face score (a logit).
Its input is a square around the face, 1.5 times as wide as the face's box, turned so that the eyes
are level.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import atan2, cos, hypot, sin

import numpy as np
from numpy.typing import NDArray

from stream_mer.errors import EngineError
from stream_mer.synth.dense import resample_plain
from stream_mer.synth.landmarks import EYE_CORNERS, POINTS
from stream_mer.types import ArrayF32, ArrayF64, ImageU8, require_picture

INPUT_PX = 192
"""Side of the network's input, px."""
BOX_GROWTH = 1.5
"""Side of the square that the network sees, as a multiple of the face's box."""
_BOX_PER_EYE_DISTANCE = 2.35  # side of the face detector's box
_BOX_BELOW_EYES = 0.55  # its centre lies so many eye distances below the eyes

MeshRun = Callable[[ArrayF32], tuple[NDArray[np.generic], ...]]
"""Runs the network: ``(1, 192, 192, 3)`` float32 -> its two outputs, in either order."""


@dataclass(frozen=True, slots=True)
class _Square:
    """What the network sees: a square of ``side`` px about ``(x, y)``, turned by ``angle``."""

    x: float
    y: float
    side: float
    angle: float


def fit_mesh(portrait: ImageU8, keypoints: ArrayF64, run: MeshRun, rounds: int = 2) -> tuple[ArrayF64, float]:
    """The face mesh of one face in a picture.

    The first round looks at the square that the key points suggest, later ones at the square around
    the mesh found before, which makes the answer depend little on the detector.

    Args:
        portrait: ``(H, W, 3)`` uint8 RGB, any size.
        keypoints: ``(N >= 2, 2)`` px; only the eyes are used, the one on the picture's left first
            (``Detection.keypoints`` fits as it is).
        run: the landmark network, e.g. ``engine.run``.
        rounds: how often to look, at least 1.

    Returns:
        ``(468, 3)`` float64 mesh in continuous px of the picture (the first pixel covers [0, 1); z in
        the same unit, negative towards the viewer), and the network's face score, 0..1.

    Raises:
        EngineError: the network's answer is not a mesh.

    Source: crop rule of the MediaPipe face landmark pipeline; the input range 0..1 and the factor 1.5
    checked on portraits (0..1 against -1..1 differ by 0.015 eye distances, 1.3 and 1.7 by 0.02-0.04).
    """
    require_picture(portrait, "portrait")
    square = _from_eyes(keypoints[0], keypoints[1])
    mesh, score = np.zeros((POINTS, 3)), 0.0
    for _ in range(max(1, rounds)):
        mesh, score = _look(portrait, square, run)
        square = _around(mesh)
    return mesh, score


def _from_eyes(right: ArrayF64, left: ArrayF64) -> _Square:
    dx, dy = float(left[0] - right[0]), float(left[1] - right[1])
    distance, angle = hypot(dx, dy), atan2(dy, dx)
    if distance < 1.0:
        raise ValueError(f"the eyes are {distance:.2f} px apart: these are no key points of a face")
    down = _BOX_BELOW_EYES * distance
    x = float(right[0] + left[0]) / 2 - sin(angle) * down
    y = float(right[1] + left[1]) / 2 + cos(angle) * down
    return _Square(x, y, BOX_GROWTH * _BOX_PER_EYE_DISTANCE * distance, angle)


def _around(mesh: ArrayF64) -> _Square:
    right, left = (mesh[EYE_CORNERS[side][0], :2] for side in "RL")
    angle = atan2(float(left[1] - right[1]), float(left[0] - right[0]))
    turn = np.array([[cos(angle), -sin(angle)], [sin(angle), cos(angle)]])
    level = mesh[:, :2] @ turn
    low, high = level.min(0), level.max(0)
    x, y = turn @ ((low + high) / 2)
    return _Square(float(x), float(y), BOX_GROWTH * float((high - low).max()), angle)


def _look(portrait: ImageU8, square: _Square, run: MeshRun) -> tuple[ArrayF64, float]:
    step = square.side / INPUT_PX
    c, s = step * cos(square.angle), step * sin(square.angle)
    turn = np.array([[c, -s], [s, c]])
    grid = np.arange(INPUT_PX) + 0.5 - INPUT_PX / 2
    u, v = np.meshgrid(grid, grid)
    x = (c * u - s * v + square.x - 0.5).astype(np.float32)
    y = (s * u + c * v + square.y - 0.5).astype(np.float32)
    outputs = run(resample_plain(portrait, x, y, step)[None] / np.float32(255.0))
    points = [np.asarray(o, np.float64).ravel() for o in outputs if o.size == 3 * POINTS]
    scores = [float(np.asarray(o, np.float64).ravel()[0]) for o in outputs if o.size == 1]
    if len(points) != 1 or len(scores) != 1 or not np.isfinite(points[0]).all():
        shapes = ", ".join(str(o.shape) for o in outputs)
        raise EngineError(f"the face mesh network answered {shapes}; expected 1404 numbers and one score")
    raw = points[0].reshape(POINTS, 3)
    flat = (raw[:, :2] - INPUT_PX / 2) @ turn.T + np.array([square.x, square.y])
    mesh = np.concatenate([flat, raw[:, 2:] * step], axis=1)
    return mesh, float(1.0 / (1.0 + np.exp(-np.clip(scores[0], -50, 50))))
