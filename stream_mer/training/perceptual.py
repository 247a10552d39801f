"""The perceptual distance of ESRGAN: how far apart two pictures are for a network that knows what it sees.

The network is VGG19 up to its sixteenth convolution, before the activation, where torchvision's file
``vgg19-dcbb9e9d.pth`` can be had (its weights are not ours to ship); otherwise a small network that
has learnt to tell faces apart (``face_features``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stream_mer.errors import AssetError
from stream_mer.training.checkpoint import UNREADABLE
from stream_mer.training.face_features import CENTRE, WIDTH, FaceFeatures

VGG19: tuple[int, ...] = (
    64,
    64,
    0,
    128,
    128,
    0,
    256,
    256,
    256,
    256,
    0,
    512,
    512,
    512,
    512,
    0,
    512,
    512,
    512,
    512,
)
"""Channels of VGG19's convolutions, 0 for a pooling; the last one's output is compared."""
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's colour statistics, in which VGG19 was trained. Source: torchvision."""


def vgg_features() -> nn.Sequential:
    """VGG19's layers up to conv5_4, numbered as in torchvision's ``features``."""
    layers: list[nn.Module] = []
    width = 3
    for channels in VGG19:
        if channels == 0:
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(width, channels, 3, 1, 1), nn.ReLU(inplace=True)]
            width = channels
    return nn.Sequential(*layers[:-1])


class FeatureDistance(nn.Module):
    """Mean absolute difference of features; pictures are ``(N, 3, H, W)`` in 0..1.

    ``name`` says which network compares, for the manifest of what it trained.
    """

    mean: Tensor
    spread: Tensor

    def __init__(
        self,
        features: nn.Module,
        mean: tuple[float, float, float] = MEAN,
        spread: tuple[float, float, float] = SPREAD,
        name: str = "VGG19 (torchvision)",
    ) -> None:
        super().__init__()
        self.name = name
        self.features = features.eval().requires_grad_(False)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("spread", torch.tensor(spread).view(1, 3, 1, 1))

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        with torch.no_grad():
            wanted: Tensor = self.features((hr - self.mean) / self.spread)
        ours: Tensor = self.features((sr - self.mean) / self.spread)
        return (ours - wanted).abs().mean()


def load_distance(file: Path) -> FeatureDistance:
    """The distance with torchvision's VGG19 weights, or with those of ``face_features``.

    Raises:
        AssetError: the file is missing, or holds neither.
    """
    try:
        weights: Mapping[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        if "width" in weights:
            faces = FaceFeatures(weights["width"], weights["people"])
            faces.load_state_dict(weights["weights"])
            size = f"{weights['people']} people, width {weights['width']}"
            name = f"face features (train_face_features.py, {size})"
            return FeatureDistance(faces, (CENTRE,) * 3, (WIDTH,) * 3, name)
        prefix = "features."
        mine = {n[len(prefix) :]: w for n, w in weights.items() if n.startswith(prefix)}
        vgg = vgg_features()
        vgg.load_state_dict({n: mine[n] for n in vgg.state_dict()})
    except UNREADABLE as error:
        raise AssetError(
            f"{file}: no weights of a feature network ({type(error).__name__})\n"
            "Give torchvision's vgg19-dcbb9e9d.pth, or the file of scripts/train_face_features.py."
        ) from error
    return FeatureDistance(vgg)
