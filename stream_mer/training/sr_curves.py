"""Keeps the course of a super-resolution training as a CSV log and draws it."""

from __future__ import annotations

import csv
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot


def append_row(path: Path, row: dict[str, float]) -> None:
    """Add a line to a CSV file, with the header if it is new."""
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, list(row))
        if new:
            writer.writeheader()
        writer.writerow({k: f"{v:.6g}" for k, v in row.items()})


def plot_log(log: Path, picture: Path) -> None:
    """``log.csv`` of a run as a PNG: loss on the left axis, PSNR of held-out people on the right."""
    with log.open(newline="", encoding="utf-8") as lines:
        rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(lines)]
    if not rows:
        return
    steps = [row["step"] for row in rows]
    figure, left = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    left.plot(steps, [row["loss"] for row in rows], color="0.6", label="loss")
    left.set(xlabel="step", ylabel="training loss", yscale="log")
    right = left.twinx()
    for name, colour in (("gaussian", "C0"), ("area", "C1")):
        values = [row[f"psnr_{name}"] for row in rows]
        right.plot(steps, values, color=colour, label=f"{name}: {values[-1]:.2f} dB")
    right.set_ylabel("PSNR on held-out training people, dB")
    right.legend(loc="lower right")
    figure.savefig(picture, dpi=110)
    pyplot.close(figure)
