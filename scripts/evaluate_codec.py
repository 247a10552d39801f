"""``evaluate.py codec``: recall by displacement and H.264 quality, as a table and a picture.

A camera codes what it sees, so a real event goes through its encoder; one that is injected into decoded
frames does not. Here the videos of the tuning half are coded once more after the injection, and everybody
is judged by networks that left him out.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
from fold_judges import add_arguments, open_judges, said

from stream_mer.app.trial import Trial, count_trials
from stream_mer.core.operating import alarms, recall
from stream_mer.training.spotting_figures import draw_recall

QUALITIES: tuple[int | None, ...] = (None, 18, 23, 28)
"""x264's constant rate factor; None: not coded again."""
PEAKS = (0.005, 0.01, 0.015, 0.03)
"""Displacement in face widths, limits of the rows."""
NAMES = [f"{100 * low:g}-{100 * high:g} %" for low, high in pairwise(PEAKS)] + ["all"]
AXES = ("H.264 after the event (x264 crf)", "displacement")
Kinds: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add(kinds: Kinds) -> None:
    """Add the subcommand."""
    codec = kinds.add_parser("codec", help="recall by displacement and H.264 quality, as a picture")
    codec.set_defaults(run=evaluate)
    codec.add_argument("--out", type=Path, required=True, help="folder for codec.md and codec.png")
    add_arguments(codec, seeds=6)


def evaluate(args: argparse.Namespace) -> None:
    """Recall and false alarms at the shipped threshold on native crops."""
    judges = open_judges(args)
    threshold, seeds = judges.threshold, range(1, args.seeds + 1)
    there, found = (np.zeros((len(NAMES), len(QUALITIES)), np.int64) for _ in range(2))
    lines = [
        f"Threshold {threshold:.4f}; IoU >= 0.5; 95 % intervals over people in brackets.",
        "",
        "| H.264 after the event | recall | unmatched/min | events |",
        "|---" * 4 + "|",
    ]
    columns = ["none" if q is None else f"{q}" for q in QUALITIES]
    for column, (name, crf) in enumerate(zip(columns, QUALITIES, strict=True)):
        trials = judges.trials(partial(judges.material.videos, seeds=seeds, crf=crf))
        for row, hit in hits(trials, threshold):
            there[[row, -1], column] += 1
            found[[row, -1], column] += hit
        table = count_trials(trials, np.array([threshold]))
        lines.append(f"| {name} | {said(table, recall)} | {said(table, alarms)} | {there[-1, column]} |")
    args.out.mkdir(parents=True, exist_ok=True)
    shares = found / np.maximum(there, 1)
    title = f"recall in real video (IoU >= 0.5), threshold {threshold:.3f}"
    draw_recall(args.out / "codec.png", shares, there, NAMES, columns, title, AXES)
    lines += ["", f"| displacement | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    lines += [
        f"| {name} | {' | '.join(f'{r:.2f} ({n})' for r, n in zip(row, number, strict=True))} |"
        for name, row, number in zip(NAMES, shares, there, strict=True)
    ]
    (args.out / "codec.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def hits(trials: Sequence[Trial], threshold: float) -> list[tuple[int, bool]]:
    """Row of every injected event, and whether it was found."""
    matched = [pair for trial in trials for pair in trial.matches(threshold)]
    inner = PEAKS[1:-1]
    return [(int(np.searchsorted(inner, t.peak)), e is not None) for e, t in matched if t is not None]
