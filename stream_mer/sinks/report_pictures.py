"""Pictures for the report: a face before, at and after its event, as small JPEGs inside the page."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import cv2
import numpy as np

from stream_mer.types import ImageU8

SIDE = 128
GAIN = 8.0
"""How much the motion is magnified: one LR pixel of a 1 % motion becomes plainly visible."""
QUALITY = 88


@dataclass(frozen=True, slots=True)
class FaceTriple:
    """One face at onset, apex and offset: 128x128 from the frame, 32x32 LR, 128x128 super-resolved."""

    native: tuple[ImageU8, ImageU8, ImageU8]
    lr: tuple[ImageU8, ImageU8, ImageU8]
    sr: tuple[ImageU8, ImageU8, ImageU8]

    def rows(self) -> list[tuple[str, list[ImageU8]]]:
        """Named rows of three pictures of one size, the last one with the motion magnified."""
        onset = self.native[0].astype(np.float32)
        moved = [onset + GAIN * (picture.astype(np.float32) - onset) for picture in self.native]
        return [
            ("source", list(self.native)),
            ("LR 32", [_enlarged(picture) for picture in self.lr]),
            ("SR", list(self.sr)),
            (f"motion x{GAIN:g}", [picture.clip(0, 255).astype(np.uint8) for picture in moved]),
        ]


def data_uri(rgb: ImageU8) -> str:
    """The picture as a ``data:`` address."""
    quality = [int(cv2.IMWRITE_JPEG_QUALITY), QUALITY]
    _, coded = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), quality)
    return "data:image/jpeg;base64," + base64.b64encode(coded.tobytes()).decode()


def _enlarged(lr: ImageU8) -> ImageU8:
    """Every LR pixel as a square: what there really was to see."""
    return np.repeat(np.repeat(lr, SIDE // lr.shape[0], 0), SIDE // lr.shape[1], 1)
