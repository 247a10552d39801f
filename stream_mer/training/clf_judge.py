"""Says how good scores are on windows: event against none, and per class; and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_mer.core.metrics import confusion_matrix, uar, uf1
from stream_mer.training.clf_data import NONE

Table = Mapping[str, NDArray[np.generic]]
"""Columns of a window pack (``clf_pack.load_packs``)."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How good scores are on a set of windows; NaN where there is nothing to compare."""

    average_precision: float
    auc: float
    uf1: float
    uar: float
    windows: int
    positives: int


def event_logit(logits: NDArray[np.generic]) -> NDArray[np.float64]:
    """Log odds of 'some event' against 'none'."""
    x = logits.astype(np.float64)
    top = x[:, :NONE].max(1, keepdims=True)
    return np.asarray(top[:, 0] + np.log(np.exp(x[:, :NONE] - top).sum(1)) - x[:, NONE])


def judge(logits: NDArray[np.generic], target: NDArray[np.generic]) -> Judgement:
    """Event against none by average precision and ROC area; classes over the true events by UF1 and UAR."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    event, is_event = event_logit(logits), np.asarray(target) != NONE
    both = bool(is_event.any()) and not is_event.all()
    matrix = classes(logits, target)
    return Judgement(
        float(average_precision_score(is_event, event)) if both else float("nan"),
        float(roc_auc_score(is_event, event)) if both else float("nan"),
        uf1(matrix),
        uar(matrix),
        len(logits),
        int(is_event.sum()),
    )


def classes(logits: NDArray[np.generic], target: NDArray[np.generic]) -> NDArray[np.int64]:
    """Confusion of the five classes over the windows that hold an event, rows true."""
    is_event = np.asarray(target) != NONE
    predicted = logits[is_event, :NONE].argmax(1).astype(np.intp)
    return confusion_matrix(np.asarray(target)[is_event].astype(np.intp), predicted, NONE)


def calibrate(
    logits: NDArray[np.generic], target: NDArray[np.generic], negatives_per_positive: float = 10.0
) -> tuple[float, float]:
    """Temperature and shift of 'none' that minimise the log loss at the given share of events.

    Args:
        logits: ``(N, 6)`` of windows that the network was not trained on.
        target: ``(N,)`` classes.
        negatives_per_positive: windows without per window with an event, where the scores will be used.

    Returns:
        Temperature (Guo et al. 2017) and what to add to the logit of 'none' before dividing by it.
    """
    y = np.asarray(target).astype(np.intp)
    x = logits.astype(np.float64)
    weight = np.where(
        y == NONE, negatives_per_positive / max((y == NONE).sum(), 1), 1 / max((y != NONE).sum(), 1)
    )
    weight /= weight.sum()
    rows, best, found = np.arange(len(y)), np.inf, (1.0, 0.0)
    for temperature in np.geomspace(0.2, 3.0, 33):
        for shift in np.linspace(-1.0, 5.0, 31):
            z = x / temperature
            z[:, NONE] += shift / temperature
            z -= z.max(1, keepdims=True)
            loss = -float((weight * (z[rows, y] - np.log(np.exp(z).sum(1)))).sum())
            if loss < best:
                best, found = loss, (float(temperature), float(shift))
    return found


def select(table: Table, keep: NDArray[np.bool_]) -> dict[str, NDArray[np.generic]]:
    """Some rows of all columns."""
    return {name: column[keep] for name, column in table.items()}
