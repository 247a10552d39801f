"""``evaluate.py events``: what runs found, against annotations from ELAN, CSV or a clip's own truth."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from stream_mer.core.metrics import SpottingCount, confusion_matrix, match_spotting
from stream_mer.core.protocol import analysis_f1, strs
from stream_mer.datasets.annotations import read_annotations
from stream_mer.datasets.truth import TruthSpan
from stream_mer.errors import ConfigError
from stream_mer.sinks.event_log import read_records
from stream_mer.types import LABELS, Event

Kinds: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add(kinds: Kinds) -> None:
    """Add the subcommand."""
    events = kinds.add_parser("events", help="a run's events against annotations (ELAN, CSV or JSON)")
    events.set_defaults(run=compare)
    events.add_argument("runs", type=Path, nargs="+", help="folders of runs, or their events.jsonl")
    events.add_argument(
        "--truth", type=Path, nargs="+", required=True, help=".eaf, .csv or .json, one a run, in that order"
    )
    events.add_argument("--min-iou", type=float, default=0.5, help="overlap that makes a hit (default 0.5)")


def compare(args: argparse.Namespace) -> None:
    """Print counts of every run and pooled, and which class the hits were given.

    Raises:
        ConfigError: runs and truths do not pair, or a file cannot be read.
    """
    if len(args.runs) != len(args.truth):
        raise ConfigError(
            f"{len(args.runs)} runs but {len(args.truth)} truths\ngive one --truth for each run"
        )
    if not 0 < args.min_iou <= 1:
        raise ConfigError(f"--min-iou {args.min_iou:g} is no overlap\ngive a number above 0, up to 1")
    print("| run | TP | FP | FN | precision | recall | F1 |\n|---|---|---|---|---|---|---|")
    total, pairs = SpottingCount(0, 0, 0), list[tuple[int, int]]()
    for run, truth in zip(args.runs, args.truth, strict=True):
        log = run / "events.jsonl" if run.is_dir() else run
        found = [record.event for record in read_records(log)]
        there = read_annotations(truth)
        true = there.events
        for word in {one.label for one in true} - set(LABELS):
            raise ConfigError(f"{truth}: unknown label {word!r}\nwrite one of {', '.join(LABELS)}")
        count, hits = score(found, true, args.min_iou, there.unclear)
        print(line(run.name, count))
        total, pairs = total + count, pairs + hits
    print(line("all", total))
    classes = np.array(pairs, np.intp).reshape(-1, 2)
    confusion = confusion_matrix(classes[:, 0], classes[:, 1], len(LABELS))
    right = int(np.trace(confusion))
    print(f"\nright class: {right} of {len(pairs)} hits; analysis F1 {analysis_f1(confusion):.3f}, ", end="")
    print(f"STRS {strs(total, confusion):.3f}")


def score(
    found: Sequence[Event], true: Sequence[TruthSpan], min_iou: float, unclear: Sequence[TruthSpan] = ()
) -> tuple[SpottingCount, list[tuple[int, int]]]:
    """Counts of one run, and (true, found) class of every hit; for ``unclear`` see ``metrics.excused``."""
    spans, there, hidden = ([(e.onset_ns, e.offset_ns) for e in some] for some in (found, true, unclear))
    matching = match_spotting(spans, there, hidden, min_iou)
    hits = [(LABELS.index(true[j].label), LABELS.index(found[i].label)) for i, j in matching.hits]
    return SpottingCount(len(hits), len(matching.false), len(matching.missed)), hits


def line(name: str, count: SpottingCount) -> str:
    """A row of the table."""
    figures = f"{count.precision:.3f} | {count.recall:.3f} | {count.f1:.3f}"
    return f"| {name} | {count.tp} | {count.fp} | {count.fn} | {figures} |"
