"""Says which face detector a frame size needs: the cheapest that sees the smallest face wanted."""

from __future__ import annotations

from dataclasses import dataclass

from stream_mer.errors import ConfigError
from stream_mer.face.tiled import tile_starts

SHORT_RANGE = "face_detection_short_range.tflite"
FULL_RANGE = "face_detection_full_range_sparse.tflite"

SHORT_SEES = 8
FULL_SEES = 15
"""A face is found if it is wider than the picture's longer side divided by this, with the two settings below.
Source: see ``TiledDetector``; at a twentieth full range still finds 84 to 90 %."""

COARSE_MIN_SCORE = 0.3
TRUST = 0.7
"""What the coarse detector and the ``ZoomedDetector`` around it are to be built with for these figures."""


@dataclass(frozen=True, slots=True)
class DetectionPlan:
    """Which model, on the whole frame only (``tile_px`` None) or on tiles too.

    ``passes`` is how often the network runs per frame (about 1.5 ms each short range, 3.3 ms full range);
    ``smallest_face_px`` is the width of the smallest face that is still found in this frame.
    """

    model: str
    tile_px: int | None
    passes: int
    smallest_face_px: float


def plan_detection(
    width: int, height: int, *, min_face_px: float = 32, overlap: float = 0.25, max_passes: int | None = None
) -> DetectionPlan:
    """Choose the cheapest detector that sees faces ``min_face_px`` wide in such frames.

    Args:
        width: of the frame, px.
        height: of the frame, px.
        min_face_px: width of the smallest face wanted.
        overlap: of neighbouring tiles, as ``TiledDetector`` takes it.
        max_passes: bound on the cost of a frame: tiles grow until it holds, and ``smallest_face_px`` too.

    Raises:
        ConfigError: a size is not positive.

    >>> plan_detection(640, 480, min_face_px=80).model
    'face_detection_short_range.tflite'
    >>> plan = plan_detection(1920, 1080)
    >>> plan.model, plan.tile_px, plan.passes, plan.smallest_face_px
    ('face_detection_full_range_sparse.tflite', 480, 16, 32.0)
    """
    if width <= 0 or height <= 0 or min_face_px <= 0 or (max_passes is not None and max_passes < 1):
        raise ConfigError(
            f"cannot plan face detection for frames of {width}x{height}, faces of {min_face_px:g} px "
            f"and {max_passes} passes: all must be positive"
        )
    longer = max(width, height)
    if longer <= SHORT_SEES * min_face_px:
        return DetectionPlan(SHORT_RANGE, None, 1, longer / SHORT_SEES)
    if longer <= FULL_SEES * min_face_px:
        return DetectionPlan(FULL_RANGE, None, 1, longer / FULL_SEES)
    tile_px = max(int(FULL_SEES * min_face_px), 32)
    while (passes := _passes(width, height, tile_px, overlap)) > 1:
        if max_passes is None or passes <= max_passes:
            return DetectionPlan(FULL_RANGE, tile_px, passes, tile_px / FULL_SEES)
        tile_px += 16
    return DetectionPlan(FULL_RANGE, None, 1, longer / FULL_SEES)


def _passes(width: int, height: int, tile_px: int, overlap: float) -> int:
    if max(width, height) <= tile_px:
        return 1
    return 1 + len(tile_starts(width, tile_px, overlap)) * len(tile_starts(height, tile_px, overlap))
