"""Makes a detector's key points precise: each face is detected again in an enlarged, upright picture."""

from __future__ import annotations

from math import hypot

import numpy as np

from stream_mer.core.geometry import ANCHORS, crop_box, fit_similarity, pose_from_keypoints
from stream_mer.core.warp import sample
from stream_mer.errors import ConfigError
from stream_mer.face.boxes import clipped, plausible, without_duplicates
from stream_mer.protocols import FaceDetector
from stream_mer.types import HR_SIZE, Detection, ImageU8, Similarity, require_picture

_ZOOM_PX = 192
"""Side of the enlarged picture; 128 and 256 gave the same noise."""
_FIELD = 2.0
"""The enlarged picture shows the canonical crop and as much again around it."""
_NEAR = 51.0
"""How far off its place a face may be found and still be the same one, canonical px (half a face)."""
_SIZES = (0.5, 2.0)
"""... and how much smaller or larger than expected."""
_CONFIRMED = 0.7
"""Score of the fine detector above which there is a face. Source: of 179 false detections of full range at
0.3 and more (cartoon video, photographs without faces) 2 scored more; of 107 true 32 px faces all did."""


class ZoomedDetector:
    """A ``FaceDetector`` that refines what ``coarse`` finds by means of ``fine``.

    The fine detector meets every face at the same size and upright, so its key points do not depend on
    how large or tilted the face is; a second pass starts from the first one's answer. Noise of the key points
    over shifts, turns and sizes, canonical px rms, coarse (full range) / one / two passes: 5.6 / 1.2 / 0.7 at
    32 px faces, 2.9 / 0.9 / 0.5 at 48, 2.0 / 0.8 / 0.5 at 64, 1.4 / 0.6 / 0.4 at 96, 1.2 / 0.6 / 0.4 at 160
    (16 open portraits, 16 places each; error with bias at 32 px 8.5 / 2.1 / 1.6).

    Args:
        coarse: finds the faces; closed with this one.
        fine: looks at one enlarged face (short range); closed with this one.
        passes: how often ``fine`` looks at each face, 1 or more; each takes about 2 ms.
        trust: coarse detections with a smaller score are reported only if ``fine`` confirms them. It lets
            ``coarse`` run with a low ``min_score``, which finds more small faces without false ones.

    Raises:
        ConfigError: ``passes`` is less than one.
    """

    def __init__(
        self, coarse: FaceDetector, fine: FaceDetector, *, passes: int = 2, trust: float = 0.5
    ) -> None:
        if passes < 1:
            raise ConfigError(f"the zoomed detector needs at least one pass, got {passes}")
        self._coarse = coarse
        self._fine = fine
        self._passes = passes
        self._trust = trust

    def detect(self, rgb: ImageU8) -> list[Detection]:
        """Faces in ``rgb``, ``(H, W, 3)`` uint8 of any size, strongest first, in its pixels.

        Where ``fine`` finds nothing near the expected place, the coarse detection stands (or goes, if its
        score is below ``trust``). A refined detection's box is that of its pose, clipped to the picture.
        """
        require_picture(rgb, "picture to detect in")
        refined = [self.refine(rgb, detection) for detection in self._coarse.detect(rgb)]
        return without_duplicates(sorted((d for d in refined if d is not None), key=lambda d: -d.score))

    def refine(self, rgb: ImageU8, coarse: Detection) -> Detection | None:
        """``coarse`` with better key points; None where it is not to be believed.

        Args:
            rgb: the picture, ``(H, W, 3)`` uint8.
            coarse: a detection in it.
        """
        height, width = rgb.shape[:2]
        start = plausible(coarse, width, height)
        pose, zoomed = pose_from_keypoints(start.keypoints), None
        for _ in range(self._passes):
            closer = self._zoom(rgb, pose)
            if closer is None:
                break
            zoomed, pose = closer, pose_from_keypoints(closer.keypoints)
        if coarse.score < self._trust and (zoomed is None or zoomed.score < _CONFIRMED):
            return None
        box = None if zoomed is None else clipped(crop_box(pose), width, height)
        if zoomed is None or box is None:
            return start
        return Detection(box, max(coarse.score, zoomed.score), zoomed.keypoints)

    def close(self) -> None:
        """Close both detectors; idempotent."""
        self._coarse.close()
        self._fine.close()

    def _zoom(self, rgb: ImageU8, pose: Similarity) -> Detection | None:
        """The face in the enlarged picture around ``pose``, in pixels of ``rgb`` (its box is of no use)."""
        field = _enlarged(pose)
        per_px = HR_SIZE / _ZOOM_PX  # canonical px of the field per px of the enlarged picture
        best, nearest = None, _NEAR
        for seen in self._fine.detect(sample(rgb, field, _ZOOM_PX)):
            # The same points in the canonical crop, where a perfect start would find them at ANCHORS.
            place = _FIELD * (seen.keypoints[:4] * per_px - HR_SIZE / 2) + HR_SIZE / 2
            distance = hypot(*(place.mean(0) - ANCHORS.mean(0)))
            size = fit_similarity(ANCHORS, place).scale
            if _SIZES[0] < size < _SIZES[1] and distance < nearest:
                best, nearest = seen, distance
        return None if best is None else Detection(best.box, best.score, field.apply(best.keypoints * per_px))


def _enlarged(pose: Similarity) -> Similarity:
    """The pose of the square ``_FIELD`` times as wide about the same centre."""
    middle = HR_SIZE / 2
    x, y = pose.apply(np.array([[middle, middle]]))[0]
    a, b = _FIELD * pose.a, _FIELD * pose.b
    return Similarity(a, b, float(x) - middle * (a - b), float(y) - middle * (b + a))
