"""Figures of a trained classifier for its manifest and card, and the picture of its training."""

from __future__ import annotations

import csv
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray

from stream_mer.training.clf_judge import Table, judge

matplotlib.use("Agg")
from matplotlib import pyplot

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


def window_figures(table: Table, logits: NDArray[np.generic]) -> dict[str, float]:
    """Average precision, ROC area, UF1, UAR on windows: by part and path, frame rate, face size."""
    part, path = table["part"], table["path"]
    groups: dict[str, Flags] = {}
    for way in PATHS:
        groups[f"val.{way}"] = (part == "val") & (path == way)
        groups[f"choose.{way}"] = (part == "choose") & (path == way)
        groups[f"held.{way}"] = (part == "held") & (path == way)
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
