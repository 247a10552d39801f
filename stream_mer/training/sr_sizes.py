"""Motion fidelity against the size of a face in the frame: its own pixels, or LR and up again.

A large face loses pixels on its way to 32x32, a small one has none to lose. A camera that shows the
face at a given width is put before the product's own crop, so that both roads start from one frame.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from stream_mer.core.degradation import Degradation
from stream_mer.core.geometry import FACE_WIDTH
from stream_mer.core.warp import sample
from stream_mer.training.sr_evaluate import Upscaler
from stream_mer.training.sr_motion import Motion, measure_motion
from stream_mer.types import HR_SIZE, LR_SIZE, ImageU8, Similarity


def frame_side(face_px: float) -> int:
    """Side of a frame that holds just the canonical crop of a face ``face_px`` wide."""
    return max(8, round(HR_SIZE * face_px / FACE_WIDTH))


def camera(face_px: float) -> Degradation:
    """Shows an HR crop as a frame with the face ``face_px`` wide; faces wider than 92 px gain no detail."""
    side = frame_side(face_px)
    way = cv2.INTER_AREA if side < HR_SIZE else cv2.INTER_CUBIC

    def shoot(hr: ImageU8, _rng: np.random.Generator) -> ImageU8:
        return np.asarray(cv2.resize(hr, (side, side), interpolation=way), np.uint8)

    return shoot


def roads(face_px: float, upscalers: Mapping[str, Upscaler]) -> dict[str, Upscaler]:
    """From frames of ``camera`` to 128x128: the native crop, and every upscaler after the LR crop."""
    pose = Similarity(frame_side(face_px) / HR_SIZE, 0.0, 0.0, 0.0)

    def crop(frames: ImageU8, size: int) -> ImageU8:
        return np.stack([sample(frame, pose, size) for frame in frames])

    def through(upscale: Upscaler) -> Upscaler:
        return lambda frames: upscale(crop(frames, LR_SIZE))

    return {"native crop": lambda frames: crop(frames, HR_SIZE)} | {
        name: through(upscale) for name, upscale in upscalers.items()
    }


def motion_by_size(
    faces: ImageU8, sizes: tuple[float, ...], upscalers: Mapping[str, Upscaler]
) -> dict[float, dict[str, Motion]]:
    """Motion figures of the native crop and of every upscaler for each face width, px of the frame.

    Args:
        faces: ``(N, 128, 128, 3)`` uint8 HR crops.
        sizes: face widths; sensor noise has the same strength in every frame.
        upscalers: by name, from LR to 128x128.
    """
    return {px: measure_motion(faces, camera(px), roads(px, upscalers)) for px in sizes}
