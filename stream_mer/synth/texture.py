"""A portrait made ready for warping, whose eyes can close and look aside and whose mouth can open.

Warping alone cannot close an eye (a lid covers the eyeball, it does not squash it), so lids, irises
and the dark of an open mouth are painted into the portrait's own pixels before the one warp that
puts the portrait into the frame.
"""

from __future__ import annotations

import numpy as np

from stream_mer.synth.dense import blurred, drawn_line, extended, resample, scaled
from stream_mer.synth.landmarks import BROW, INNER_LIPS, LID_BAG, LID_FOLD, LOWER_LID, UPPER_LID, face_axes
from stream_mer.types import ArrayF32, ArrayF64, ImageU8

_DARK = np.array([52.0, 24.0, 22.0], np.float32)  # inside of a mouth, grey levels


class FaceTexture:
    """The portrait at the resolution the frame asks for, with a soft margin around it.

    Args:
        portrait: ``(H, W, 3)`` uint8 RGB.
        mesh: ``(468, 2 or 3)`` points, px of the portrait.
        scale: texture px per portrait px.
        softness_px: deviation of the lens blur, texture px.
        margin: margin on every side as a share of the portrait's longer side.
    """

    def __init__(
        self, portrait: ImageU8, mesh: ArrayF64, scale: float, softness_px: float, margin: float
    ) -> None:
        height, width = portrait.shape[:2]
        body = scaled(portrait.astype(np.float32), scale)
        self.scale = np.array([body.shape[1] / width, body.shape[0] / height])
        self.offset = round(margin * max(body.shape[:2]))
        face_width = face_axes(mesh).width * float(self.scale.mean())
        self.pixels = blurred(extended(body, self.offset, 0.08 * face_width), softness_px)
        points = mesh[:, :2] * self.scale + self.offset
        self._eyes = [_Eye(self.pixels, points, side) for side in "RL"]
        self._mouth = _Mouth(self.pixels, points, face_width)

    def index(self, x: ArrayF32, y: ArrayF32) -> tuple[ArrayF32, ArrayF32]:
        """Portrait points as pixel indices of ``pixels``."""
        shift = np.float32(self.offset - 0.5)
        return x * np.float32(self.scale[0]) + shift, y * np.float32(self.scale[1]) + shift

    def pose_face(self, closure: float, gaze: tuple[float, float], opening: float) -> ArrayF32:
        """The texture with lids, irises and mouth as asked; the array is reused by the next call.

        Args:
            closure: 0 open, 1 shut.
            gaze: right and down, eye widths.
            opening: 0 shut, 1 dark between the lips.
        """
        for eye in self._eyes:
            eye.paint(self.pixels, closure, gaze)
        self._mouth.paint(self.pixels, opening)
        return self.pixels


class _Eye:
    def __init__(self, pixels: ArrayF32, points: ArrayF64, side: str) -> None:
        upper, lower = points[list(UPPER_LID[side])], points[list(LOWER_LID[side])]
        brow = float(points[list(BROW[side]), 1].max())
        self.width = float(np.ptp(upper[:, 0]))
        c0, c1 = int(np.floor(upper[:, 0].min())), int(np.ceil(upper[:, 0].max()))
        columns = np.arange(c0, c1, dtype=np.float64)
        u, low = (self._line(ring, columns + 0.5) for ring in (upper, lower))
        low = np.maximum(low, u + 0.2)
        self.high = float((low - u).max())
        gap = max(float(u.min()) - brow, 0.3 * self.high)
        reach = min(0.9 * self.high, 0.7 * gap)
        r0, r1 = int(max(0, np.floor(u.min() - reach - 2))), int(np.ceil(low.max() + 3))
        self.rows, self.columns = slice(r0, r1), slice(c0, c1)
        self.open = pixels[self.rows, self.columns].copy()
        self.u, self.low, self.top = u - r0, low - r0, u - r0 - reach
        self.y = (np.arange(r1 - r0) + 0.5)[:, None]
        along = np.clip((columns + 0.5 - upper[:, 0].min()) / max(self.width, 1.0), 0.0, 1.0)
        soft = 0.12 * self.high + 0.5
        aperture = np.clip((self.y - self.u) / soft, 0, 1) * np.clip((self.low - self.y) / soft, 0, 1)
        self.free = aperture * np.sin(np.pi * along) ** 0.8
        self.tapered = np.minimum(1.0, 4.0 * np.minimum(along, 1.0 - along))
        ring = points[list(LID_BAG[side] + LID_FOLD[side])].astype(int)
        self.tone = np.median(pixels[ring[:, 1], ring[:, 0]], axis=0).astype(np.float32)
        self.painted = False

    @staticmethod
    def _line(ring: ArrayF64, x: ArrayF64) -> ArrayF64:
        order = np.argsort(ring[:, 0])
        y = np.interp(x, ring[order, 0], ring[order, 1])
        box = max(1, len(x) // 10)
        padded = np.pad(y, (box, box), mode="edge")
        return np.convolve(padded, np.ones(2 * box + 1) / (2 * box + 1), mode="valid")

    def paint(self, pixels: ArrayF32, closure: float, gaze: tuple[float, float]) -> None:
        at_rest = closure <= 0 and gaze == (0.0, 0.0)
        if at_rest and not self.painted:
            return
        look = self.open
        rows, columns = look.shape[:2]
        x0 = np.broadcast_to(np.arange(columns, dtype=np.float64), (rows, columns))
        y0 = np.broadcast_to(self.y - 0.5, (rows, columns))
        if gaze != (0.0, 0.0):
            x = x0 - gaze[0] * self.width * self.free
            y = y0 - gaze[1] * self.width * self.free
            look = resample(self.open, x.astype(np.float32), y.astype(np.float32))
        if closure > 0:
            skin, cover = self._lid(closure, x0)
            look = look + cover * (skin - look)
        pixels[self.rows, self.columns] = look
        self.painted = not at_rest

    def _lid(self, closure: float, x0: ArrayF64) -> tuple[ArrayF32, ArrayF32]:
        """The upper lid's skin drawn down over the eye, and where it covers what was there."""
        edge = self.u + 0.96 * closure * (self.low - self.u)
        source_edge = self.u - 0.1 * self.high * min(1.0, 3.0 * closure) * self.tapered
        stretch = (source_edge - self.top) / np.maximum(edge - self.top, 1e-3)
        y = self.top + (self.y - self.top) * stretch - 0.5
        skin = resample(self.open, x0.astype(np.float32), y.astype(np.float32))
        stretched = np.clip((self.y - self.top) / np.maximum(self.u - self.top, 1.0), 0.0, 1.0) * min(
            1.0, 2 * closure
        )
        skin = skin + (0.45 * stretched)[:, :, None].astype(np.float32) * (
            self.tone - skin
        )  # skin, not lashes
        thickness = 0.07 * self.high + 0.4
        lashes = np.exp(-(((self.y - edge + thickness) / thickness) ** 2)) * min(1.0, 2.0 * closure)
        skin = skin * (1.0 - 0.45 * lashes * self.tapered)[:, :, None].astype(np.float32)
        cover = np.clip(edge - self.y + 0.5, 0.0, 1.0) * (self.y > self.top)
        return skin, cover[:, :, None].astype(np.float32)


class _Mouth:
    def __init__(self, pixels: ArrayF32, points: ArrayF64, face_width: float) -> None:
        line = (points[list(INNER_LIPS[0])] + points[list(INNER_LIPS[1])]) / 2
        pad = 0.05 * face_width
        low, high = np.floor(line.min(0) - pad).astype(int), np.ceil(line.max(0) + pad).astype(int)
        self.rows, self.columns = slice(low[1], high[1]), slice(low[0], high[0])
        self.shut = pixels[self.rows, self.columns].copy()
        h, w = self.shut.shape[:2]
        band = drawn_line(line[1:-1] - low, h, w, 0.012 * face_width, 0.008 * face_width)
        self.share = np.clip(1.3 * band, 0, 1)[:, :, None].astype(np.float32)
        self.painted = False

    def paint(self, pixels: ArrayF32, opening: float) -> None:
        if opening <= 0 and not self.painted:
            return
        share = self.share * np.float32(min(0.85, 1.2 * opening))
        dark = _DARK * np.float32(self.shut.mean() / 120.0)
        pixels[self.rows, self.columns] = self.shut + share * (dark - self.shut)
        self.painted = opening > 0
