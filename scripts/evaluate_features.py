"""``evaluate.py features``: LBP-TOP and LPQ-TOP with SVMs on datasets, by the benchmarks' protocols."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import paper_clips

from stream_mer.app.compose import DetectorFactory
from stream_mer.config import Settings
from stream_mer.core.protocol import (
    bootstrap,
    class_figures,
    honest_predictions,
    label_f1,
    leaked_predictions,
)
from stream_mer.core.splits import leave_one_out
from stream_mer.datasets.catalogue import load
from stream_mer.datasets.composite import (
    CD6ME_SETS,
    CD6ME_UNITS,
    COMPOSITE_SETS,
    TO_CLASS,
    cd6me,
    megc2019,
    units_of,
)
from stream_mer.datasets.findings import Dataset
from stream_mer.datasets.records import ClipRecord
from stream_mer.errors import ConfigError, SourceError
from stream_mer.runtime.assets import AssetStore
from stream_mer.training.paper_study import FaceClip, require_people
from stream_mer.training.svm import FEATURES, gram, grey, svm_folds
from stream_mer.types import ArrayF64

Kinds: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
PROTOCOLS = ("loso", "composite", "cd6me")


def add(kinds: Kinds) -> None:
    """Add the subcommand."""
    features = kinds.add_parser("features", help="LBP-TOP and LPQ-TOP with SVMs on datasets")
    features.set_defaults(run=evaluate)
    features.add_argument("--protocol", choices=PROTOCOLS, required=True)
    features.add_argument(
        "--set", action="append", required=True, metavar="NAME=PATH", help="a dataset and its root; repeat"
    )
    features.add_argument("--assets", type=Path, help="folder with the MediaPipe models (default: fetched)")


def evaluate(args: argparse.Namespace) -> None:
    """Print the protocol's table.

    Raises:
        ConfigError: a dataset is wrong, or the protocol needs others.
    """
    loaded = [_loaded(word) for word in args.set]
    sets = dict(loaded)
    if len(sets) < len(loaded):
        raise ConfigError("a dataset is given twice\ngive --set once for each")
    print("".join(f"- {line}\n" for dataset in sets.values() for line in dataset.shortcomings()), end="")
    detectors = DetectorFactory(Settings(assets=args.assets), AssetStore(args.assets))
    if args.protocol == "cd6me":
        clips, kept = _cut(cd6me(sets)[0], detectors)
        if set(sets) != set(CD6ME_SETS):
            print(f"- {len(sets)} of the six sets: not CD6ME's own figure")
        leave_dataset_out(clips, kept)
        return
    if args.protocol == "composite":
        samples, remarks = megc2019(sets)
        print("".join(f"- {remark}\n" for remark in remarks))
        records = [sample.record for sample in samples]
        clips, kept = _cut(records, detectors)
        leave_subject_out(clips, [TO_CLASS[r.dataset][r.label] for r in kept], _people(kept), COMPOSITE_SETS)
        return
    for dataset in sets.values():
        print(f"\n{dataset.name}")
        if not (chosen := paper_clips.wanted(dataset)):
            raise SourceError(f"{dataset.name} names no emotions\ntake another protocol: cd6me needs none")
        clips, kept = _cut(chosen, detectors)
        names = sorted({record.label for record in kept})
        print(", ".join(f"{name} {sum(r.label == name for r in kept)}" for name in names))
        others = sum(record.kind == "micro" for record in dataset.records) - len(chosen)
        print(f"{others} of other classes, or of none, left out\n" if others else "")
        leave_subject_out(clips, [names.index(record.label) for record in kept], _people(kept))


def leave_subject_out(
    clips: list[FaceClip], classes: list[int], people: list[str], sets: Sequence[str] = ()
) -> None:
    """Pooled figures over all people, then over each of some sets, and what choosing by the test gives."""
    require_people(clips, 2)
    labels, count = np.array(classes, np.intp), max(classes) + 1
    print("| feature | accuracy | UF1 | UAR | LEAKED, no result: UF1 |\n|---|---|---|---|---|")
    for name in FEATURES:
        folds = svm_folds(_kernel(name, clips), labels, people, leave_one_out(people))
        said, leaked = honest_predictions(folds, len(labels)), leaked_predictions(folds, labels)
        found = class_figures(labels, said, count)
        interval = bootstrap(lambda i, s=said: class_figures(labels[i], s[i], count).uf1, people)  # type: ignore[misc]
        gained = class_figures(labels, leaked, count).uf1
        print(f"| {name} | {found.accuracy:.3f} | {interval} | {found.uar:.3f} | {gained:.3f} |")
        for part in sets:
            own = np.array([i for i, clip in enumerate(clips) if clip.dataset == part], np.intp)
            found = class_figures(labels[own], said[own], count)
            print(f"| {name}, {part} | {found.accuracy:.3f} | {found.uf1:.3f} | {found.uar:.3f} | |")
    print(f"\n{len(labels)} clips of {len(set(people))} people")


def leave_dataset_out(clips: list[FaceClip], kept: list[ClipRecord]) -> None:
    """Twelve action units, each by its own SVM; every dataset tested by the others. Macro F1 in %."""
    units, people, groups = units_of(kept), _people(kept), [record.dataset for record in kept]
    if len(set(groups)) < 2:
        raise SourceError(f"only clips of {groups[0]} gave faces\nleaving one dataset out needs two of them")
    splits = leave_one_out(groups)
    heads = " | ".join(split.name for split in splits)
    print(f"| feature | {heads} | mean |\n|---|{'---|' * (len(splits) + 1)}")
    for name in FEATURES:
        kernel = _kernel(name, clips)
        said = np.zeros_like(units)
        for k in range(len(CD6ME_UNITS)):
            folds = svm_folds(kernel, units[:, k].astype(np.intp), people, splits)
            said[:, k] = honest_predictions(folds, len(units)) == 1
        f1 = [100 * label_f1(units[list(s.test)], said[list(s.test)])[0] for s in splits]
        print(f"| {name} | {' | '.join(f'{value:.1f}' for value in f1)} | {np.mean(f1):.1f} |")
    print(f"\n{len(kept)} clips; action units {', '.join(CD6ME_UNITS)}")


def _loaded(word: str) -> tuple[str, Dataset]:
    name, found, root = word.partition("=")
    if not found:
        raise ConfigError(f"--set {word} has no path\nwrite --set casme2=PATH")
    return name, load(name, Path(root))


def _cut(records: list[ClipRecord], detectors: DetectorFactory) -> tuple[list[FaceClip], list[ClipRecord]]:
    """The faces, and the records they are of; the others are named on stderr."""
    clips, kept, lost = paper_clips.cut_clips(records, detectors, lambda _: None)
    for line in lost:
        print(f"left out: {line}", file=sys.stderr)
    return clips, kept


def _people(records: list[ClipRecord]) -> list[str]:
    return [f"{record.dataset}/{record.subject}" for record in records]


def _kernel(name: str, clips: list[FaceClip]) -> ArrayF64:
    return gram(np.stack([FEATURES[name](grey(clip.faces)) for clip in clips]))
