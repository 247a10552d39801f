"""Finds small faces in big frames by running a detector on overlapping tiles as well as on the whole.

A detector sees a face only if it is wide enough *relative to its picture*; a tile is a smaller picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from stream_mer.errors import ConfigError
from stream_mer.face.boxes import face_width, without_duplicates
from stream_mer.protocols import FaceDetector
from stream_mer.types import Box, Detection, ImageU8, require_picture

_CUT_PX = 2.0
"""A box that comes this near to a tile's inner edge belongs to a face the edge may have cut."""
_NARROWEST = 0.7
"""Width, as a part of ``min_face_px``, below which a face is left out: small faces are measured roughly."""


class TiledDetector:
    """A ``FaceDetector`` that looks at the whole picture and at tiles of it, and merges what it finds.

    Stateless and deterministic: every call looks everywhere. To bound the cost of a call use larger tiles
    (``choose.plan_detection``), not fewer of them: a tile that is skipped looks like a face that has gone.

    Args:
        detector: what looks at one tile; closed with this one.
        tile_px: side of a tile. With full range at ``min_score`` 0.3 inside a ``ZoomedDetector``, 32 px faces
            in 1080p are found with recall 0.98 at 480 px (16 passes), 0.84 to 0.90 at 640 px (9 passes).
        overlap: how much two neighbouring tiles share at least, as a part of ``tile_px``, 0..0.75. It must be
            wider than the smallest face the pass over the whole picture sees.
        min_face_px: faces clearly narrower than this are left out.

    Raises:
        ConfigError: an argument is out of its range.
    """

    def __init__(
        self, detector: FaceDetector, *, tile_px: int = 640, overlap: float = 0.25, min_face_px: float = 32
    ) -> None:
        if tile_px < 32 or not 0 <= overlap <= 0.75 or min_face_px < 0:
            raise ConfigError(
                "tiles need tile_px >= 32, overlap 0..0.75 and min_face_px >= 0, "
                f"got {tile_px}, {overlap:g} and {min_face_px:g}"
            )
        self._detector = detector
        self._tile_px = tile_px
        self._overlap = overlap
        self._min_face_px = min_face_px

    def detect(self, rgb: ImageU8) -> list[Detection]:
        """Faces in ``rgb``, ``(H, W, 3)`` uint8 of any size, strongest first, in its pixels."""
        require_picture(rgb, "picture to detect in")
        found = [_Sighting(detection, cut=False) for detection in self._detector.detect(rgb)]
        height, width = rgb.shape[:2]
        if max(height, width) > self._tile_px:
            for y in tile_starts(height, self._tile_px, self._overlap):
                for x in tile_starts(width, self._tile_px, self._overlap):
                    found += self._look(rgb, x, y)
        narrowest = _NARROWEST * self._min_face_px
        found = [sighting for sighting in found if face_width(sighting.detection) >= narrowest]
        # A face cut by a tile's edge has poor key points: it counts only where nobody saw the face whole.
        found.sort(key=lambda s: (s.cut, -s.detection.score))
        return without_duplicates(s.detection for s in found)

    def close(self) -> None:
        """Close the detector inside; idempotent."""
        self._detector.close()

    def _look(self, rgb: ImageU8, x: int, y: int) -> list[_Sighting]:
        height, width = rgb.shape[:2]
        origin = np.array([x, y], np.float64)
        right, bottom = min(x + self._tile_px, width), min(y + self._tile_px, height)
        sightings = []
        for seen in self._detector.detect(rgb[y:bottom, x:right]):
            box = Box(seen.box.x0 + x, seen.box.y0 + y, seen.box.x1 + x, seen.box.y1 + y)
            cut = (
                (x > 0 and box.x0 < x + _CUT_PX)
                or (y > 0 and box.y0 < y + _CUT_PX)
                or (right < width and box.x1 > right - _CUT_PX)
                or (bottom < height and box.y1 > bottom - _CUT_PX)
            )
            sightings.append(_Sighting(Detection(box, seen.score, seen.keypoints + origin), cut))
        return sightings


@dataclass(frozen=True, slots=True)
class _Sighting:
    detection: Detection
    cut: bool


def tile_starts(length: int, tile_px: int, overlap: float) -> list[int]:
    """Where tiles begin along one side of a picture: evenly spread, covering all of it.

    Args:
        length: side of the picture, px.
        tile_px: side of a tile, px.
        overlap: what neighbours share at least, as a part of ``tile_px``.

    >>> tile_starts(1920, 640, 0.25)
    [0, 427, 853, 1280]
    >>> tile_starts(480, 640, 0.25)
    [0]
    """
    if length <= tile_px:
        return [0]
    count = ceil((length - tile_px) / (tile_px * (1 - overlap))) + 1
    return [round(i * (length - tile_px) / (count - 1)) for i in range(count)]
