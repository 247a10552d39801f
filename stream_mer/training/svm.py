"""Classifies clips by a support vector machine on their texture features, with nothing chosen on the test."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import SVC

from stream_mer.core.lbp_top import lbp_top
from stream_mer.core.lpq_top import lpq_top
from stream_mer.core.protocol import Fold
from stream_mer.core.splits import Split, inner_folds
from stream_mer.types import ArrayF64, ImageU8

C_VALUES = (0.1, 1.0, 10.0, 100.0)
"""Penalties tried; which one counts is decided inside the training part."""
INNER = 4
LUMA = np.array([0.299, 0.587, 0.114])
"""Grey from RGB. Source: ITU-R BT.601."""

FEATURES: Mapping[str, Callable[[NDArray[np.uint8]], NDArray[np.float32]]] = {
    "LBP-TOP": lambda clip: lbp_top(clip, radii=(1, 1, 2), grid=(5, 5, 1)),
    "LPQ-TOP": lambda clip: lpq_top(clip, windows=(5, 5, 5), grid=(5, 5, 1)),
}
"""Features by name, from ``(T, H, W)`` grey clips. Blocks and radii as in CASME II's baseline."""


def grey(clip: ImageU8) -> NDArray[np.uint8]:
    """``(T, H, W, 3)`` RGB as ``(T, H, W)`` grey, both uint8."""
    luma: NDArray[np.uint8] = np.rint(clip @ LUMA).astype(np.uint8)
    return luma


def gram(features: NDArray[np.float32]) -> ArrayF64:
    """``(N, N)`` linear kernel of the features' square roots (Hellinger's, made for histograms)."""
    roots = np.sqrt(features).astype(np.float64)
    matrix: ArrayF64 = roots @ roots.T
    return matrix


def svm_folds(
    kernel: ArrayF64,
    labels: NDArray[np.intp],
    subjects: Sequence[Hashable],
    splits: Sequence[Split],
    c_values: Sequence[float] = C_VALUES,
) -> list[Fold]:
    """LIBSVM (as scikit-learn wraps it) in every split, once per penalty.

    Args:
        kernel: ``(N, N)``, see ``gram``.
        labels: ``(N,)`` classes from 0.
        subjects: whose clip each is; inner folds keep people apart.
        splits: outer splits; each one's test is not touched before the prediction.
        c_values: penalties.

    Returns:
        A fold per split: predictions by penalty, and each penalty's accuracy in the inner folds.
    """
    folds = []
    for split in splits:
        inner = [
            [_right(kernel, labels, one.train, one.test, c) for c in c_values]
            for one in inner_folds(split, subjects, INNER)
        ]
        predicted = [_predict(kernel, labels, split.train, split.test, c) for c in c_values]
        folds.append(Fold(split.test, np.stack(predicted), np.sum(inner, axis=0).astype(float)))
    return folds


def _right(
    kernel: ArrayF64, labels: NDArray[np.intp], train: Sequence[int], test: Sequence[int], c: float
) -> int:
    return int((_predict(kernel, labels, train, test, c) == labels[list(test)]).sum())


def _predict(
    kernel: ArrayF64, labels: NDArray[np.intp], train: Sequence[int], test: Sequence[int], c: float
) -> NDArray[np.intp]:
    known = labels[list(train)]
    if len(np.unique(known)) < 2:  # LIBSVM refuses; there is only one answer to learn
        return np.full(len(test), known[0], np.intp)
    machine = SVC(C=c, kernel="precomputed").fit(kernel[np.ix_(train, train)], known)
    return np.asarray(machine.predict(kernel[np.ix_(test, train)]), np.intp)
