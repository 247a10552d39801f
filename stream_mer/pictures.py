"""What is seen: frames, boxes, faces and where they lie; frozen, slotted, each checks its own shape.

Import these from ``stream_mer.types``, which holds what is concluded from them too. Units are in the
names: ``_ns`` integer nanoseconds since the source's first frame, ``_px`` pixels of the picture the
value belongs to. Arrays are RGB ``uint8`` of shape ``(H, W, 3)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

ImageU8: TypeAlias = NDArray[np.uint8]
ArrayF32: TypeAlias = NDArray[np.float32]
ArrayF64: TypeAlias = NDArray[np.float64]

LABELS: tuple[str, ...] = ("happiness", "surprise", "disgust", "repression", "others")
"""Class names in the order of every probability vector (CASME II's five classes)."""

LR_SIZE = 32
"""Side of the LR crop, px (the paper's)."""
HR_SIZE = 128
"""Side of the high-resolution and super-resolved picture, pixels."""


def require_picture(array: NDArray[np.uint8], what: str, size: int | None = None) -> None:
    """Raise ``ValueError`` unless ``array`` is an RGB uint8 picture (of side ``size``, if given)."""
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise ValueError(f"{what} must be uint8 (H, W, 3), got {array.dtype} {array.shape}")
    if size is not None and array.shape[:2] != (size, size):
        raise ValueError(f"{what} must be {size}x{size}, got {array.shape[1]}x{array.shape[0]}")


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a source says about itself once it is open.

    ``name`` is safe to print (credentials redacted). ``digest`` identifies the content: the
    sha256 of a file, or of the redacted address of a live source. ``frames`` is the container's
    claim, not a promise.
    """

    name: str
    digest: str
    width: int
    height: int
    fps_nominal: float | None
    frames: int | None
    duration_s: float | None
    live: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture with its time. ``epoch`` changes when the time line is broken (reconnect, seek)."""

    index: int
    pts_ns: int
    rgb: ImageU8
    epoch: int = 0

    def __post_init__(self) -> None:
        require_picture(self.rgb, "Frame.rgb")


@dataclass(frozen=True, slots=True)
class Box:
    """Axis-aligned rectangle in frame pixels, half-open: ``[x0, x1) x [y0, y1)``."""

    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        if not (self.x1 > self.x0 and self.y1 > self.y0):
            raise ValueError(f"empty box {self.x0, self.y0, self.x1, self.y1}")

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def centre(self) -> tuple[float, float]:
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2


@dataclass(frozen=True, slots=True)
class Similarity:
    """Maps a point of the canonical crop to the frame: ``x = a u - b v + tx``, ``y = b u + a v + ty``."""

    a: float
    b: float
    tx: float
    ty: float

    @property
    def scale(self) -> float:
        """Frame pixels per canonical crop pixel."""
        return hypot(self.a, self.b)

    def apply(self, points: ArrayF64) -> ArrayF64:
        """Map ``(N, 2)`` canonical points to ``(N, 2)`` frame points."""
        u, v = points[:, 0], points[:, 1]
        return np.stack([self.a * u - self.b * v + self.tx, self.b * u + self.a * v + self.ty], axis=1)

    def inverse(self) -> Similarity:
        """The map from the frame back to the canonical crop."""
        det = self.a * self.a + self.b * self.b
        a, b = self.a / det, -self.b / det
        return Similarity(a, b, -(a * self.tx - b * self.ty), -(b * self.tx + a * self.ty))


@dataclass(frozen=True, slots=True)
class Detection:
    """A face found in one frame.

    ``keypoints`` is ``(6, 2)`` float64 in frame pixels: the eye on the picture's left, the eye on
    its right, nose tip, mouth centre, then the two ears in the same order.
    """

    box: Box
    score: float
    keypoints: ArrayF64

    def __post_init__(self) -> None:
        if self.keypoints.shape != (6, 2):
            raise ValueError(f"Detection.keypoints must be (6, 2), got {self.keypoints.shape}")


@dataclass(frozen=True, slots=True)
class FaceTrack:
    """One person's face in one frame.

    ``pose`` places the canonical 128x128 crop. ``segment`` grows whenever the pose was re-seeded:
    pictures of two segments must never share a window. ``quality`` is the correlation with the
    registration's key frame, 0..1. ``face_px`` is the width of the face in frame pixels.
    """

    track_id: int
    segment: int
    box: Box
    pose: Similarity
    face_px: float
    quality: float


@dataclass(frozen=True, slots=True)
class FaceCrop:
    """What is cut out for one track in one frame.

    ``lr`` is the 32x32 low-resolution crop. ``picture`` is the 128x128 face the classifier looks
    at: super-resolved from ``lr`` if ``sr``, otherwise sampled from the frame.
    """

    track: FaceTrack
    frame_index: int
    pts_ns: int
    epoch: int
    lr: ImageU8
    picture: ImageU8 | None = None
    sr: bool = False

    def __post_init__(self) -> None:
        require_picture(self.lr, "FaceCrop.lr", LR_SIZE)
        if self.picture is not None:
            require_picture(self.picture, "FaceCrop.picture", HR_SIZE)
