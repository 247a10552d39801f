"""Measures of quality: intervals found against intervals that are there, classes, pictures, coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Interval = tuple[int, int]


def interval_iou(a: Interval, b: Interval) -> float:
    """Intersection over union of two half-open intervals, 0..1.

    >>> interval_iou((0, 10), (5, 15))
    0.3333333333333333
    """
    inter = min(a[1], b[1]) - max(a[0], b[0])
    if inter <= 0:
        return 0.0
    return inter / (max(a[1], b[1]) - min(a[0], b[0]))


@dataclass(frozen=True, slots=True)
class SpottingCount:
    """True positives, false positives, false negatives; add them over videos before any ratio."""

    tp: int
    fp: int
    fn: int

    def __add__(self, other: SpottingCount) -> SpottingCount:
        return SpottingCount(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def precision(self) -> float:
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else 0.0

    @property
    def recall(self) -> float:
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 when nothing was found and nothing was there."""
        total = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / total if total else 0.0


def match_intervals(
    found: Sequence[Interval], true: Sequence[Interval], min_iou: float = 0.5
) -> list[tuple[int, int]]:
    """Pair found and true intervals one to one, best IoU first, IoU >= ``min_iou``.

    Returns:
        ``(index in found, index in true)`` pairs.

    Source: MEGC 2020 spotting protocol (IoU >= 0.5).
    """
    pairs = sorted(
        ((interval_iou(f, t), i, j) for i, f in enumerate(found) for j, t in enumerate(true)),
        key=lambda p: (-p[0], p[1], p[2]),
    )
    used_found: set[int] = set()
    used_true: set[int] = set()
    matches = []
    for iou, i, j in pairs:
        if iou >= min_iou and i not in used_found and j not in used_true:
            used_found.add(i)
            used_true.add(j)
            matches.append((i, j))
    return matches


def count_spotting(
    found: Sequence[Interval], true: Sequence[Interval], min_iou: float = 0.5
) -> SpottingCount:
    """Spotting counts of one video."""
    tp = len(match_intervals(found, true, min_iou))
    return SpottingCount(tp, len(found) - tp, len(true) - tp)


@dataclass(frozen=True, slots=True)
class Matching:
    """What became of every found and every true interval; indices into those given to ``match_spotting``."""

    hits: list[tuple[int, int]]
    """Found and true, one to one."""
    false: list[int]
    """Found, and neither matched nor excused."""
    missed: list[int]
    """True, and not found."""


def match_spotting(
    found: Sequence[Interval],
    true: Sequence[Interval],
    unclear: Sequence[Interval] = (),
    min_iou: float = 0.5,
) -> Matching:
    """Match found to true intervals; what meets only something unclear is left out, see ``excused``."""
    hits = match_intervals(found, true, min_iou)
    matched, taken = {i for i, _ in hits}, {j for _, j in hits}
    rest = [i for i in range(len(found)) if i not in matched]
    left_out = excused([found[i] for i in rest], true, unclear)
    return Matching(
        hits,
        [i for place, i in enumerate(rest) if place not in left_out],
        [j for j in range(len(true)) if j not in taken],
    )


def excused(found: Sequence[Interval], true: Sequence[Interval], unclear: Sequence[Interval]) -> set[int]:
    """Found intervals that count neither way, because of something that nobody can be asked for.

    Args:
        found: those without a match.
        true: everything that can be asked for; what meets any of it is not excused.
        unclear: what is there as well, but shows too little. Each excuses one found interval at most, which
            covers half of it or lies in it by half: of what shows too little, nobody can tell the limits.

    Returns:
        Indices in ``found``.
    """
    apart = [i for i, f in enumerate(found) if not any(interval_iou(f, t) for t in true)]
    pairs = match_intervals([found[i] for i in apart], unclear, 1e-9)
    return {apart[i] for i, j in pairs if _half_shared(found[apart[i]], unclear[j])}


def _half_shared(a: Interval, b: Interval) -> bool:
    shared = min(a[1], b[1]) - max(a[0], b[0])
    return 2 * shared >= min(a[1] - a[0], b[1] - b[0])


def confusion_matrix(true: NDArray[np.intp], predicted: NDArray[np.intp], classes: int) -> NDArray[np.int64]:
    """``(classes, classes)`` counts, rows true, columns predicted.

    Raises:
        ValueError: a class that is none, such as -1 for a sample that was not tested.
    """
    for said in (true, predicted):
        if len(said) and (said.min() < 0 or said.max() >= classes):
            raise ValueError(f"classes must be 0 to {classes - 1}, got {said.min()} to {said.max()}")
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (true, predicted), 1)
    return matrix


def uf1(confusion: NDArray[np.int64]) -> float:
    """Unweighted mean of the classes' F1 over pooled predictions; classes that never occur are left out.

    Source: MEGC 2019 protocol.
    """
    tp = np.diag(confusion).astype(float)
    denominator = (confusion.sum(0) + confusion.sum(1)).astype(float)
    present = confusion.sum(1) > 0
    return float((2 * tp[present] / denominator[present]).mean()) if present.any() else 0.0


def uar(confusion: NDArray[np.int64]) -> float:
    """Unweighted mean recall over the classes that occur. Source: MEGC 2019 protocol."""
    present = confusion.sum(1) > 0
    recall = np.diag(confusion)[present] / confusion.sum(1)[present]
    return float(recall.mean()) if present.any() else 0.0


def mse(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Mean squared error with pictures scaled to 0..1."""
    return float(np.mean((a.astype(np.float64) - b) ** 2)) / 255**2


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB; infinite for equal pictures."""
    error = mse(a, b)
    return float("inf") if error == 0 else float(-10 * np.log10(error))
