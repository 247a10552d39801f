"""RRDBNet, the generator of ESRGAN: residual-in-residual dense blocks and an up-sampling tail.

Layers are named as in BasicSR, so published ESRGAN weights load; ``from_older_names`` renames those
of earlier releases (``sr_network.load_weights`` reads all of them).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from stream_mer.errors import ConfigError

OLDER_NAMES: tuple[tuple[str, str], ...] = (
    (r"^model\.0\.", "conv_first."),
    (r"^model\.1\.sub\.\d+\.(?=weight|bias)", "conv_body."),
    (r"^model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.", r"body.\1.rdb\2.conv\3."),
    (r"^model\.3\.", "conv_up1."),
    (r"^model\.6\.", "conv_up2."),
    (r"^model\.8\.", "conv_hr."),
    (r"^model\.10\.", "conv_last."),
    (r"^RRDB_trunk\.(\d+)\.RDB(\d)\.", r"body.\1.rdb\2."),
    (r"^trunk_conv\.", "conv_body."),
    (r"^upconv(\d)\.", r"conv_up\1."),
    (r"^HRconv\.", "conv_hr."),
)
"""Patterns of layer names of earlier releases and today's. Source: ESRGAN, transer_RRDB_models.py."""
RESIDUAL_SCALE = 0.2
"""Weight of every residual branch. Source: ESRGAN (Wang et al. 2018), section 3.1."""


@dataclass(frozen=True, slots=True)
class RRDBSettings:
    """Size of an RRDBNet; the defaults are ESRGAN as published."""

    features: int = 64
    """nf: channels between blocks."""
    blocks: int = 23
    """nb: number of RRDBs."""
    growth: int = 32
    """gc: channels each dense convolution adds."""
    tail: int | None = None
    """Channels of the up-sampling tail; None is as many as ``features``, as published. A light
    network spends most of its time there, at 64x64 and 128x128, and gains little from it."""
    skip: bool = False
    """Add the enlarged input to the output. Published weights have it off. Light networks have it
    on: they then only compute a small residual, which 8-bit mantissas (bf16) carry exactly enough."""

    def __post_init__(self) -> None:
        if min(self.features, self.blocks, self.growth, 1 if self.tail is None else self.tail) < 1:
            raise ConfigError("network: features, blocks, growth and tail must be >= 1")


class ResidualDenseBlock(nn.Module):
    """Five convolutions, each seeing all earlier outputs."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        f, g = features, growth
        self.conv1 = nn.Conv2d(f, g, 3, 1, 1)
        self.conv2 = nn.Conv2d(f + g, g, 3, 1, 1)
        self.conv3 = nn.Conv2d(f + 2 * g, g, 3, 1, 1)
        self.conv4 = nn.Conv2d(f + 3 * g, g, 3, 1, 1)
        self.conv5 = nn.Conv2d(f + 4 * g, f, 3, 1, 1)
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4, self.conv5):
            _start_small(conv)

    def forward(self, x: Tensor) -> Tensor:
        x1 = leaky(self.conv1(x))
        x2 = leaky(self.conv2(torch.cat((x, x1), 1)))
        x3 = leaky(self.conv3(torch.cat((x, x1, x2), 1)))
        x4 = leaky(self.conv4(torch.cat((x, x1, x2, x3), 1)))
        x5 = self.conv5(torch.cat((x, x1, x2, x3, x4), 1))
        return torch.add(x, x5, alpha=RESIDUAL_SCALE)


class RRDB(nn.Module):
    """Three dense blocks inside one more residual."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = ResidualDenseBlock(features, growth)
        self.rdb2 = ResidualDenseBlock(features, growth)
        self.rdb3 = ResidualDenseBlock(features, growth)

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, self.rdb3(self.rdb2(self.rdb1(x))), alpha=RESIDUAL_SCALE)


class RRDBNet(nn.Module):
    """``(N, 3, h, w)`` in 0..1 to ``(N, 3, 4h, 4w)``, not clamped."""

    def __init__(self, settings: RRDBSettings) -> None:
        super().__init__()
        f = settings.features
        self.skip = settings.skip
        self.conv_first = nn.Conv2d(3, f, 3, 1, 1)
        self.body = nn.Sequential(*(RRDB(f, settings.growth) for _ in range(settings.blocks)))
        self.conv_body = nn.Conv2d(f, f, 3, 1, 1)
        t = settings.tail or f
        self.conv_up1 = nn.Conv2d(f, t, 3, 1, 1)
        self.conv_up2 = nn.Conv2d(t, t, 3, 1, 1)
        self.conv_hr = nn.Conv2d(t, t, 3, 1, 1)
        self.conv_last = nn.Conv2d(t, 3, 3, 1, 1)
        if self.skip:  # start as plain enlargement
            for value in self.conv_last.parameters():
                nn.init.zeros_(value)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor
        first = self.conv_first(x)
        y = first + self.conv_body(self.body(first))
        y = leaky(self.conv_up1(functional.interpolate(y, scale_factor=2, mode="nearest")))
        y = leaky(self.conv_up2(functional.interpolate(y, scale_factor=2, mode="nearest")))
        y = self.conv_last(leaky(self.conv_hr(y)))
        if self.skip:
            return y.float() + enlarge(x)
        return y


def leaky(x: Tensor) -> Tensor:
    """ESRGAN's activation: leaky ReLU with slope 0.2, written over ``x`` (memory traffic is the cost)."""
    return functional.leaky_relu(x, 0.2, inplace=True)


def enlarge(x: Tensor) -> Tensor:
    """Four times bilinear, in float32: what a network with a skip adds its residual to."""
    return functional.interpolate(x.float(), scale_factor=4, mode="bilinear", align_corners=False)


def from_older_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Published weights under today's names; those that bear them already come back as they are.

    ESRGAN's release calls a layer ``RRDB_trunk.0.RDB1.conv1``, the numbered layout before it (the
    ``old_arch`` files, and most of what others have trained since) ``model.1.sub.0.RDB1.conv1.0``.
    """
    renamed = {}
    for name, tensor in weights.items():
        new = name
        for pattern, today in OLDER_NAMES:
            new = re.sub(pattern, today, new)
        renamed[new] = tensor
    return renamed


def _start_small(conv: nn.Conv2d) -> None:
    """Kaiming times 0.1: deep residual networks without normalisation diverge otherwise (ESRGAN, 3.1)."""
    nn.init.kaiming_normal_(conv.weight, a=0.0, mode="fan_in")
    with torch.no_grad():
        conv.weight.mul_(0.1)
        if conv.bias is not None:
            conv.bias.zero_()
