"""Figures of a trained classifier for its manifest and card, and the picture of its training."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray

from stream_mer.training.clf_judge import Table, alarm_peaks, found_share, judge, select

matplotlib.use("Agg")
from matplotlib import pyplot

ALARM_RATES = (0.5, 1.0, 2.0, 5.0)
"""Unmatched events a minute at which operating points are written."""
FACE_BANDS = ((48, 64), (64, 96), (96, 160))
FRAME_RATES = (25, 30, 60, 120, 200, 240)
PATHS = ("native", "lr", "sr")
Flags = NDArray[np.bool_]


def curves(log: Path, picture: Path) -> None:
    """``log.csv`` as a picture."""
    with log.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for name in ("loss", "average_precision", "auc", "uf1", "real_average_precision"):
        axes.plot([int(r["epoch"]) for r in rows], [float(r.get(name, "nan")) for r in rows], label=name)
    axes.set(xlabel="epoch", title="training loss; the rest on people and videos set aside")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(picture, dpi=110)
    pyplot.close(figure)


def thresholds_at(
    table: Table, chance: NDArray[np.float64], rates: Sequence[float], tail: int = 15
) -> list[float]:
    """Thresholds at which quiet windows give so many alarms a minute.

    A minute or two of video cannot show half an alarm a minute, so the tail is modelled: above the
    level that about ``tail`` alarms exceed, their log odds fall off exponentially (the usual
    peaks-over-threshold fit, mean excess = one over the rate of decay).
    """
    low, high = -6.0, 9.0
    for _ in range(14):
        middle = (low + high) / 2
        peaks, _ = alarm_peaks(table, chance, _probability(middle))
        low, high = (middle, high) if len(peaks) > tail else (low, middle)
    peaks, minutes = alarm_peaks(table, chance, _probability(low))
    excess = np.log(np.maximum(peaks, 1e-6) / np.maximum(1 - peaks, 1e-6)) - low
    mean_excess = float(excess.mean()) if len(excess) else 0.5
    return [
        _probability(low + mean_excess * float(np.log(max(len(peaks), 1) / (r * minutes)))) for r in rates
    ]


def _probability(log_odds: float) -> float:
    return float(1 / (1 + np.exp(-log_odds)))


def quiet(table: Table) -> Flags:
    """Rows of clips into which nothing was injected."""
    return np.char.find(table["clip"].astype(str), "@") < 0


def window_figures(table: Table, logits: NDArray[np.generic]) -> dict[str, float]:
    """Average precision, ROC area, UF1, UAR on windows: by part and path, frame rate, face size."""
    part, path = table["part"], table["path"]
    groups: dict[str, Flags] = {}
    for way in PATHS:
        groups[f"val.{way}"] = (part == "val") & (path == way)
        groups[f"choose.{way}"] = (part == "choose") & (path == way)
        groups[f"real_tune.{way}"] = (part == "tune") & (path == way)
    val, fps, face = part == "val", table["fps"].astype(float), table["face_px"].astype(float)
    groups |= {f"val.fps{rate}": val & (fps == rate) for rate in FRAME_RATES}
    groups |= {f"val.face{low}to{high}": val & (face >= low) & (face < high) for low, high in FACE_BANDS}
    figures: dict[str, float] = {}
    for name, keep in groups.items():
        if not keep.any():
            continue
        found = judge(logits[keep], table["target"][keep])
        for key in ("average_precision", "auc", "uf1", "uar", "windows"):
            value = float(getattr(found, key))
            if np.isfinite(value):
                figures[f"{name}.{key}"] = round(value, 4)
    return figures


def operating_points(table: Table, chance: NDArray[np.float64]) -> list[tuple[float, float, float]]:
    """(threshold, alarms a minute, share of injected events found) on the tuning half, native path."""
    rows = table["real"].astype(bool) & (table["part"] == "tune") & (table["path"] == "native")
    still, all_of_it = select(table, rows & quiet(table)), select(table, rows)
    thresholds = thresholds_at(still, chance[rows & quiet(table)], ALARM_RATES)
    return [
        (at, rate, found_share(all_of_it, chance[rows], at))
        for at, rate in zip(thresholds, ALARM_RATES, strict=True)
    ]


def video_figures(
    table: Table, chance: NDArray[np.float64], points: Sequence[tuple[float, float, float]]
) -> dict[str, float]:
    """Alarms a minute and share of injected events found at each operating point, per path."""
    figures: dict[str, float] = {}
    still = quiet(table)
    for way in PATHS:
        rows = table["real"].astype(bool) & (table["part"] == "tune") & (table["path"] == way)
        if not rows.any():
            continue
        for at, rate, _ in points:
            peaks, minutes = alarm_peaks(select(table, rows & still), chance[rows & still], at)
            name = f"real_tune.{way}.at{rate:g}".replace("0.5", "05")
            figures[f"{name}.alarms_per_minute"] = round(len(peaks) / minutes, 2)
            figures[f"{name}.found_share"] = round(found_share(select(table, rows), chance[rows], at), 4)
            figures["real_tune.minutes"] = round(minutes, 2)
    return {name: value for name, value in figures.items() if np.isfinite(value)}
