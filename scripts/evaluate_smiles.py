"""``evaluate.py smiles``: recall of events that move as real faces smiled, beside the generator's smiles.

What the generator draws is a description of how skin moves. Pairs of studio portraits, at rest and smiling,
show how it does, if only for the smile: that movement, much smaller and much shorter, is put into the videos
of the tuning half, and everybody is judged by networks that left him out.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
from fold_judges import add_arguments, open_judges, said

from stream_mer.app.trial import Trial, count_trials
from stream_mer.core.operating import alarms, recall

Kinds: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add(kinds: Kinds) -> None:
    """Add the subcommand."""
    smiles = kinds.add_parser("smiles", help="recall of events that move as real smiles do")
    smiles.set_defaults(run=evaluate)
    smiles.add_argument("--out", type=Path, required=True, help="folder for smiles.md")
    add_arguments(smiles, seeds=12)


def evaluate(args: argparse.Namespace) -> None:
    """Recall and false alarms at the shipped threshold on native crops."""
    judges, seeds = open_judges(args), range(1, args.seeds + 1)
    threshold, smiles = judges.threshold, judges.material.smiles
    measured = judges.material.real_smiles()
    watches = {
        f"as real people did (drawn from {len(measured)})": partial(smiles, seeds=seeds, measured=measured),
        "as the generator's test version has it": partial(smiles, seeds=seeds),
    }
    lines = [
        f"Threshold {threshold:.4f}; IoU >= 0.5; 95 % intervals over people in brackets.",
        "",
        "| smiles move | recall | unmatched/min | told as happiness | events |",
        "|---" * 5 + "|",
    ]
    for name, watch in watches.items():
        trials = judges.trials(watch)
        table = count_trials(trials, np.array([threshold]))
        told, found, there = smiles_told(trials, threshold)
        lines.append(
            f"| {name} | {said(table, recall)} | {said(table, alarms)} | {told} of {found} | {there} |"
        )
    args.out.mkdir(parents=True, exist_ok=True)
    text = "\n".join(lines) + "\n"
    (args.out / "smiles.md").write_text(text, encoding="utf-8")
    print(text)


def smiles_told(trials: list[Trial], threshold: float) -> tuple[int, int, int]:
    """Found smiles that were told as such, found smiles, and all."""
    pairs = [pair for trial in trials for pair in trial.matches(threshold) if pair[1] is not None]
    found = [event for event, _ in pairs if event is not None]
    return sum(event.label == "happiness" for event in found), len(found), len(pairs)
