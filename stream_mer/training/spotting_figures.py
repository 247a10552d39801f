"""Pictures of how well events are found: curves with intervals, reliability, confusion, observability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray

matplotlib.use("Agg")
from matplotlib import pyplot

from stream_mer.core.operating import CountTable, alarms, bootstrap, precision, recall
from stream_mer.core.reliability import BINS
from stream_mer.types import LABELS, ArrayF64

COLOURS = ("#1b6ca8", "#d1495b", "#3c8d53", "#8d6a9f", "#c98a1b", "#555555")
FEW = 0.04
"""False alarms a minute that stand for none, on a logarithmic axis."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a curve picture: counts, and the threshold that is shipped, if it is."""

    table: CountTable
    shipped: float | None = None


def draw_operating_curves(path: Path, curves: Mapping[str, Curve], title: str) -> None:
    """Recall of events against unmatched events a minute, 95 % bands over people, shipped points."""
    figure, axis = pyplot.subplots(figsize=(7.2, 4.6), dpi=100)
    for colour, (name, curve) in zip(COLOURS, curves.items(), strict=False):
        table = curve.table
        x, y = np.maximum(alarms(table), FEW), recall(table)
        low, high = bootstrap(table, recall, 400)
        axis.plot(x, y, color=colour, label=name, linewidth=1.8)
        axis.fill_between(x, low, high, color=colour, alpha=0.13, linewidth=0)
        if curve.shipped is not None:
            k = table.at(curve.shipped)
            axis.plot(x[k], y[k], "o", color=colour, markersize=9, markeredgecolor="black")
    axis.axvspan(FEW, 2.0, color="#3c8d53", alpha=0.05, linewidth=0)
    axis.set(xscale="log", xlim=(FEW, 40), ylim=(0, 1), title=title)
    axis.set_xlabel(f"unmatched events a minute ({FEW:g}: none)")
    axis.set_ylabel("recall of events (IoU >= 0.5)")
    axis.grid(alpha=0.3)
    axis.legend(loc="upper left", fontsize=8, title="circle: shipped threshold", title_fontsize=8)
    _save(figure, path)


def draw_precision_recall(path: Path, curves: Mapping[str, Curve], title: str) -> None:
    """Precision against recall, pooled."""
    figure, axis = pyplot.subplots(figsize=(5.4, 4.6), dpi=100)
    for colour, (name, curve) in zip(COLOURS, curves.items(), strict=False):
        x, y = recall(curve.table), precision(curve.table)
        axis.plot(x, y, color=colour, label=name)
        if curve.shipped is not None:
            k = curve.table.at(curve.shipped)
            axis.plot(x[k], y[k], "o", color=colour, markersize=9, markeredgecolor="black")
    axis.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision", title=title)
    axis.grid(alpha=0.3)
    axis.legend(loc="lower left", fontsize=8)
    _save(figure, path)


def draw_reliability(path: Path, said: Mapping[str, tuple[ArrayF64, NDArray[np.bool_]]], title: str) -> None:
    """How often candidates of a stated probability came true (bins of equally many); below, how many."""
    figure, (axis, below) = pyplot.subplots(
        2, 1, figsize=(5.4, 5.4), dpi=100, sharex=True, height_ratios=(3, 1)
    )
    edges = np.linspace(0, 1, 21)
    for colour, (name, (p, true)) in zip(COLOURS, said.items(), strict=False):
        parts = [part for part in np.array_split(np.argsort(p, kind="stable"), BINS) if len(part)]
        mean, share = [p[part].mean() for part in parts], [true[part].mean() for part in parts]
        axis.plot(mean, share, "o-", color=colour, label=name, markersize=4)
        below.stairs(np.histogram(p, edges)[0], edges, color=colour)
    axis.plot((0, 1), (0, 1), color="black", linewidth=0.8, linestyle=":")
    axis.set(ylim=(0, 1.02), ylabel="share that are true events", title=title)
    axis.legend(loc="upper left", fontsize=8)
    axis.grid(alpha=0.3)
    below.set(xlim=(0, 1), xlabel="probability stated", ylabel="candidates", yscale="log")
    _save(figure, path)


def draw_confusion(path: Path, confusion: NDArray[np.int64], title: str) -> None:
    """Rows true, columns said, by number; colour by share of the row."""
    columns = [*LABELS, "missed"][: confusion.shape[1]]
    shares = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    _heat(path, shares, confusion.astype(str), LABELS, columns, title, ("said", "true"))


def draw_recall(
    path: Path,
    shares: ArrayF64,
    counts: NDArray[np.int64],
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    axes: tuple[str, str],
) -> None:
    """Recall by two things, ``axes`` names that of the columns first; nan where nothing is looked for."""
    words = np.array(
        [
            ["abstains" if np.isnan(r) else f"{r:.2f}\n({n})" for r, n in zip(row, number, strict=True)]
            for row, number in zip(shares, counts, strict=True)
        ]
    )
    _heat(path, shares, words, rows, columns, title, axes)


def _heat(
    path: Path,
    shares: ArrayF64,
    words: NDArray[np.str_],
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    axes: tuple[str, str],
) -> None:
    figure, axis = pyplot.subplots(figsize=(1.4 + 0.95 * len(columns), 1.6 + 0.6 * len(rows)), dpi=100)
    axis.imshow(np.ma.masked_invalid(shares), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axis.set_facecolor("#dddddd")
    for i in range(len(rows)):
        for j in range(len(columns)):
            ink = "white" if shares[i, j] > 0.6 else "black"
            axis.text(j, i, words[i, j], ha="center", va="center", color=ink, fontsize=8)
    axis.set_xticks(range(len(columns)), columns, fontsize=8)
    axis.set_yticks(range(len(rows)), rows, fontsize=8)
    axis.set_xlabel(axes[0])
    axis.set_ylabel(axes[1])
    axis.set_title(title, fontsize=10)
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None})
    pyplot.close(figure)
