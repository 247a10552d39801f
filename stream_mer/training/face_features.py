"""A small network that tells training people apart; its features stand in for VGG19's in training.

Told apart by their faces under changing light, shift and softness, people must be described by shape
and texture, which is what a perceptual distance should compare. It is never shipped and never
identifies anyone outside training.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from stream_mer.core.degradation import gaussian
from stream_mer.errors import OutputError
from stream_mer.training.sr_batch import vary_picture
from stream_mer.training.sr_data import Pack, held_out
from stream_mer.types import HR_SIZE, ImageU8

CENTRE, WIDTH = 0.5, 0.25
"""Grey levels in 0..1 are shifted and scaled by these before the first layer."""
NAMED = ("london", "canada", "congress")
"""Sources whose index names the person; elsewhere every picture is somebody else."""
GRID = 4
"""People are told apart by the mean features of this many places each way: crops are aligned."""


class FaceFeatures(nn.Module):
    """``(N, 3, 128, 128)`` standardised pictures to features ``(N, 6 width, 16, 16)`` before the activation.

    Seven convolutions in four scales, laid out as VGG's first ones. Every feature has unit variance
    over training faces, as ``unit`` divides it.
    """

    unit: Tensor

    def __init__(self, width: int, people: int) -> None:
        super().__init__()
        w = width
        layers: list[nn.Module] = []
        for i, (a, b) in enumerate(((3, w), (w, 2 * w), (2 * w, 4 * w))):
            layers += [nn.Conv2d(a, b, 3, 1, 1), nn.ReLU(), nn.Conv2d(b, b, 3, 1, 1), nn.ReLU()]
            layers += [nn.MaxPool2d(2, 2)]
            assert len(layers) == 5 * (i + 1)
        self.layers = nn.Sequential(*layers, nn.Conv2d(4 * w, 6 * w, 3, 1, 1))
        self.people = nn.Linear(6 * w * GRID**2, people)
        self.register_buffer("unit", torch.ones(1, 6 * w, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x) / self.unit
        return y

    def scores(self, x: Tensor) -> Tensor:
        """One score per training person, ``(N, people)``."""
        places = functional.adaptive_avg_pool2d(functional.relu(self.layers(x)), GRID)
        y: Tensor = self.people(places.flatten(1))
        return y


def standardised(pictures: ImageU8) -> Tensor:
    """``(N, 128, 128, 3)`` uint8 as the network takes it."""
    x = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 255
    return (x - CENTRE) / WIDTH


def train_features(
    pack: Pack,
    file: Path,
    *,
    width: int = 16,
    steps: int = 1500,
    batch: int = 32,
    rate: float = 2e-3,
    seed: int = 0,
    report: Callable[[int, float, float], None] | None = None,
) -> float:
    """Train on a pack's training people (not those held out) and write the weights.

    Args:
        pack: cut training pictures.
        file: to write.
        width: channels of the first scale.
        steps, batch, rate: of Adam, half a cosine down to zero.
        seed: of weights and pictures.
        report: called every 50 steps with step, loss and share of people told right.

    Returns:
        Share of training people told right over the last 50 steps, on newly varied pictures.

    Raises:
        OutputError: the file cannot be written.
    """
    fit = pack.select(lambda p: not held_out(p.person))
    who = [p.person if p.source in NAMED else p.path for p in fit.portraits]
    names = {name: number for number, name in enumerate(sorted(set(who)))}
    index = np.array([names[name] for name in who])
    torch.manual_seed(seed)
    net = FaceFeatures(width, len(names)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(net.parameters(), lr=rate)
    hits: list[float] = []
    for step in range(steps):
        rng = np.random.default_rng([seed, step])
        chosen = rng.choice(len(index), batch)
        seen = [_softened(vary_picture(fit.pictures[i], rng), rng) for i in chosen]
        truth = torch.from_numpy(index[chosen])
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 50) * (1 + np.cos(np.pi * step / steps)) / 2
        with torch.autocast("cpu", torch.bfloat16):
            scores = net.scores(standardised(np.stack(seen)))
        loss = functional.cross_entropy(scores.float(), truth)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        hits.append(float((scores.argmax(1) == truth).float().mean()))
        if report is not None and (step + 1) % 50 == 0:
            report(step + 1, float(loss.detach()), float(np.mean(hits[-50:])))
    net.eval()
    with torch.no_grad():
        some = np.random.default_rng(seed).choice(len(index), min(64, len(index)), replace=False)
        room = (fit.pictures.shape[1] - HR_SIZE) // 2
        centre = fit.pictures[np.sort(some), room : room + HR_SIZE, room : room + HR_SIZE]
        net.unit.copy_(net(standardised(centre)).std((0, 2, 3), keepdim=True).clamp_min(1e-3))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"width": width, "people": len(names), "weights": net.state_dict()}, file)
    except (OSError, RuntimeError) as error:
        raise OutputError(f"{file}: cannot be written: {error}") from error
    return float(np.mean(hits[-50:]))


def _softened(hr: ImageU8, rng: np.random.Generator) -> ImageU8:
    """``hr``, every other time a little out of focus, so that fine texture is not all that is looked at."""
    if rng.random() < 0.5:
        return hr
    soft = gaussian(hr.astype(np.float64), rng.uniform(0.3, 1.5))
    return np.clip(np.rint(soft), 0, 255).astype(np.uint8)
