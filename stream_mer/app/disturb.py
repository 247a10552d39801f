"""Spoils a source on purpose, as bad cameras and cutters do: light, cuts, gaps, a face at the border."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from stream_mer.app.through import Through
from stream_mer.protocols import Source
from stream_mer.types import Frame, ImageU8

EVERY_S = 1.2
"""One disturbance in each such stretch of time, at a random moment of it."""
_SECOND = 1e9


def disturbed(source: Source, kind: str, seed: int) -> Through:
    """The source with its pictures disturbed now and then; times stay as they are.

    Args:
        source: undisturbed.
        kind: 'light' (lamps flicker by 5 to 30 %), 'cut' (a mirrored, changed face for a few frames), 'gap'
            (frozen pictures), 'edge' (the face leaves the picture); anything else disturbs nothing.
        seed: when and how much.
    """
    return Through(source, partial(_disturbed, kind, seed))


def _disturbed(kind: str, seed: int, source: Source) -> Iterator[Frame]:
    rng = np.random.default_rng([seed, 99])
    start, stop, size, last = 0.0, 0.0, 0.0, None
    for frame in source:
        now = frame.pts_ns / _SECOND
        if now >= stop:
            start = now + float(rng.uniform(0.3, 2 * EVERY_S - 0.3))
            stop = start + float(np.exp(rng.uniform(np.log(0.05), np.log(0.25))))
            size = float(rng.uniform(0.05, 0.3) * rng.choice([-1, 1]))
        inside = start <= now < stop
        held = last if inside and kind == "gap" and last is not None else frame.rgb
        way = (now - start) / (stop - start) if inside else 0.0
        yield replace(frame, rgb=_spoilt(kind, held, now, size if inside else 0.0, way))
        last = held


def _spoilt(kind: str, rgb: ImageU8, now: float, size: float, way: float) -> ImageU8:
    if kind == "light" and size:
        gain = 1 + size * np.sin(np.pi * way)
        lit: ImageU8 = np.clip(rgb * gain, 0, 255).astype(np.uint8)
        return lit
    if kind == "cut" and size:
        return np.ascontiguousarray(255 - (255 - rgb[:, ::-1]) * 0.8).astype(np.uint8)
    if kind == "edge":
        shift = round(0.35 * rgb.shape[1] * np.sin(2 * np.pi * now / 6.0))
        return np.roll(rgb, shift, axis=1)
    return rgb
