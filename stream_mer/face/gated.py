"""Looks for faces only where something moved, so that hours of an empty corridor cost almost nothing."""

from __future__ import annotations

import numpy as np

from stream_mer.protocols import FaceDetector
from stream_mer.types import ArrayF32, Detection, ImageU8, require_picture

STEP = 4
"""Every fourth pixel of every fourth row is looked at ..."""
CELL = 4
"""... and the mean of 4x4 of them (16 px of the frame) compared: a face of 32 px fills four cells."""
CHANGE = 8.0
"""Grey levels of 255 by which one cell must differ. Two means of 16 samples of a noisy camera (sigma 5)
differ by 1.8 rms, hardly ever by 8; noisier cameras keep the detector running, which is the safe side."""
AT_LEAST_EVERY = 10
"""Whatever moves or not, every tenth call looks: with the tracker's 0.2 s, every two seconds."""
AFTER_A_CHANGE = 5
"""So many calls after something moved are never left out: who creeps changes a cell now and then only."""
AFTER_A_FACE = 15
"""So many calls after a face was last seen are never left out: it may only have been missed."""


class GatedDetector:
    """A ``FaceDetector`` that answers "no face" without looking while nobody was there and nothing changed.

    The picture is compared with the one that was last looked at, not with the one before, so that
    somebody who comes in slowly is noticed all the same.

    Args:
        detector: what looks; closed with this one.

    Attributes:
        looked: how often ``detector`` was asked.
    """

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self._seen: ArrayF32 | None = None
        self._left_out = 0
        self._attentive = 0
        self.looked = 0

    def detect(self, rgb: ImageU8) -> list[Detection]:
        """Faces in ``rgb``, ``(H, W, 3)`` uint8 of any size, strongest first, in its pixels."""
        require_picture(rgb, "picture to detect in")
        cells = _cells(rgb)
        if self._changed(cells):
            self._attentive = max(self._attentive, AFTER_A_CHANGE)
        if self._attentive == 0 and self._left_out < AT_LEAST_EVERY - 1:
            self._left_out += 1
            return []
        found = self._detector.detect(rgb)
        self.looked += 1
        self._seen, self._left_out = cells, 0
        self._attentive = AFTER_A_FACE if found else max(self._attentive - 1, 0)
        return found

    def close(self) -> None:
        """Close the detector inside; idempotent."""
        self._detector.close()

    def _changed(self, cells: ArrayF32) -> bool:
        if self._seen is None or self._seen.shape != cells.shape:
            return True
        return bool(np.abs(cells - self._seen).max() > CHANGE)


def _cells(rgb: ImageU8) -> ArrayF32:
    """Mean green of each cell; green carries most of the luma."""
    green = rgb[::STEP, ::STEP, 1]
    height, width = max(1, green.shape[0] // CELL), max(1, green.shape[1] // CELL)
    whole = green[: height * CELL, : width * CELL].astype(np.float32)
    if whole.shape != (height * CELL, width * CELL):  # smaller than one cell
        return np.full((1, 1), whole.mean(), np.float32)
    cells: ArrayF32 = whole.reshape(height, CELL, width, CELL).mean((1, 3))
    return cells
