"""Sums on detections that several detectors need: clipping, width of a face, one detection per face."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from stream_mer.core.geometry import ANCHORS, FACE_WIDTH, crop_box, pose_from_keypoints
from stream_mer.types import Box, Detection, Similarity

_BOX_PER_FACE = 1.05
"""Side of a MediaPipe box per width of the face (short range 1.03, full range 1.07 to 1.10)."""
_BOX_CENTRE = (64.0, 68.0)
"""Where the centre of such a box lies in the canonical crop (short range y = 70, full range y = 65)."""
_AGREE = (0.75, 1.33)
"""Width by key points per width by box: outside this the key points are not believed."""
_SAME_IOU = 0.3
"""Boxes that overlap more than this show one face (what MediaPipe uses inside one picture)."""
_SAME_CONTAINMENT = 0.6
"""... and so do boxes of which the smaller lies this far inside the larger: half a face, seen in a tile."""
_EARS = np.array([[16.0, 56.0], [112.0, 56.0]])
"""Where a frontal face's ears lie in the canonical crop, canonical px; a rough mean."""


def clipped(box: Box, width: int, height: int) -> Box | None:
    """The part of ``box`` inside a picture of ``width`` x ``height`` px; None if there is none."""
    x0, y0 = max(box.x0, 0.0), max(box.y0, 0.0)
    x1, y1 = min(box.x1, float(width)), min(box.y1, float(height))
    return Box(float(x0), float(y0), float(x1), float(y1)) if x1 > x0 and y1 > y0 else None


def plausible(detection: Detection, width: int, height: int) -> Detection:
    """``detection`` itself, or with the key points of an upright face in its box if its own cannot be right.

    Key points of small faces are bad in a way boxes are not: of 32 px faces the key points give a width
    between 0.2 and 1.1 of the true one, the box between 0.9 and 1.2. So they count only where they agree with
    the box, or where the picture's edge has clipped the box.

    Args:
        detection: unrefined, from a MediaPipe detector.
        width: of the picture, px.
        height: of the picture, px.

    Source: 108 open portraits at 24 to 64 px, full range; two zoomed passes that start from here end within
    1.9 canonical px of the truth (95th percentile), from the key points alone within 27 px.
    """
    box = detection.box
    wanted, given = face_width(detection), FACE_WIDTH * pose_from_keypoints(detection.keypoints).scale
    at_edge = box.x0 <= 0 or box.y0 <= 0 or box.x1 >= width or box.y1 >= height
    if _AGREE[0] * wanted < given < _AGREE[1] * wanted or (at_edge and given > wanted):
        return detection
    scale, (x, y) = wanted / FACE_WIDTH, box.centre
    upright = Similarity(scale, 0.0, x - _BOX_CENTRE[0] * scale, y - _BOX_CENTRE[1] * scale)
    return Detection(box, detection.score, detection_at(upright).keypoints)


def detection_at(pose: Similarity, score: float = 0.9) -> Detection:
    """The detection an ideal detector would give for a frontal face at ``pose``, not clipped.

    Args:
        pose: canonical 128x128 crop -> frame.
        score: 0..1.
    """
    return Detection(crop_box(pose), score, pose.apply(np.concatenate([ANCHORS, _EARS])))


def face_width(detection: Detection) -> float:
    """Width of the face of an unrefined detection in px of its picture, from the (square) box."""
    return max(detection.box.width, detection.box.height) / _BOX_PER_FACE


def without_duplicates(detections: Iterable[Detection]) -> list[Detection]:
    """One detection per face, strongest first.

    Args:
        detections: the preferred one of each face first.
    """
    kept: list[Detection] = []
    for candidate in detections:
        if not any(same_face(candidate.box, other.box) for other in kept):
            kept.append(candidate)
    return sorted(kept, key=lambda d: -d.score)


def same_face(first: Box, second: Box) -> bool:
    """Whether two boxes overlap so much that they must show one face."""
    wide = min(first.x1, second.x1) - max(first.x0, second.x0)
    high = min(first.y1, second.y1) - max(first.y0, second.y0)
    if wide <= 0 or high <= 0:
        return False
    common = wide * high
    areas = first.width * first.height, second.width * second.height
    return common > _SAME_IOU * (sum(areas) - common) or common > _SAME_CONTAINMENT * min(areas)
