"""``evaluate.py doctor``: whether a copy of a dataset is whole, compared with what was published about it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from rich.console import Console
from rich.table import Table

from stream_mer.datasets.catalogue import READERS, load, published
from stream_mer.datasets.findings import Dataset, Problem
from stream_mer.datasets.survey import Survey, survey
from stream_mer.errors import SourceError

Kinds: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
SHOWN = 20
"""So many problems are printed unless --all is given."""
MARKS = {True: "ok", False: "differs", None: ""}


def add(kinds: Kinds) -> None:
    """Add the subcommand."""
    doctor = kinds.add_parser("doctor", help="is this copy of a dataset usable?")
    doctor.set_defaults(run=examine)
    doctor.add_argument("--dataset", required=True, choices=sorted(READERS), help="which dataset it is")
    doctor.add_argument("--root", type=Path, required=True, help="folder with its workbook and frames")
    doctor.add_argument("--frames", type=Path, help="folder of the clips, if it is not called as usual")
    doctor.add_argument("--clips", type=Path, help="smic-subhs: text file with the clips that are meant")
    doctor.add_argument("--partial", action="store_true", help="it is meant to be a part of the dataset")
    doctor.add_argument("--all", action="store_true", help="print every problem and correction")


def examine(args: argparse.Namespace) -> None:
    """Print the survey and the problems.

    Raises:
        SourceError: the copy is not usable.
    """
    dataset = load(args.dataset, args.root, frames=args.frames, clip_list=args.clips)
    found = survey(dataset, published(args.dataset), partial=args.partial)
    say(dataset, found, len(dataset.problems) if args.all else SHOWN)
    if not found.usable:
        raise SourceError(f"{args.root}: {found.verdict}")


def say(dataset: Dataset, found: Survey, most: int) -> None:
    """The table, then problems and corrections, at most so many of each."""
    console = Console(highlight=False, soft_wrap=True)
    table = Table(title=f"{found.title}: {dataset.table or dataset.root}", title_justify="left")
    table.add_column("")
    table.add_column("found", justify="right")
    table.add_column("published", justify="right")
    table.add_column("")
    for check in found.checks:
        table.add_row(check.what, check.found, check.published, MARKS[check.agrees])
    console.print(table)
    problems = [f"{'LEFT OUT' if p.left_out else 'note'}: {p}" for p in (*dataset.left_out, *rest(dataset))]
    for heading, lines in (("Problems", problems), ("Corrected", list(dataset.corrections))):
        if lines:
            console.print(f"\n{heading}:")
        for line in lines[:most]:
            console.print(f"- {line.replace(chr(10), chr(10) + '  ')}", markup=False)
        if len(lines) > most:
            console.print(f"- {len(lines) - most} more, printed by --all")
    if found.usable:
        console.print(f"\n{found.verdict}", markup=False)


def rest(dataset: Dataset) -> list[Problem]:
    """The problems that left nothing out."""
    return [problem for problem in dataset.problems if not problem.left_out]
