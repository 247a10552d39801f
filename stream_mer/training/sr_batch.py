"""The pictures of one training step: crops of a pack, varied and degraded anew every time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stream_mer.training.sr_data import Pack
from stream_mer.types import HR_SIZE, ImageU8


def vary_picture(picture: ImageU8, rng: np.random.Generator) -> ImageU8:
    """One training HR picture: random 128x128 window, mirror, gain and gamma; ``(128, 128, 3)`` uint8."""
    room = picture.shape[0] - HR_SIZE
    y, x = rng.integers(0, room + 1, 2)
    hr: NDArray[np.uint8] = picture[y : y + HR_SIZE, x : x + HR_SIZE]
    if rng.random() < 0.5:
        hr = hr[:, ::-1]
    gain, gamma = rng.uniform(0.75, 1.15), np.exp(rng.uniform(-0.35, 0.35))
    curve = np.clip(np.rint(255 * gain * (np.arange(256) / 255) ** gamma), 0, 255).astype(np.uint8)
    varied: ImageU8 = curve[hr]
    return varied


def batch_at(
    pack: Pack,
    degrade: Callable[[ImageU8, np.random.Generator], ImageU8],
    batch: int,
    seed: int,
    step: int,
    weights: NDArray[np.float64] | None = None,
) -> tuple[ImageU8, ImageU8]:
    """The batch of one step: a function of ``(seed, step)``, so a resumed run sees the same pictures."""
    rng = np.random.default_rng([seed, step])
    chosen = rng.choice(len(pack.pictures), batch, p=weights)
    hr = np.stack([vary_picture(pack.pictures[i], rng) for i in chosen])
    return np.stack([degrade(picture, rng) for picture in hr]), hr
