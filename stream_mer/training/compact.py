"""A compact super-resolver for machines where a light RRDB is too slow: plain convolutions at LR size.

All work is done at 32x32; one pixel shuffle at the end makes 128x128 (the layout of SRVGGNetCompact
in Real-ESRGAN).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from stream_mer.errors import ConfigError


@dataclass(frozen=True, slots=True)
class CompactSettings:
    """Size of a compact network: ``features`` channels, ``blocks`` inner convolutions."""

    features: int = 32
    blocks: int = 8

    def __post_init__(self) -> None:
        if self.features < 1 or self.blocks < 0:
            raise ConfigError("network: features must be >= 1 and blocks >= 0")


class CompactNet(nn.Module):
    """``(N, 3, h, w)`` in 0..1 to ``(N, 3, 4h, 4w)``, not clamped."""

    def __init__(self, settings: CompactSettings) -> None:
        super().__init__()
        f = settings.features
        layers: list[nn.Module] = [nn.Conv2d(3, f, 3, 1, 1), nn.PReLU(f)]
        for _ in range(settings.blocks):
            layers += [nn.Conv2d(f, f, 3, 1, 1), nn.PReLU(f)]
        self.body = nn.Sequential(*layers)
        self.last = nn.Conv2d(f, 3 * 16, 3, 1, 1)
        with torch.no_grad():  # start as plain enlargement
            self.last.weight.mul_(0.1)
            if self.last.bias is not None:
                self.last.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        residual = functional.pixel_shuffle(self.last(self.body(x)), 4).float()
        return residual + functional.interpolate(
            x.float(), scale_factor=4, mode="bilinear", align_corners=False
        )
