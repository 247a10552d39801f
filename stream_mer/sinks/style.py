"""Colours and proportions of the overlay, so that it looks the same at 320x240 and at 1920x1080."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from stream_mer.types import Box

Colour: TypeAlias = tuple[int, int, int]
Place: TypeAlias = Literal["right", "left", "bottom", "top"]
PLACES: tuple[Place, ...] = ("right", "left", "bottom", "top")
"""Where the insets may stand: a column at either side, or a row above the banners or below the status."""

LABEL_COLOURS: dict[str, Colour] = {
    "happiness": (240, 228, 66),
    "surprise": (100, 190, 240),
    "disgust": (46, 201, 145),
    "repression": (235, 160, 205),
    "others": (240, 164, 40),
}
"""A colour a class. Source: Okabe & Ito 2008, lightened to read on a dark plate."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes and places for one picture size, px. ``inset`` is 0 where insets would cover too much."""

    width: int
    height: int
    text: float
    pad: int
    line: int
    lane: int
    lanes: int
    inset: int

    @staticmethod
    def of(height: int, width: int, *, faces: int = 1, insets: bool = True, strip: bool = True) -> Layout:
        """Proportions for a picture with so many faces.

        ``base`` keeps upright phone video from getting giant letters.
        """
        base = min(height, round(0.75 * width))
        most = 4 if base >= 700 else 3 if base >= 400 else 2
        lanes = max(1, min(faces, most))
        side = round((0.15 if faces <= 1 else 0.115) * base)
        return Layout(
            width=width,
            height=height,
            text=max(9.0, 0.0195 * base + 5.5),
            pad=max(2, round(0.008 * base + 1)),
            line=max(1, round(base / 400)),
            lane=min(max(10, round(0.052 * base + 8)), max(8, round(0.24 * height / lanes))),
            lanes=lanes if strip else 0,
            inset=max(32, side) if insets and base >= 160 else 0,
        )

    @property
    def top(self) -> int:
        """Row where the status line ends."""
        return round(self.text * 1.6)

    @property
    def axis(self) -> int:
        """Height of the strip's time axis."""
        return round(self.text * 1.1)

    @property
    def bottom(self) -> int:
        """Row where the score strip begins; the picture's height where there is none or no room."""
        if not self.lanes:
            return self.height
        top = self.height - self.lane * self.lanes - self.axis
        return self.height if top < self.height // 3 or self.width < 8 * self.text else top

    @property
    def banner(self) -> int:
        """Height of an event's banner: a large line and a small one."""
        return round(2.73 * self.text) + self.pad

    @property
    def plate(self) -> tuple[int, int]:
        """Width and height of one face's inset plate."""
        return 2 * self.inset + 3 * self.pad, self.inset + round(self.text * 1.3) + 2 * self.pad

    def plate_at(self, place: Place, slot: int) -> tuple[int, int] | None:
        """Top left corner of the plate in a slot, or None where there is no room for it."""
        (w, h), pad = self.plate, self.pad
        if place in ("top", "bottom"):
            x = self.width - (slot + 1) * (w + pad)
            y = self.top + pad if place == "top" else self.bottom - self.banner - h - 2 * pad
        else:
            x = pad if place == "left" else self.width - w - pad
            y = self.top + pad + slot * (h + pad)
        return (x, y) if x >= 0 and y >= self.top and y + h <= self.bottom else None

    def covered(self, place: Place, slots: Iterable[int], boxes: Iterable[Box]) -> float:
        """Px of faces (with hair, ears and chin) that the plates would hide."""
        w, h = self.plate
        corners = [corner for slot in slots if (corner := self.plate_at(place, slot))]
        return sum(
            max(0.0, min(box.x1 + 0.15 * box.width, x + w) - max(box.x0 - 0.15 * box.width, x))
            * max(0.0, min(box.y1 + 0.2 * box.height, y + h) - max(box.y0 - 0.3 * box.height, y))
            for box in boxes
            for x, y in corners
        )


def clock_text(ns: int) -> str:
    """A time as people write it: ``1:02.345`` or ``1:00:02.345``, rounded down to the millisecond.

    >>> clock_text(62_345_600_000)
    '1:02.345'
    >>> clock_text(3_600_000_000_000)
    '1:00:00.000'
    """
    milliseconds = max(0, ns) // 1_000_000
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest // 1000:02d}.{rest % 1000:03d}"
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"
