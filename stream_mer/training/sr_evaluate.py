"""How good super-resolution is on people it has never seen: PSNR, SSIM and MSE for every degradation."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from skimage.metrics import structural_similarity

from stream_mer.core.degradation import VIDEO, area, gaussian3, paper, real
from stream_mer.core.metrics import psnr
from stream_mer.training.sr_data import Pack
from stream_mer.types import HR_SIZE, ImageU8

Upscaler: TypeAlias = Callable[[ImageU8], ImageU8]
"""``(N, 32, 32, 3)`` uint8 to ``(N, 128, 128, 3)`` uint8."""

DEGRADATIONS: Mapping[str, Callable[[ImageU8, int], ImageU8]] = {
    "area, gaussian": lambda hr, _seed: paper(hr),
    "area, gaussian, median": lambda hr, _seed: paper(hr, median=True),
    "gaussian, area": lambda hr, _seed: area(gaussian3(hr)),
    "area": lambda hr, _seed: area(hr),
    "real": lambda hr, seed: real(hr, np.random.default_rng([1, seed])),
    "video": lambda hr, seed: real(hr, np.random.default_rng([2, seed]), VIDEO),
}
"""LR pictures by name of degradation, from an HR picture and the picture's number. The first two are the
paper's; ``real`` and ``video`` draw blur, noise, coding and exposure anew for every picture, the same ones
in every run."""


def resize(method: int) -> Upscaler:
    """OpenCV's enlargement as an upscaler."""

    def upscale(lr: ImageU8) -> ImageU8:
        return np.stack([cv2.resize(p, (HR_SIZE, HR_SIZE), interpolation=method) for p in lr])

    return upscale


BASELINES: Mapping[str, Upscaler] = {
    "nearest": resize(cv2.INTER_NEAREST),
    "bicubic": resize(cv2.INTER_CUBIC),
    "lanczos": resize(cv2.INTER_LANCZOS4),
}


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over the pictures of one source under one degradation.

    ``psnr`` in dB, per picture over RGB and then averaged; ``ssim`` is scikit-image's with its
    default window over RGB; ``mse`` on grey levels scaled to 0..1, as the paper prints it.
    """

    source: str
    degradation: str
    method: str
    pictures: int
    psnr: float
    ssim: float
    mse: float


def quality(truth: ImageU8, ours: ImageU8) -> tuple[float, float, float]:
    """PSNR, SSIM and MSE of one picture."""
    difference = (truth.astype(np.float64) - ours) / 255
    similarity = structural_similarity(truth, ours, channel_axis=2, data_range=255)
    return psnr(truth, ours), float(similarity), float((difference**2).mean())


def evaluate(pack: Pack, upscalers: Mapping[str, Upscaler]) -> list[Quality]:
    """Every upscaler on every source and degradation of a validation pack.

    Pictures of one source are scored together; a batch goes through an upscaler at once.
    """
    rows = []
    for source in sorted({p.source for p in pack.portraits}, key=lambda s: (s != "london", s)):
        hr = np.ascontiguousarray(pack.select(lambda p, s=source: p.source == s).hr())  # type: ignore[misc]
        for degradation, degrade in DEGRADATIONS.items():
            lr = np.stack([degrade(picture, i) for i, picture in enumerate(hr)])
            for method, upscale in upscalers.items():
                figures = [quality(t, o) for t, o in zip(hr, upscale(lr), strict=True)]
                mean = np.mean(figures, axis=0)
                rows.append(Quality(source, degradation, method, len(hr), *(float(m) for m in mean)))
    return rows


def milliseconds(upscale: Upscaler, runs: int = 50) -> float:
    """Median time of one face alone, ms, after a warm-up."""
    lr = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    times = []
    for k in range(runs + 5):
        start = time.perf_counter()
        upscale(lr)
        if k >= 5:
            times.append(time.perf_counter() - start)
    return float(np.median(times) * 1000)


def quality_table(rows: Sequence[Quality]) -> str:
    """Markdown: a line per source and degradation, PSNR / SSIM / MSE x 1e6 per method."""
    methods = list(dict.fromkeys(r.method for r in rows))
    lines = ["| people | degradation | " + " | ".join(methods) + " |", "|---|---|" + "---|" * len(methods)]
    for source, degradation in dict.fromkeys((r.source, r.degradation) for r in rows):
        here = [r for r in rows if (r.source, r.degradation) == (source, degradation)]
        cells = [f"{r.psnr:.2f} / {r.ssim:.3f} / {r.mse * 1e6:.0f}" for r in here]
        lines.append(f"| {source} ({here[0].pictures}) | {degradation} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def sheet(pack: Pack, upscalers: Mapping[str, Upscaler], people: int = 4) -> ImageU8:
    """A comparison picture: per row a person, (area, Gaussian) LR enlarged by nearest, each method, HR.

    Returns:
        ``(128 people, 128 (2 + methods), 3)`` uint8 RGB. It shows people: not for publication without
        their material's credit line.
    """
    chosen = np.linspace(0, len(pack.portraits) - 1, min(people, len(pack.portraits))).astype(int)
    hr = np.ascontiguousarray(pack.hr()[chosen])
    lr = np.stack([paper(picture) for picture in hr])
    columns = [BASELINES["nearest"](lr), *(upscale(lr) for upscale in upscalers.values()), hr]
    return np.concatenate([np.concatenate(list(column)) for column in columns], axis=1)
