"""The second stage of ESRGAN: a discriminator that learns to tell SR from HR, and the losses it adds.

The discriminator is relativistic and average: it judges whether a picture looks more real than the
other kind does on average (Wang et al. 2018, section 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from stream_mer.errors import ConfigError
from stream_mer.training.perceptual import FeatureDistance


@dataclass(frozen=True, slots=True)
class GanSettings:
    """Weights of the generator's three losses. Source: ESRGAN's published training options."""

    pixel: float = 1e-2
    perceptual: float = 1.0
    """Needs the feature network's weights; 0 does without."""
    adversarial: float = 5e-3
    features: int = 64
    """Channels of the discriminator's first convolution."""
    rate: float = 1e-4
    """Learning rate of the discriminator, the same at every step."""

    def __post_init__(self) -> None:
        if min(self.pixel, self.perceptual, self.adversarial) < 0 or self.features < 1 or self.rate <= 0:
            raise ConfigError("gan: weights must be >= 0, features >= 1 and rate > 0")


class Discriminator(nn.Module):
    """``(N, 3, 128, 128)`` in 0..1 to a score ``(N, 1)``; VGG-like, five halvings, layer names of BasicSR."""

    def __init__(self, features: int) -> None:
        super().__init__()
        f = features
        self.conv0_0 = nn.Conv2d(3, f, 3, 1, 1)
        self.conv0_1 = nn.Conv2d(f, f, 4, 2, 1, bias=False)
        self.bn0_1 = nn.BatchNorm2d(f)
        widths = [f, 2 * f, 4 * f, 8 * f, 8 * f]
        for i in range(1, 5):
            self.add_module(f"conv{i}_0", nn.Conv2d(widths[i - 1], widths[i], 3, 1, 1, bias=False))
            self.add_module(f"bn{i}_0", nn.BatchNorm2d(widths[i]))
            self.add_module(f"conv{i}_1", nn.Conv2d(widths[i], widths[i], 4, 2, 1, bias=False))
            self.add_module(f"bn{i}_1", nn.BatchNorm2d(widths[i]))
        self.linear1 = nn.Linear(8 * f * 4 * 4, 100)
        self.linear2 = nn.Linear(100, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.leaky_relu(self.conv0_0(x), 0.2)
        x = functional.leaky_relu(self.bn0_1(self.conv0_1(x)), 0.2)
        for i in range(1, 5):
            for j in (0, 1):
                conv, norm = getattr(self, f"conv{i}_{j}"), getattr(self, f"bn{i}_{j}")
                x = functional.leaky_relu(norm(conv(x)), 0.2)
        score: Tensor = self.linear2(functional.leaky_relu(self.linear1(x.flatten(1)), 0.2))
        return score


def relativistic(higher: Tensor, lower: Tensor) -> Tensor:
    """Loss that is small when ``higher`` scores lie above the mean of ``lower`` and the reverse.

    For the discriminator ``higher`` are the scores of HR pictures, for the generator those of SR. It is
    half of the paper's sum, as in the published code, to which the published weight belongs.
    """
    up, down = higher - lower.mean(), lower - higher.mean()
    return (functional.softplus(-up).mean() + functional.softplus(down).mean()) / 2


class Adversary:
    """Discriminator with its optimiser, and the generator's loss against it."""

    def __init__(self, settings: GanSettings, distance: FeatureDistance | None, device: torch.device) -> None:
        if (settings.perceptual > 0) != (distance is not None):
            raise ConfigError(
                f"gan: perceptual = {settings.perceptual} and a feature network's weights go together\n"
                "Give --features FILE, or set perceptual = 0."
            )
        self.settings = settings
        self.distance = distance.to(device) if distance is not None else None
        self.net = Discriminator(settings.features).to(device)
        self.optimiser = torch.optim.Adam(self.net.parameters(), lr=settings.rate, betas=(0.9, 0.99))

    def generator_loss(self, sr: Tensor, hr: Tensor, pixel: Tensor) -> Tensor:
        """Pixel, perceptual and adversarial loss of a batch; the discriminator is left as it is."""
        self.net.requires_grad_(False)
        with torch.no_grad():
            real = self.net(hr)
        loss = self.settings.pixel * pixel
        loss = loss + self.settings.adversarial * relativistic(self.net(sr), real)
        if self.distance is not None:
            loss = loss + self.settings.perceptual * self.distance(sr, hr)
        self.net.requires_grad_(True)
        return loss

    def learn(self, sr: Tensor, hr: Tensor) -> float:
        """One step of the discriminator; its loss."""
        loss = relativistic(self.net(hr), self.net(sr.detach()))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return float(loss.detach())

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "weights": self.net.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "perceptual": "none" if self.distance is None else self.distance.name,
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``."""
        self.net.load_state_dict(state["weights"])
        self.optimiser.load_state_dict(state["optimiser"])


def blend(first: Mapping[str, Tensor], second: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Network interpolation: ``(1 - share) first + share second``, weight by weight.

    Between a PSNR-trained and an adversarially trained network this trades sharpness for faithfulness
    without training again (Wang et al. 2018, section 3.4).

    Raises:
        ConfigError: the two are not of one shape, or ``share`` lies outside 0..1.
    """
    if not 0 <= share <= 1 or {n: w.shape for n, w in first.items()} != {
        n: w.shape for n, w in second.items()
    }:
        raise ConfigError(f"only two networks of one shape blend, with a share of 0..1 (given {share})")
    return {name: torch.lerp(weight, second[name], share) for name, weight in first.items()}
