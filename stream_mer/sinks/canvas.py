"""The brushes: text, panels, lines and pixel blocks drawn into an RGB picture, all anti-aliased.

OpenCV draws whatever three numbers it is given, so pictures stay RGB here; nothing is ever converted.
Positions are pixels from the top left; everything that lies outside the picture is clipped.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from math import floor
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stream_mer.sinks.style import Colour
from stream_mer.types import ImageU8

WHITE: Colour = (245, 245, 245)
GREY: Colour = (176, 182, 190)
DARK: Colour = (16, 18, 22)

_HERSHEY = cv2.FONT_HERSHEY_SIMPLEX
_PLAIN = str.maketrans({"·": "|", "×": "x", "→": ">", "–": "-", "…": ".", "≥": ">"})
_fonts = threading.local()
"""A font object changes while it draws, so every thread has its own."""


def _font(bold: bool) -> Any:
    """OpenCV 5's built-in sans serif; None on OpenCV 4, which has stroke fonts only."""
    if not hasattr(cv2, "FontFace"):
        return None
    if not hasattr(_fonts, "pair"):
        _fonts.pair = (cv2.FontFace("sans"), cv2.FontFace("sans"))
    return _fonts.pair[bold]


def text(
    img: ImageU8,
    x: float,
    baseline: float,
    words: str,
    size: float,
    colour: Colour = WHITE,
    *,
    bold: bool = False,
) -> None:
    """Write ``words`` with capitals about ``0.7 size`` px high, starting at ``x`` on ``baseline``."""
    font = _font(bold)
    at = (round(x), round(baseline))
    if font is not None:
        cv2.putText(img, words, at, colour, font, round(size), 650 if bold else 420)
    else:
        scale, width = size / 31, max(1, round(size / (11 if bold else 18)))
        cv2.putText(img, words.translate(_PLAIN), at, _HERSHEY, scale, colour, width, cv2.LINE_AA)


def text_width(words: str, size: float, *, bold: bool = False) -> int:
    """How many px ``text`` would need for ``words``."""
    font = _font(bold)
    if font is not None:
        x, _, width, _ = cv2.getTextSize((0, 0), words, (0, 0), font, round(size), 650 if bold else 420)
        return int(x + width)
    (width, _), _ = cv2.getTextSize(words.translate(_PLAIN), _HERSHEY, size / 31, max(1, round(size / 18)))
    return int(width)


def clip(img: ImageU8, x0: float, y0: float, x1: float, y1: float) -> tuple[int, int, int, int]:
    """A rectangle rounded to px and cut to the picture; may be empty (``x1 <= x0``).

    Halves round up: Python's round-to-even would make a line of one px nought or two px wide.
    """
    h, w = img.shape[:2]
    ix0, iy0 = min(max(floor(x0 + 0.5), 0), w), min(max(floor(y0 + 0.5), 0), h)
    return ix0, iy0, min(max(floor(x1 + 0.5), ix0), w), min(max(floor(y1 + 0.5), iy0), h)


def panel(
    img: ImageU8,
    x0: float,
    y0: float,
    x1: float,
    y1: float,
    *,
    colour: Colour = DARK,
    alpha: float = 0.8,
    radius: int = 0,
) -> None:
    """Lay a translucent plate over the picture, so that text on it reads on any background."""
    ix0, iy0, ix1, iy1 = clip(img, x0, y0, x1, y1)
    if ix1 <= ix0 or iy1 <= iy0:
        return
    part = img[iy0:iy1, ix0:ix1]
    r = min(radius, part.shape[0] // 2, part.shape[1] // 2)
    corners = [(part[rows, cols], part[rows, cols].copy(), mask) for rows, cols, mask in _corners(r)]
    part[:] = cv2.LUT(part, _tint(colour, alpha))
    for corner, before, mask in corners:
        corner[:] = (before + mask * (corner - before.astype(np.float32)) + 0.5).astype(np.uint8)


@lru_cache(maxsize=64)
def _tint(colour: Colour, alpha: float) -> ImageU8:
    """What each of the 256 levels of each channel becomes under a translucent colour."""
    levels = np.arange(256)[None, :, None] * (1 - alpha) + np.array(colour) * alpha
    table: ImageU8 = np.rint(levels).astype(np.uint8)
    return table


@lru_cache(maxsize=64)
def _corners(radius: int) -> list[tuple[slice, slice, NDArray[np.float32]]]:
    """Rows, columns and coverage 0..1 of the four quarter circles of a rounded rectangle."""
    if radius == 0:
        return []
    away = radius - np.arange(radius) - 0.5
    mask = np.clip(radius + 0.5 - np.hypot(away[:, None], away[None, :]), 0, 1).astype(np.float32)[:, :, None]
    low, high = slice(None, radius), slice(-radius, None)
    return [
        (low, low, mask),
        (low, high, mask[:, ::-1]),
        (high, low, mask[::-1]),
        (high, high, mask[::-1, ::-1]),
    ]


def fill(img: ImageU8, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
    """Paint a rectangle."""
    ix0, iy0, ix1, iy1 = clip(img, x0, y0, x1, y1)
    img[iy0:iy1, ix0:ix1] = colour


def lines(img: ImageU8, points: NDArray[np.float64], colour: Colour, width: int = 1) -> None:
    """An anti-aliased polyline through ``(N, 2)`` points, placed to 1/16 px."""
    fixed = np.rint(np.asarray(points) * 16).astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(img, [fixed], False, colour, width, cv2.LINE_AA, 4)


def dot(img: ImageU8, x: float, y: float, radius: float, colour: Colour) -> None:
    """Paint an anti-aliased disc, placed to 1/16 px."""
    centre = round(x * 16), round(y * 16)
    cv2.circle(img, centre, round(radius * 16), colour, -1, cv2.LINE_AA, 4)


def area(img: ImageU8, points: NDArray[np.float64], floor: float, colour: Colour, alpha: float) -> None:
    """Tint what lies between a polyline and the horizontal line ``floor`` beneath it."""
    top, left, right = points[:, 1].min(), points[:, 0].min(), points[:, 0].max()
    x0, y0, x1, y1 = clip(img, left, top, right + 1, floor)
    if x1 <= x0 or y1 <= y0:
        return
    part = img[y0:y1, x0:x1]
    outline = np.concatenate([points, [[right, floor], [left, floor]]]) - (x0, y0)
    tinted = part.copy()
    cv2.fillPoly(tinted, [np.rint(outline * 16).astype(np.int32).reshape(-1, 1, 2)], colour, cv2.LINE_AA, 4)
    part[:] = cv2.addWeighted(part, 1 - alpha, tinted, alpha, 0)


def brackets(img: ImageU8, box: Sequence[float], colour: Colour, width: int) -> None:
    """The four corners of ``x0, y0, x1, y1``, light over a dark edge so they show on any skin or wall."""
    x0, y0, x1, y1 = box
    arm = max(3.0, 0.2 * min(x1 - x0, y1 - y0))
    corners = [
        [[x, y + sy * arm], [x, y], [x + sx * arm, y]]
        for x, sx in ((x0, 1), (x1, -1))
        for y, sy in ((y0, 1), (y1, -1))
    ]
    for ink, thickness in ((DARK, width + 2), (colour, width)):
        for corner in corners:
            lines(img, np.array(corner, np.float64), ink, thickness)


def paste(img: ImageU8, picture: ImageU8, x: float, y: float, size: int, *, blocky: bool) -> None:
    """Put a square picture at ``x, y``, scaled to ``size`` px: in visible blocks, or smoothly."""
    x0, y0, x1, y1 = clip(img, x, y, x + size, y + size)
    if (x1 - x0, y1 - y0) != (size, size):
        return
    smooth = cv2.INTER_AREA if size < picture.shape[0] else cv2.INTER_CUBIC
    how = cv2.INTER_NEAREST if blocky and size >= picture.shape[0] else smooth
    img[y0:y1, x0:x1] = cv2.resize(picture, (size, size), interpolation=how)


def pixelate(img: ImageU8, x0: float, y0: float, x1: float, y1: float, cells: int = 6) -> None:
    """Make a rectangle unrecognisable: ``cells`` flat blocks along its longer side.

    Six leave 36 colours of a face and its hair: eyes, nose and mouth share two rows. The classic limit
    at which people still recognise a well-known face is about 16.
    """
    ix0, iy0, ix1, iy1 = clip(img, x0, y0, x1, y1)
    if ix1 <= ix0 or iy1 <= iy0:
        return
    part = img[iy0:iy1, ix0:ix1]
    h, w = part.shape[:2]
    cell = max(h, w) / cells
    small = cv2.resize(part, (max(1, round(w / cell)), max(1, round(h / cell))), interpolation=cv2.INTER_AREA)
    part[:] = cv2.resize(small, (w, h), interpolation=cv2.INTER_NEAREST)
