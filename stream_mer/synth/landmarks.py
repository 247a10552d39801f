"""Names for the points of the 468-point face mesh, and the axes of a face that lies in a picture.

"Right" and "left" are the person's own, as in facial action coding; the person's right is on the
left of the picture. Coordinates are continuous pixels: the first pixel covers [0, 1).

Source: point numbers of the MediaPipe face mesh topology, read off drawings of the mesh.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_mer.types import ArrayF64

POINTS = 468
"""Points of the mesh."""
FACE_WIDTHS_PER_EYE_DISTANCE = 2.3
"""Face width as a multiple of the eye distance (the canonical crop's 92 px by 40 px)."""

UPPER_LID = {
    "R": (33, 246, 161, 160, 159, 158, 157, 173, 133),
    "L": (263, 466, 388, 387, 386, 385, 384, 398, 362),
}
"""Upper lid contours from the outer to the inner corner of the eye."""
LOWER_LID = {
    "R": (33, 7, 163, 144, 145, 153, 154, 155, 133),
    "L": (263, 249, 390, 373, 374, 380, 381, 382, 362),
}
"""Lower lid contours from the outer to the inner corner of the eye."""
LID_FOLD = {"R": (247, 30, 29, 27, 28, 56, 190), "L": (467, 260, 259, 257, 258, 286, 414)}
"""The ring just above each upper lid."""
LID_BAG = {"R": (25, 110, 24, 23, 22, 26, 112), "L": (255, 339, 254, 253, 252, 256, 341)}
"""The ring just below each lower lid."""
BROW = {
    "R": (46, 53, 52, 65, 55, 70, 63, 105, 66, 107),
    "L": (276, 283, 282, 295, 285, 300, 293, 334, 296, 336),
}
"""Eyebrows."""
INNER_LIPS = (
    (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308),
    (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308),
)
"""The line between the lips, upper then lower, both from the person's right to the left."""
EYE_CORNERS = {"R": (33, 133), "L": (263, 362)}
"""Outer and inner corner of each eye."""
NOSE_TIP = 1
MOUTH_MIDDLE = (13, 14)
FOREHEAD_TOP = 10
CHIN = 152

EYE_POINTS: NDArray[np.intp] = np.array(
    sorted({i for side in "RL" for ring in (UPPER_LID, LOWER_LID) for i in ring[side]}), np.intp
)
"""All lid points: what brow and cheek motion must not drag along."""


@dataclass(frozen=True, slots=True)
class FaceAxes:
    """The upright frame of one face: ``centre`` between the eyes, ``x`` to the picture's right along
    the eyes, ``y`` down; ``width`` is the face width in px, the unit of every displacement here."""

    centre: ArrayF64
    x: ArrayF64
    y: ArrayF64
    width: float

    def coordinates(self, points: ArrayF64) -> ArrayF64:
        """``(N, 2)`` picture points as face coordinates in face widths."""
        d = points[:, :2] - self.centre
        return np.stack([d @ self.x, d @ self.y], axis=1) / self.width

    def vectors(self, components: ArrayF64) -> ArrayF64:
        """``(N, 2)`` displacements along the face's axes, in face widths, as picture vectors in px."""
        return self.width * (components[:, :1] * self.x + components[:, 1:2] * self.y)


def eye_centres(mesh: ArrayF64) -> tuple[ArrayF64, ArrayF64]:
    """Middle between the corners of the right and of the left eye, ``(2,)`` each."""
    right, left = (mesh[list(EYE_CORNERS[s]), :2].mean(0) for s in "RL")
    return right, left


def face_axes(mesh: ArrayF64) -> FaceAxes:
    """Axes of the face whose ``(468, 2 or 3)`` mesh is given.

    Raises:
        ValueError: not a 468-point mesh, or the eyes coincide.
    """
    require_mesh(mesh)
    right, left = eye_centres(mesh)
    span = left - right
    distance = float(np.hypot(span[0], span[1]))
    if not distance > 1e-6:
        raise ValueError("the eyes of the mesh coincide: this is not a face")
    x = span / distance
    y = np.array([-x[1], x[0]])
    return FaceAxes((right + left) / 2, x, y, FACE_WIDTHS_PER_EYE_DISTANCE * distance)


def pose_keypoints(mesh: ArrayF64) -> ArrayF64:
    """The six key points a face detector gives (eyes, nose, mouth, ears), ``(6, 2)``, from a mesh."""
    right, left = eye_centres(mesh)
    return np.stack(
        [right, left, mesh[NOSE_TIP, :2], mesh[list(MOUTH_MIDDLE), :2].mean(0), mesh[234, :2], mesh[454, :2]]
    )


def require_mesh(mesh: ArrayF64) -> None:
    """Raise ``ValueError`` unless ``mesh`` is ``(468, 2)`` or ``(468, 3)`` and finite."""
    if mesh.ndim != 2 or mesh.shape[0] != POINTS or mesh.shape[1] not in (2, 3):
        raise ValueError(f"a face mesh must be (468, 2) or (468, 3), got {mesh.shape}")
    if not np.isfinite(mesh).all():
        raise ValueError("the face mesh has points that are not finite")
