"""How a high-resolution face becomes the low-resolution one that super-resolution has to undo.

``paper`` is the definition every published figure uses: area down-sampling by four, then a Gaussian
3x3 on the 32x32 picture, then a median 3x3 on some clips. ``real`` adds what cameras do before and
after. Training, evaluation and synthetic clips all call these functions, and their results equal
OpenCV's ``resize(INTER_AREA)``, ``GaussianBlur((3, 3), 0)`` and ``medianBlur(3)`` to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from stream_mer.core.h264 import h264_loss
from stream_mer.core.jpeg import jpeg_loss
from stream_mer.types import HR_SIZE, LR_SIZE, ArrayF64, ImageU8, require_picture

SCALE = HR_SIZE // LR_SIZE
"""Linear down-sampling factor, 4."""

Degradation: TypeAlias = Callable[[ImageU8, np.random.Generator], ImageU8]
"""Takes an HR picture and a source of randomness, gives the LR picture."""


def area(hr: ImageU8, factor: int = SCALE) -> ImageU8:
    """Mean of every ``factor x factor`` block, halves to even: OpenCV's ``INTER_AREA``.

    This alone is also what the product's own LR crop of a large, clean face amounts to.

    Args:
        hr: ``(H, W, 3)`` uint8 with sides divisible by ``factor``.

    Raises:
        ValueError: they are not.
    """
    h, w, c = hr.shape
    if h % factor or w % factor:
        raise ValueError(f"sides must be divisible by {factor}, got {w}x{h}")
    blocks = hr.reshape(h // factor, factor, w // factor, factor, c)
    lr: ImageU8 = np.rint(blocks.sum((1, 3), dtype=np.int64) / factor**2).astype(np.uint8)
    return lr


def gaussian3(rgb: ImageU8) -> ImageU8:
    """OpenCV's ``GaussianBlur(rgb, (3, 3), 0)``: kernel [1 2 1]/4 both ways, mirrored border, halves up."""
    p = np.pad(rgb.astype(np.int32), ((1, 1), (1, 1), (0, 0)), mode="reflect")
    rows = p[:-2] + 2 * p[1:-1] + p[2:]
    both: ImageU8 = ((rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:] + 8) // 16).astype(np.uint8)
    return both


def median3(rgb: ImageU8) -> ImageU8:
    """OpenCV's ``medianBlur(rgb, 3)``: median of nine, per channel, repeated border."""
    h, w, _ = rgb.shape
    p = np.pad(rgb, ((1, 1), (1, 1), (0, 0)), mode="edge")
    nine = np.stack([p[j : j + h, i : i + w] for j in range(3) for i in range(3)])
    middle: ImageU8 = np.partition(nine, 4, axis=0)[4]
    return middle


def paper(hr: ImageU8, *, median: bool = False) -> ImageU8:
    """The paper's LR picture: area x4, Gaussian 3x3, and the median 3x3 if ``median``.

    Args:
        hr: ``(128, 128, 3)`` uint8 canonical crop.
        median: whether this clip is one of those the paper median-blurs.

    Returns:
        ``(32, 32, 3)`` uint8.

    Source: JMTR 10(1), 2025, doi 10.4038/jmtr.v10i1.78; the paper names the kernel sizes and OpenCV,
    the sigma is OpenCV's default for that size.
    """
    require_picture(hr, "hr", HR_SIZE)
    return paper_frame(hr, median=median)


def paper_frame(rgb: ImageU8, *, median: bool = False) -> ImageU8:
    """What ``paper`` does to a crop, done to a whole frame: ``(H, W, 3)`` uint8 to ``(H / 4, W / 4, 3)``.

    Raises:
        ValueError: a side is not divisible by four.
    """
    lr = gaussian3(area(rgb))
    return median3(lr) if median else lr


def gaussian(picture: ArrayF64, sigma: float) -> ArrayF64:
    """Gaussian blur of a float picture ``(H, W, C)``, mirrored border, kernel cut at three sigmas."""
    if sigma <= 0.05:
        return picture
    reach = max(1, round(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        pad = [(reach, reach) if a == axis else (0, 0) for a in range(3)]
        p = np.pad(picture, pad, mode="reflect")
        size = picture.shape[axis]
        shifted = [np.take(p, range(k, k + size), axis) * kernel[k] for k in range(2 * reach + 1)]
        picture = np.sum(shifted, axis=0)
    return picture


@dataclass(frozen=True, slots=True)
class RealSettings:
    """Ranges of what ``real`` draws. Widths of noise in grey levels, blurs in px of their picture.

    As it stands it is a still camera with JPEG; ``VIDEO`` switches on what films have besides.
    """

    blur_before: float = 2.0
    """Largest sigma of the optics' and motion's blur, HR px."""
    blur_after: float = 0.7
    """Largest sigma of a blur on the LR picture, LR px."""
    noise_before: float = 8.0
    """Largest standard deviation of the sensor's noise on the HR picture."""
    noise_after: float = 3.0
    """Largest standard deviation of noise on the LR picture."""
    jpeg_quality: tuple[int, int] = (35, 95)
    """Qualities of the coding of the HR picture (libjpeg's scale)."""
    h264_qp: tuple[int, int] = (20, 38)
    """Quantisers of the coding of the HR picture."""
    coding: str = "jpeg"
    """``jpeg``, ``h264`` or ``either``."""
    random_order: bool = False
    """Whether blur, noise and coding come in any order, before and after down-sampling."""
    exposure: float = 0.0
    """Largest wrong exposure, stops either way: too dark loses levels, too bright loses highlights."""

    def __post_init__(self) -> None:
        ranges = (self.blur_before, self.blur_after, self.noise_before, self.noise_after, self.exposure)
        if not all(0 <= r < np.inf for r in ranges) or self.coding not in ("jpeg", "h264", "either"):
            raise ValueError(f"real: ranges must be >= 0, coding jpeg, h264 or either, not {self.coding!r}")
        (worst, best), (fine, coarse) = self.jpeg_quality, self.h264_qp
        if not (1 <= worst <= best <= 100 and 0 <= fine <= coarse <= 51):
            raise ValueError("real: jpeg_quality must rise within 1..100 and h264_qp within 0..51")


VIDEO = RealSettings(coding="either", random_order=True, exposure=1.0)
"""What films of real cameras add to pictures."""


def real(hr: ImageU8, rng: np.random.Generator, settings: RealSettings | None = None) -> ImageU8:
    """An LR picture as a camera and a codec might give it; each effect appears with probability 1/2.

    Order: exposure, blur, sensor noise (partly signal-dependent), coding, area x4, blur, noise; or any
    order of the ones before and of the ones after down-sampling.

    Args:
        hr: ``(128, 128, 3)`` uint8.
        rng: source of every draw.

    Returns:
        ``(32, 32, 3)`` uint8.
    """
    require_picture(hr, "hr", HR_SIZE)
    s = settings or RealSettings()
    chance = rng.random(5) < 0.5
    effects: tuple[Callable[[ArrayF64], ArrayF64], ...] = (
        lambda x: gaussian(x, rng.uniform(0, s.blur_before)),
        lambda x: sensor_noise(x, rng.uniform(0, s.noise_before), rng),
        lambda x: coded(_to_u8(x), s, rng).astype(np.float64),
        lambda x: gaussian(x, rng.uniform(0, s.blur_after)),
        lambda x: sensor_noise(x, rng.uniform(0, s.noise_after), rng),
    )
    x = hr.astype(np.float64)
    if s.exposure > 0 and rng.random() < 0.5:
        x = exposed(x, rng.uniform(-s.exposure, s.exposure))
    for place in ((0, 1, 2), (3, 4)):
        if place[0] == 3:
            x = area(_to_u8(x)).astype(np.float64)
        for k in rng.permutation(place) if s.random_order else place:
            x = effects[k](x) if chance[k] else x
    return _to_u8(x)


def coded(rgb: ImageU8, settings: RealSettings, rng: np.random.Generator) -> ImageU8:
    """``rgb`` after one of the codings of ``settings`` at a random strength."""
    if settings.coding == "h264" or (settings.coding == "either" and rng.random() < 0.5):
        return h264_loss(rgb, int(rng.integers(settings.h264_qp[0], settings.h264_qp[1] + 1)))
    return jpeg_loss(rgb, int(rng.integers(settings.jpeg_quality[0], settings.jpeg_quality[1] + 1)))


def exposed(picture: ArrayF64, stops: float) -> ArrayF64:
    """``picture`` exposed wrongly by ``stops``, stored in 8 bits, and brought back to its brightness."""
    gain = 2.0**stops
    return np.asarray(np.rint(np.clip(picture * gain, 0, 255)) / gain)


def sensor_noise(picture: ArrayF64, sigma: float, rng: np.random.Generator) -> ArrayF64:
    """``picture`` with noise of standard deviation ``sigma`` at mid grey, its variance half shot noise."""
    variance = sigma**2 * (0.5 + 0.5 * picture / 128.0)
    return picture + rng.normal(size=picture.shape) * np.sqrt(np.maximum(variance, 0.0))


@dataclass(frozen=True, slots=True)
class Mixture:
    """Shares of the degradations a training run sees; they must sum to one."""

    gaussian: float = 0.55
    """The paper's (area, Gaussian), exactly."""
    median: float = 0.10
    """The paper's with the median."""
    area: float = 0.20
    """Area only: the product's own crop of a clean face."""
    real: float = 0.15
    """Blur, noise, coding: ``real``."""
    video: float = 0.0
    """``real`` with the settings of ``VIDEO``."""

    def __post_init__(self) -> None:
        shares = (self.gaussian, self.median, self.area, self.real, self.video)
        if min(shares) < 0 or not abs(sum(shares) - 1) <= 1e-9:
            raise ValueError(f"shares of degradations must be >= 0 and sum to 1, got {shares}")

    def kind(self, rng: np.random.Generator) -> str:
        """The name of a randomly drawn degradation, to be given to ``apply``."""
        draw = rng.random()
        for name in ("gaussian", "median", "area", "video"):
            draw -= getattr(self, name)
            if draw < 0:
                return name
        return "real"

    def apply(self, kind: str, hr: ImageU8, rng: np.random.Generator) -> ImageU8:
        """The LR picture by a degradation named by ``kind``."""
        if kind == "real":
            return real(hr, rng)
        if kind == "video":
            return real(hr, rng, VIDEO)
        return area(hr) if kind == "area" else paper(hr, median=kind == "median")

    def __call__(self, hr: ImageU8, rng: np.random.Generator) -> ImageU8:
        """One LR picture by a randomly drawn degradation."""
        return self.apply(self.kind(rng), hr, rng)


def _to_u8(x: ArrayF64) -> ImageU8:
    return np.clip(np.rint(x), 0, 255).astype(np.uint8)
