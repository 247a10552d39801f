"""The people of the tracking tests: the public-domain astronaut of scikit-image, and two who are not her."""

from __future__ import annotations

import moving_head as heads
import numpy as np
from skimage.data import astronaut

from stream_mer.core.geometry import pose_from_keypoints
from stream_mer.types import Similarity

KEYPOINTS = np.array(
    [[201.5, 104.9], [245.8, 109.1], [220.4, 127.3], [219.8, 148.6], [178.2, 115.7], [272.2, 123.9]]
)
ASTRONAUT_POSE = pose_from_keypoints(KEYPOINTS)


def cast_head(size: tuple[int, int], person: int = 0, seed: int = 0) -> heads.Head:
    """Person 0 is the astronaut, 1 her mirror image in other colours, 2 her negative, 3 her mirror image."""
    rgb, pose = astronaut(), ASTRONAUT_POSE
    if person in (1, 3):
        rgb = np.ascontiguousarray(rgb[:, ::-1, ::-1] // 2 + 20 if person == 1 else rgb[:, ::-1])
        order = [1, 0, 2, 3, 5, 4]
        pose = pose_from_keypoints(np.array([512.0, 0]) + KEYPOINTS[order] * (-1, 1))
    elif person == 2:
        rgb = 255 - rgb
    return heads.Head(rgb, pose, size, seed)


def line(
    fps: float, start: tuple[float, float], speed: tuple[float, float], face_px: float, n: int
) -> list[Similarity]:
    """Poses of a face that goes straight from ``start`` (its middle) at ``speed`` px a second."""
    s = face_px / 92
    return [
        Similarity(s, 0.0, start[0] + speed[0] * i / fps - 64 * s, start[1] + speed[1] * i / fps - 60 * s)
        for i in range(n)
    ]
