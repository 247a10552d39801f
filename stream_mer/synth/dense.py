"""Dense image work of the generator: sampling, blurring, blending. The only file here with OpenCV.

All point coordinates are continuous (first pixel covers [0, 1)); pictures are RGB throughout, as no
function here cares about the order of the channels.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from stream_mer.types import ArrayF32, ArrayF64, ImageU8


def resample(picture: ArrayF32, x: ArrayF32, y: ArrayF32) -> ArrayF32:
    """Bilinear samples of ``(H, W, C)`` float32 at pixel *indices* ``x, y`` (pixel centres are whole).

    Smooth, over-sampled pictures only: their content must be band-limited to about half of their
    resolution, else use a finer picture. The border repeats.
    """
    out: ArrayF32 = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return out


def resample_sharp(picture: NDArray[np.uint8], x: ArrayF32, y: ArrayF32) -> NDArray[np.uint8]:
    """Lanczos samples of a uint8 picture at pixel indices, for warps of real frames; border reflects."""
    out: NDArray[np.uint8] = cv2.remap(picture, x, y, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT_101)
    return out


def resample_plain(picture: NDArray[np.uint8], x: ArrayF32, y: ArrayF32, step: float) -> ArrayF32:
    """Samples of a uint8 picture ``step`` px apart, softened first where they would alias; float32."""
    soft = blurred(picture.astype(np.float32), 0.4 * step if step > 1.2 else 0.0)
    return resample(soft, x, y)


def scaled(picture: ArrayF32, factor: float) -> ArrayF32:
    """The picture at another size: area average when it shrinks, cubic when it grows."""
    if abs(factor - 1.0) < 1e-6:
        return picture
    h, w = picture.shape[:2]
    size = (max(1, round(w * factor)), max(1, round(h * factor)))
    out: ArrayF32 = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
    return out


def stretched(picture: ArrayF32, width: int, height: int) -> ArrayF32:
    """The picture stretched to ``width x height`` px with pixel areas aligned (linear)."""
    out: ArrayF32 = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    return out


def blurred(picture: ArrayF32, sigma_px: float) -> ArrayF32:
    """Gaussian blur; nothing below 0.05 px."""
    if sigma_px < 0.05:
        return picture
    out: ArrayF32 = cv2.GaussianBlur(picture, (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE)
    return out


def extended(picture: ArrayF32, margin_px: int, soft_px: float) -> ArrayF32:
    """The picture with a margin all round: its border repeated, ever softer further out."""
    wide: ArrayF32 = cv2.copyMakeBorder(
        picture, margin_px, margin_px, margin_px, margin_px, cv2.BORDER_REPLICATE
    )
    h, w = picture.shape[:2]
    inside = np.zeros(wide.shape[:2], np.float32)
    inside[margin_px : margin_px + h, margin_px : margin_px + w] = 1.0
    share = blurred(inside, soft_px * 0.5)
    share = np.clip(2.0 * share - 1.0, 0.0, 1.0)[:, :, None] * inside[:, :, None]
    soft = blurred(wide, soft_px)
    mixed: ArrayF32 = soft + share * (wide - soft)
    return mixed


def blend(over: ArrayF32, under: ArrayF32, share: ArrayF32) -> ArrayF32:
    """``share * over + (1 - share) * under`` for ``(H, W, 3)`` pictures and an ``(H, W)`` share."""
    out: ArrayF32 = cv2.blendLinear(over, under, share, 1.0 - share)
    return out


def filled_outline(points: ArrayF64, height: int, width: int, soft_px: float) -> ArrayF32:
    """1 inside the closed outline of ``(N, 2)`` points, 0 outside, blurred by ``soft_px``."""
    mask = np.zeros((height, width), np.float32)
    cv2.fillPoly(mask, [np.rint((points - 0.5) * 16).astype(np.int32)], 1.0, cv2.LINE_8, 4)
    return blurred(mask, soft_px)


def drawn_line(points: ArrayF64, height: int, width: int, thickness_px: float, soft_px: float) -> ArrayF32:
    """A soft band along an open line of ``(N, 2)`` points, 1 on the line."""
    mask = np.zeros((height, width), np.float32)
    line = np.rint((points - 0.5) * 16).astype(np.int32)
    cv2.polylines(mask, [line], False, 1.0, max(1, round(thickness_px)), cv2.LINE_8, 4)
    soft = blurred(mask, soft_px)
    return soft / max(float(soft.max()), 1e-6)


def noisy_u8(picture: ArrayF32, noise: ArrayF32, gain: float, shot: float, read: float) -> ImageU8:
    """What a sensor makes of a picture: ``gain``, then noise of variance ``shot * level + read**2``.

    Args:
        picture: ``(H, W, 3)`` float32, 0..255.
        noise: ``(H, W, 3)`` float32, zero mean, unit variance.
        gain: brightness factor.
        shot: variance per grey level.
        read: standard deviation of the noise at black, grey levels.

    Returns:
        ``(H, W, 3)`` uint8, rounded once.
    """
    out = np.empty(picture.shape, np.uint8)
    for start in range(0, len(picture), 16):  # a few rows at a time stay in the cache
        rows = slice(start, start + 16)
        lit = picture[rows] * np.float32(gain)
        if shot > 0 or read > 0:
            spread = lit * np.float32(shot)
            spread += np.float32(read * read)
            np.maximum(spread, 0, out=spread)  # a sharp edge may undershoot black
            cv2.sqrt(spread, spread)
            spread *= noise[rows]
            lit += spread
        np.rint(lit, out=lit)
        np.clip(lit, 0, 255, out=lit)
        out[rows] = lit
    return out


def decoded_png(data: bytes) -> ImageU8:
    """The RGB picture in a PNG file's bytes."""
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError(f"{len(data)} bytes are no PNG picture")
    rgb: ImageU8 = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return rgb


def encoded_png(rgb: ImageU8) -> bytes:
    """An RGB picture as a PNG file's bytes."""
    done, data = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError(f"a picture of shape {rgb.shape} cannot be written as PNG")
    return data.tobytes()


def lettered(rgb: ImageU8, words: str) -> ImageU8:
    """The picture with small yellow words in its upper left corner."""
    out = rgb.copy()
    for colour, width in (((0, 0, 0), 3), ((255, 230, 60), 1)):
        cv2.putText(out, words, (4, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, width, cv2.LINE_AA)
    return out
