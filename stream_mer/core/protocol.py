"""Scores of the field's protocols: pooled class figures, spotting by kind, STRS, and what leaking gives."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_mer.core.metrics import Interval, SpottingCount, confusion_matrix, count_spotting, uar, uf1

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """Figures over pooled predictions."""

    accuracy: float
    uf1: float
    uar: float
    samples: int


def class_figures(true: Indices, predicted: Indices, classes: int) -> ClassFigures:
    """Accuracy, UF1 and UAR of all folds' predictions together; never a mean over folds.

    Source: MEGC 2019; a mean over folds gives another, lower number for the same predictions.
    """
    confusion = confusion_matrix(true, predicted, classes)
    right = float(np.trace(confusion)) / max(len(true), 1)
    return ClassFigures(right, uf1(confusion), uar(confusion), len(true))


def macro_precision(confusion: NDArray[np.int64]) -> float:
    """Mean precision over the classes that occur in truth; 0 for one that was never said."""
    present, said = confusion.sum(1) > 0, confusion.sum(0)
    precision = np.diag(confusion) / np.maximum(said, 1)
    return float(precision[present].mean()) if present.any() else 0.0


def analysis_f1(confusion: NDArray[np.int64]) -> float:
    """Harmonic mean of macro-precision and macro-recall, over correctly spotted events.

    Source: MEGC 2024 and 2025, spot-then-recognise.
    """
    precision, recall = macro_precision(confusion), uar(confusion)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def strs(spotting: SpottingCount, confusion: NDArray[np.int64]) -> float:
    """Spot-then-recognise score: F1 of spotting times F1 of analysis.

    Args:
        spotting: pooled over all videos.
        confusion: of the correctly spotted events only.
    """
    return spotting.f1 * analysis_f1(confusion)


@dataclass(frozen=True, slots=True)
class VideoIntervals:
    """Intervals of one long video by kind (``micro``, ``macro``), half-open."""

    found: Mapping[str, Sequence[Interval]]
    true: Mapping[str, Sequence[Interval]]


def spotting_by_kind(videos: Sequence[VideoIntervals], min_iou: float = 0.5) -> dict[str, SpottingCount]:
    """Counts pooled over videos: ``micro``, ``macro`` and both together as ``overall``.

    An interval counts for its own kind only; every ratio comes after the pooling.

    Source: MEGC 2020 and later.
    """
    total = {kind: SpottingCount(0, 0, 0) for kind in ("micro", "macro")}
    for video in videos:
        for kind in total:
            total[kind] += count_spotting(video.found.get(kind, ()), video.true.get(kind, ()), min_iou)
    return {**total, "overall": total["micro"] + total["macro"]}


def label_f1(true: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> tuple[float, NDArray[np.float64]]:
    """Macro F1 of several yes-or-no labels (action units): the mean, and each one's.

    A unit that neither occurs nor is said counts as 0, as in scikit-learn.

    Args:
        true: ``(samples, units)``.
        predicted: the same shape.
    """
    both = (true & predicted).sum(0)
    total = true.sum(0) + predicted.sum(0)
    each = np.where(total > 0, 2 * both / np.maximum(total, 1), 0.0)
    return float(each.mean()), each


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap(
    statistic: Callable[[Indices], float],
    groups: Sequence[Hashable],
    *,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Percentile interval of a statistic, drawing whole groups with replacement.

    Samples of one person are alike; drawing them one by one would give intervals that are too narrow.

    Args:
        statistic: from positions of samples (repeated ones included) to a figure.
        groups: the subject of each sample.
        rounds: how many draws.
        level: coverage, 0..1.
        seed: of the draws.
    """
    names = list(dict.fromkeys(groups))
    members = [np.flatnonzero([group == name for group in groups]) for name in names]
    rng = np.random.default_rng(seed)
    draws = [
        statistic(np.concatenate([members[k] for k in rng.integers(0, len(names), len(names))]))
        for _ in range(rounds)
    ]
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(draws, [tail, 100 - tail])
    return Estimate(statistic(np.arange(len(groups))), float(low), float(high))


@dataclass(frozen=True, slots=True)
class Fold:
    """What one fold gave: for every epoch (or setting) its predictions of the test samples.

    ``test`` positions of the samples; ``predicted`` ``(epochs, samples)``; ``inner`` ``(epochs,)``, how
    good each epoch was inside the training part, higher is better.
    """

    test: tuple[int, ...]
    predicted: Indices
    inner: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.predicted.shape != (len(self.inner), len(self.test)):
            raise ValueError(f"Fold.predicted must be (epochs, samples), got {self.predicted.shape}")


def honest_predictions(folds: Sequence[Fold], count: int) -> Indices:
    """A prediction for every sample, each fold's epoch chosen inside its training part; -1 where untested."""
    return _predictions(folds, count, [int(np.argmax(fold.inner)) for fold in folds])


def leaked_predictions(folds: Sequence[Fold], true: Indices) -> Indices:
    """The same with each fold's epoch chosen by its accuracy on the test itself.

    This is not a result. It shows how much much published code gains by looking.
    """
    best = [int(np.argmax((fold.predicted == true[list(fold.test)]).mean(1))) for fold in folds]
    return _predictions(folds, len(true), best)


def _predictions(folds: Sequence[Fold], count: int, epochs: Sequence[int]) -> Indices:
    predictions = np.full(count, -1, np.intp)
    for fold, epoch in zip(folds, epochs, strict=True):
        predictions[list(fold.test)] = fold.predicted[epoch]
    return predictions
