"""Teaches a super-resolver to keep still what is still: two noisy views of one face, a sub-pixel apart.

Super-resolving every frame on its own turns sensor noise into flicker and bends small motions. Here
the network sees a picture and the same picture moved by a known amount, each with its own noise, and
is told that moving and super-resolving may be done in either order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from stream_mer.core.degradation import Mixture, sensor_noise
from stream_mer.errors import ConfigError
from stream_mer.training.sr_batch import vary_picture
from stream_mer.training.sr_data import Pack
from stream_mer.types import HR_SIZE, LR_SIZE, ImageU8

EDGE = 4
"""HR px at the border that are not compared: what moves in from outside cannot be known."""
BUMPS = 3
"""Parts of a face that move on their own in a moving pair."""

Maps = NDArray[np.float32]
"""``(N, 128, 128, 2)``: where, in HR px, each pixel of the second view lies in the first."""


@dataclass(frozen=True, slots=True)
class ConsistencySettings:
    """How strongly pairs pull, and what happens between their two views."""

    weight: float = 1.0
    """Of the distance between SR(moved) and moved(SR), beside a pixel loss of one."""
    still: float = 0.3
    """Share of pairs that do not move: only the noise differs."""
    shift: float = 0.5
    """Largest displacement of the whole face and of its parts, LR px."""
    noise: float = 3.0
    """Largest standard deviation of the sensor noise on both LR pictures, grey levels; none on the
    paper's own degradations, which have none."""

    def __post_init__(self) -> None:
        if self.weight < 0 or not 0 <= self.still <= 1 or self.shift < 0 or self.noise < 0:
            raise ConfigError("consistency: weight, shift and noise must be >= 0 and still in 0..1")


@dataclass(frozen=True, slots=True)
class Views:
    """Pairs of one step: first all first views, then all second ones, in this order in ``lr`` and ``hr``."""

    lr: ImageU8
    hr: ImageU8
    maps: Maps


def random_map(settings: ConsistencySettings, rng: np.random.Generator) -> Maps:
    """One smooth displacement ``(128, 128, 2)``: the face shifts, and a few parts move by themselves."""
    centres = np.mgrid[:HR_SIZE, :HR_SIZE][::-1].transpose(1, 2, 0).astype(np.float64)
    if rng.random() < settings.still:
        return centres.astype(np.float32)
    most = settings.shift * HR_SIZE / LR_SIZE
    moved = centres - rng.uniform(-most, most, 2)
    for _ in range(BUMPS):
        place, spread = rng.uniform(0.2, 0.8, 2) * HR_SIZE, rng.uniform(4, 12)
        weight = np.exp(-((centres - place) ** 2).sum(2) / (2 * spread**2))
        moved -= weight[..., None] * rng.uniform(-most, most, 2)
    return moved.astype(np.float32)


def views_at(
    pack: Pack,
    mixture: Mixture,
    settings: ConsistencySettings,
    batch: int,
    seed: int,
    step: int,
    weights: NDArray[np.float64] | None = None,
) -> Views:
    """``batch`` LR pictures of one step, as ``batch // 2`` pairs: a function of ``(seed, step)`` only.

    Both views of a pair are degraded in the same way but by their own draws, as two frames of a video are.
    """
    rng = np.random.default_rng([seed, step, 1])
    chosen = rng.choice(len(pack.pictures), batch // 2, p=weights)
    first = [vary_picture(pack.pictures[i], rng) for i in chosen]
    maps = np.stack([random_map(settings, rng) for _ in first])
    second = [
        cv2.remap(hr, m[..., 0], m[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        for hr, m in zip(first, maps, strict=True)
    ]
    low: tuple[list[ImageU8], list[ImageU8]] = ([], [])
    for pair in zip(first, second, strict=True):
        kind = mixture.kind(rng)
        sigma = rng.uniform(0, settings.noise) if kind in ("area", "real", "video") else 0.0
        for views, hr in zip(low, pair, strict=True):
            noisy = sensor_noise(mixture.apply(kind, np.asarray(hr, np.uint8), rng).astype(float), sigma, rng)
            views.append(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))
    return Views(np.stack(low[0] + low[1]), np.stack([*first, *second]).astype(np.uint8), maps)


def warp(pictures: Tensor, maps: Tensor) -> Tensor:
    """``pictures`` ``(N, C, 128, 128)`` as they look after the displacement of ``maps``, bicubic."""
    grid = (2 * maps + 1) / HR_SIZE - 1
    return functional.grid_sample(pictures, grid, mode="bicubic", padding_mode="border", align_corners=False)


def inconsistency(sr: Tensor, maps: Maps, distance: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """How far SR of the second views is from the moved SR of the first; ``sr`` as ``Views`` orders it."""
    first, second = sr.chunk(2)
    moved = warp(first, torch.from_numpy(maps).to(sr.device))
    inner = (..., slice(EDGE, -EDGE), slice(EDGE, -EDGE))
    return distance(moved[inner], second[inner])
