"""The paper's classifier, trained anew on a dataset: three convolutions with pooling and two hidden layers.

Each sample is a frame of a clip: the frame, the clip's onset, and their difference, in grey.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stream_mer.core.protocol import Fold
from stream_mer.core.splits import Split, inner_folds
from stream_mer.training.svm import grey
from stream_mer.types import ArrayF32, ImageU8

SIDE = 64
"""Pictures larger than this are shrunk to it by areas: two cores must do for 128x128 views, too."""
DIFFERENCE_GAIN = 4.0
"""Differences of micro-expressions are small against pictures; brought to the same order."""


@dataclass(frozen=True, slots=True)
class CnnRun:
    """How a network is trained."""

    epochs: int = 12
    batch: int = 32
    rate: float = 2e-3
    seed: int = 1


class ClipCnn(nn.Module):
    """Three convolutions, each with pooling, then two hidden layers."""

    def __init__(self, classes: int, side: int) -> None:
        super().__init__()
        stride = 2 if side > 32 else 1
        widths = (3, 16, 32, 48)
        layers: list[nn.Module] = []
        for number in range(3):
            step = stride if number == 0 else 1
            layers += [
                nn.Conv2d(widths[number], widths[number + 1], 3, step, 1, bias=False),
                nn.BatchNorm2d(widths[number + 1]),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
        self.seen = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten())
        self.judged = nn.Sequential(
            nn.Linear(48 * 16, 96),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(96, 48),
            nn.ReLU(),
            nn.Linear(48, classes),
        )

    def forward(self, batch: Tensor) -> Tensor:
        """``(N, 3, side, side)`` to ``(N, classes)`` logits."""
        return self.judged(self.seen(batch))  # type: ignore[no-any-return]


def clip_samples(clip: ImageU8, frames: Sequence[int]) -> ArrayF32:
    """Network inputs for some frames of a clip: ``(len(frames), 3, S, S)`` float32, S at most ``SIDE``.

    Args:
        clip: ``(T, H, W, 3)`` uint8, the onset first.
        frames: positions in the clip.
    """
    pictures = grey(clip[[0, *frames]]).astype(np.float32) / 255
    if pictures.shape[1] > SIDE:
        pictures = np.stack([cv2.resize(p, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for p in pictures])
    onset, shown = pictures[0], pictures[1:]
    inputs = np.stack(
        [shown - 0.5, np.broadcast_to(onset, shown.shape) - 0.5, DIFFERENCE_GAIN * (shown - onset)], 1
    )
    return np.ascontiguousarray(inputs, np.float32)


def cnn_folds(
    samples: ArrayF32,
    labels: NDArray[np.intp],
    subjects: Sequence[Hashable],
    splits: Sequence[Split],
    classes: int,
    run: CnnRun,
) -> list[Fold]:
    """Train in every split; a part of its training people chooses the epoch, never the test.

    Args:
        samples: ``(M, 3, S, S)``.
        labels: ``(M,)`` class of each sample.
        subjects: whose each is.
        splits: of the samples. A split with a validation part uses that for choosing.
        classes: how many.
        run: how to train.
    """
    folds = []
    for split in splits:
        fit, judge = split.train, split.validation
        if not judge:
            first = inner_folds(split, subjects, 5)[0]
            fit, judge = first.train, first.test
        net, predicted, inner = _prepared(classes, samples, run), [], []
        optimiser = torch.optim.AdamW(net.parameters(), lr=run.rate, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, run.epochs)
        rng = np.random.default_rng(run.seed)
        for _ in range(run.epochs):
            _one_epoch(net, optimiser, samples, labels, rng.permutation(np.array(fit)), run, rng)
            schedule.step()
            inner.append(float((_say(net, samples, judge) == labels[list(judge)]).mean()))
            predicted.append(_say(net, samples, split.test))
        folds.append(Fold(split.test, np.stack(predicted), np.array(inner)))
    return folds


def _prepared(classes: int, samples: ArrayF32, run: CnnRun) -> ClipCnn:
    torch.manual_seed(run.seed)
    return ClipCnn(classes, samples.shape[-1])


def _one_epoch(
    net: ClipCnn,
    optimiser: torch.optim.Optimizer,
    samples: ArrayF32,
    labels: NDArray[np.intp],
    order: NDArray[np.intp],
    run: CnnRun,
    rng: np.random.Generator,
) -> None:
    net.train()
    for start in range(0, len(order), run.batch):
        chosen = order[start : start + run.batch]
        if len(chosen) < 2:  # batch normalisation needs two
            continue
        shift = rng.integers(-2, 3, 2)
        batch = torch.from_numpy(np.roll(samples[chosen], tuple(shift), (2, 3)))
        loss = nn.functional.cross_entropy(net(batch), torch.from_numpy(labels[chosen]), label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()


@torch.no_grad()
def _say(net: ClipCnn, samples: ArrayF32, chosen: Sequence[int]) -> NDArray[np.intp]:
    net.eval()
    logits = [net(torch.from_numpy(samples[list(chosen[i : i + 256])])) for i in range(0, len(chosen), 256)]
    return np.asarray(torch.cat(logits).argmax(1).numpy(), np.intp)
