"""THE crop function: cuts a face out of a frame, upright and to scale, by one sub-pixel warp.

Training and serving both cut faces with ``sample``; tracking looks at the frame through the same
``cut`` and ``resample``. Nothing else in the product resamples a face.

This is the one file in ``core`` that imports cv2. An exact bicubic in NumPy (kept in the tests as
the reference) takes 17 ms for a 128x128 picture, this takes less than one. Only cv2's *linear* warp
is used: its cubic kernel (a = -0.75) does not reproduce a ramp, it displaces content by up to
0.047 px with a period of one pixel, which is a jitter of its own. Where detail matters the frame is
first doubled by the exact Catmull-Rom half-pixel filter, so that linear interpolation errs little.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stream_mer.types import HR_SIZE, ArrayF32, ArrayF64, ImageU8, Similarity

HALF_PIXEL_FILTER = np.array([-1.0, 9.0, 9.0, -1.0], np.float32) / 16.0
"""Catmull-Rom weights half way between two pixels. Source: Keys 1981 with a = -0.5, t = 1/2."""
SUPERSAMPLE_ABOVE = 1.2
"""Frame pixels between samples above which there are twice as many each way, against aliasing."""
DOUBLE_BELOW = 0.8
"""Frame pixels between averaged samples below which the frame is doubled. Source: measured against
the exact sampler; above, doubling costs time and gains less than 0.25 grey levels."""
CORNERS: ArrayF64 = np.array([[0.0, 0.0], [HR_SIZE, 0.0], [0.0, HR_SIZE], [HR_SIZE, HR_SIZE]])


@dataclass(frozen=True, slots=True)
class Patch:
    """The part of a frame around a face, ready to be resampled many times.

    ``pixels`` is float32 ``(H, W)`` or ``(H, W, C)``; its pixel ``(row, col)`` has its centre at frame
    coordinates ``x = x0 + col * pitch``, ``y = y0 + row * pitch``.
    """

    pixels: ArrayF32
    x0: float
    y0: float
    pitch: float


def sample(rgb: ImageU8, pose: Similarity, size: int) -> ImageU8:
    """Cut the canonical crop out of a frame at ``size x size`` by one sub-pixel warp.

    Every output pixel is the mean over its own square in the frame (the paper's area down-sampling
    when the face is larger than the output), so the 32x32 crop of a face is what the 128x128 crop
    gives when shrunk by areas. Large faces are first reduced by a whole factor and cost no more.

    Args:
        rgb: frame, ``(H, W, 3)`` uint8.
        pose: crop -> frame.
        size: output side in px (32 for LR, 128 for a native face).

    Returns:
        ``(size, size, 3)`` uint8, owned by the caller; outside the frame the border repeats.
    """
    return np.clip(np.rint(sample_f32(rgb, pose, size)), 0, 255).astype(np.uint8)


def sample_f32(rgb: ImageU8, pose: Similarity, size: int) -> ArrayF32:
    """``sample`` without the final rounding: ``(size, size, 3)`` float32."""
    step = HR_SIZE / size * pose.scale  # frame px an output pixel spans
    sub = max(1, HR_SIZE // size)
    if step > SUPERSAMPLE_ABOVE * sub:
        sub *= 2
    reduce = max(1, int(step / sub))
    patch = cut(rgb, pose, reduce=reduce)
    if step <= max(SUPERSAMPLE_ABOVE, DOUBLE_BELOW * (HR_SIZE // size)):
        patch = doubled(patch)
    fine = resample(patch, pose, size * sub)
    if sub == 1:
        return fine
    out: ArrayF32 = cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA)
    return out


def cut(rgb: ImageU8, pose: Similarity, *, reduce: int = 1, margin: float = 3.0) -> Patch:
    """The part of the frame the crop can touch, shrunk ``reduce`` times by averaging blocks.

    Blocks lie on a grid fixed to the frame, so a moving face is always averaged alike.

    Args:
        rgb: frame, ``(H, W, 3)`` uint8.
        pose: crop -> frame.
        reduce: side of the averaged blocks, frame px.
        margin: border around the crop, in blocks.
    """
    corners = pose.apply(CORNERS)
    rows, cols = rgb.shape[0] // reduce, rgb.shape[1] // reduce
    low = np.floor(corners.min(0) / reduce - margin)
    high = np.ceil(corners.max(0) / reduce + margin)
    x0, y0 = int(np.clip(low[0], 0, max(cols - 1, 0))), int(np.clip(low[1], 0, max(rows - 1, 0)))
    x1, y1 = int(np.clip(high[0], x0 + 1, max(cols, 1))), int(np.clip(high[1], y0 + 1, max(rows, 1)))
    region = rgb[y0 * reduce : y1 * reduce, x0 * reduce : x1 * reduce]
    if reduce > 1:
        region = cv2.resize(region, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
    return Patch(region.astype(np.float32), (x0 + 0.5) * reduce, (y0 + 0.5) * reduce, float(reduce))


def doubled(patch: Patch) -> Patch:
    """The same patch at half the pitch, new pixels by the half-pixel cubic filter."""
    p = patch.pixels
    h, w = p.shape[:2]
    out = np.empty((2 * h, 2 * w, *p.shape[2:]), np.float32)
    right = cv2.filter2D(p, -1, HALF_PIXEL_FILTER[None, :], anchor=(1, 0), borderType=cv2.BORDER_REPLICATE)
    for column, plane in ((0, p), (1, right)):
        out[0::2, column::2] = plane
        out[1::2, column::2] = cv2.filter2D(
            plane, -1, HALF_PIXEL_FILTER[:, None], anchor=(0, 1), borderType=cv2.BORDER_REPLICATE
        )
    return Patch(out, patch.x0, patch.y0, patch.pitch / 2)


def grey(patch: Patch) -> Patch:
    """Luminance of a colour patch."""
    return Patch(cv2.cvtColor(patch.pixels, cv2.COLOR_RGB2GRAY), patch.x0, patch.y0, patch.pitch)


def smoothed(patch: Patch, blur_px: float) -> Patch:
    """The same patch, blurred by a Gaussian of ``blur_px`` of its own pixels."""
    blurred = cv2.GaussianBlur(patch.pixels, (0, 0), blur_px, borderType=cv2.BORDER_REPLICATE)
    return Patch(blurred, patch.x0, patch.y0, patch.pitch)


def resample(patch: Patch, pose: Similarity, size: int) -> ArrayF32:
    """The canonical crop from a patch at ``size x size``, linear between the patch's pixels.

    Returns:
        ``(size, size)`` or ``(size, size, C)`` float32, owned by the caller.
    """
    cell = HR_SIZE / size
    a, b = pose.a * cell / patch.pitch, pose.b * cell / patch.pitch
    # centre of output pixel 0 is at 0.5 cells; patch index 0 is the centre of its first pixel
    tx = (pose.tx - patch.x0) / patch.pitch + 0.5 * (a - b)
    ty = (pose.ty - patch.y0) / patch.pitch + 0.5 * (a + b)
    matrix: NDArray[np.float64] = np.array([[a, -b, tx], [b, a, ty]])
    out: ArrayF32 = cv2.warpAffine(
        patch.pixels,
        matrix,
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return out


def gather(patch: Patch, pose: Similarity, u: ArrayF32, v: ArrayF32) -> ArrayF32:
    """Values of a grey patch at canonical points, linear between its pixels.

    Args:
        patch: one channel.
        pose: crop -> frame.
        u: ``(R, C)`` float32, canonical px.
        v: ``(R, C)`` float32.

    Returns:
        ``(R, C)`` float32, owned by the caller; outside the patch its border repeats.
    """
    a, b = np.float32(pose.a / patch.pitch), np.float32(pose.b / patch.pitch)
    x = a * u - b * v + np.float32((pose.tx - patch.x0) / patch.pitch)
    y = b * u + a * v + np.float32((pose.ty - patch.y0) / patch.pitch)
    out: ArrayF32 = cv2.remap(patch.pixels, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return out
