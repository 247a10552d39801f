"""Says how good scores are: on windows, per class, and in false alarms a minute of real video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_mer.core.metrics import confusion_matrix, uar, uf1
from stream_mer.core.spotting import Spotter, SpotterSettings
from stream_mer.training.clf_data import NONE
from stream_mer.types import Score

Table = Mapping[str, NDArray[np.generic]]
"""Columns of a window pack (``clf_pack.load_packs``)."""
LOOKAHEAD_NS = 80_000_000
HOLD_NS = 150_000_000
"""How long the spotter waits for a stronger score, when alarms are counted."""


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


def probabilities(logits: NDArray[np.generic], temperature: float, none_shift: float) -> NDArray[np.float64]:
    """``(N, 6)`` probabilities as the product shows them."""
    z = logits.astype(np.float64)
    z[:, NONE] += none_shift
    z = np.exp((z - z.max(1, keepdims=True)) / temperature)
    return np.asarray(z / z.sum(1, keepdims=True))


def alarm_peaks(
    table: Table, chance: NDArray[np.float64], threshold: float
) -> tuple[NDArray[np.float64], float]:
    """Probabilities of the events the product's spotter makes of windows, and the minutes they cover.

    Args:
        table: rows of real video, one path only, every window of the ladder.
        chance: ``(N, 6)`` their probabilities.
        threshold: on the sum of the five classes.
    """
    peaks: list[float] = []
    seconds = 0.0
    for clip in np.unique(table["clip"]):
        rows = np.flatnonzero(table["clip"] == clip)
        centre, length = (table[c][rows].astype(np.int64) for c in ("centre_ns", "duration_ns"))
        seconds += float(centre.max() - centre.min() + 2 * LOOKAHEAD_NS) / 1e9
        known = centre + length // 2 + LOOKAHEAD_NS
        spotter = Spotter(SpotterSettings(threshold, 40_000_000, 200_000_000, HOLD_NS), "")
        for i in np.argsort(known, kind="stable"):
            five = chance[rows[i], :NONE]
            if five.sum() < threshold:
                continue
            score = Score(0, 0, 0, int(centre[i]), int(length[i]), tuple(float(p) for p in five))
            peaks.extend(e.probability for e in spotter.push([score], int(known[i])))
        peaks.extend(e.probability for e in spotter.flush())
    return np.array(peaks), seconds / 60


def found_share(table: Table, chance: NDArray[np.float64], threshold: float) -> float:
    """Share of true events of which at least one well-placed window reaches the threshold."""
    rows = np.flatnonzero(table["target"] != NONE)
    if not len(rows):
        return float("nan")
    keys = np.array([f"{c}/{e}" for c, e in zip(table["clip"][rows], table["event"][rows], strict=True)])
    hit = chance[rows, :NONE].sum(1) >= threshold
    return float(np.mean([hit[keys == key].any() for key in np.unique(keys)]))


def select(table: Table, keep: NDArray[np.bool_]) -> dict[str, NDArray[np.generic]]:
    """Some rows of all columns."""
    return {name: column[keep] for name, column in table.items()}
