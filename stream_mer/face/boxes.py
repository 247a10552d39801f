"""Sums on detections that several detectors need: clipping, width of a face, one detection per face."""

from __future__ import annotations

from collections.abc import Iterable

from stream_mer.core.geometry import FACE_WIDTH, pose_from_keypoints
from stream_mer.types import Box, Detection

_SAME_IOU = 0.3
"""Boxes that overlap more than this show one face (what MediaPipe uses inside one picture)."""
_SAME_CONTAINMENT = 0.6
"""... and so do boxes of which the smaller lies this far inside the larger: half a face, seen in a tile."""


def clipped(box: Box, width: int, height: int) -> Box | None:
    """The part of ``box`` inside a picture of ``width`` x ``height`` px; None if there is none."""
    x0, y0 = max(box.x0, 0.0), max(box.y0, 0.0)
    x1, y1 = min(box.x1, float(width)), min(box.y1, float(height))
    return Box(float(x0), float(y0), float(x1), float(y1)) if x1 > x0 and y1 > y0 else None


def face_width(detection: Detection) -> float:
    """Width of the face in px of its picture, from the key points."""
    return FACE_WIDTH * pose_from_keypoints(detection.keypoints).scale


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
