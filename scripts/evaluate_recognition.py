"""``evaluate.py recognition``: which class, told when: the CNN, the paper's SVM on texture, the majority."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stream_mer.app.material import Material
from stream_mer.app.networks import pick_networks
from stream_mer.app.recognition import Shown, show_events
from stream_mer.app.trial import WAYS, settings_of_way
from stream_mer.config import Settings
from stream_mer.core.metrics import confusion_matrix, uar, uf1
from stream_mer.runtime.assets import AssetStore
from stream_mer.training.spotting_figures import draw_confusion
from stream_mer.training.texture_svm import FEATURES, classify_by_texture
from stream_mer.types import LABELS

ROUNDS = 1000
Kinds: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Predictions = NDArray[np.intp]


def add(kinds: Kinds) -> None:
    """Add the subcommand."""
    recognise = kinds.add_parser("recognition", help="the five classes, told when: CNN, SVM, majority")
    recognise.set_defaults(run=evaluate)
    recognise.add_argument("--data", type=Path, required=True, help="folder with faces/")
    recognise.add_argument("--cache", type=Path, required=True, help="folder that keeps what was watched")
    recognise.add_argument(
        "--out", type=Path, required=True, help="folder for recognition.md and the picture"
    )
    recognise.add_argument("--train", type=int, default=400, help="clips of training people for the SVM")
    recognise.add_argument("--test", type=int, default=200, help="clips of validation people")
    recognise.add_argument("--engine", default="rrdb-light-x4", help="super-resolution engine of the SR rows")
    recognise.add_argument("--classifier", default="auto")
    recognise.add_argument("--assets", type=Path, help="folder with the MediaPipe models (default: fetched)")


def evaluate(args: argparse.Namespace) -> None:
    """Train the SVMs, ask everyone, print one table."""
    settings = Settings(engine=args.engine, classifier=args.classifier, assets=args.assets, threads=1)
    material = Material(args.data, args.cache, settings, AssetStore(args.assets))
    args.out.mkdir(parents=True, exist_ok=True)
    lines = ["| method | shown | UF1 | UAR | accuracy |", "|---|---|---|---|---|"]
    for way in WAYS:
        networks = pick_networks(settings_of_way(way, settings))
        known = list(show_events(material.expressions("tune", args.train), way, settings, networks))
        asked = list(show_events(material.expressions("val", args.test), way, settings, networks))
        answers = {"CNN": np.array([-1 if s.said is None else s.said for s in asked], np.intp)}
        answers |= {f"SVM on {name}": by_texture(name, known, asked) for name in FEATURES}
        common = int(np.bincount([s.label for s in known]).argmax())
        answers["majority class"] = np.full(len(asked), common, np.intp)
        lines += [row(method, way, asked, said) for method, said in answers.items()]
        if way == next(iter(WAYS)):
            true = np.array([s.label for s in asked])
            said = np.where(answers["CNN"] < 0, len(LABELS), answers["CNN"])
            table = confusion_matrix(true, said, len(LABELS) + 1)[: len(LABELS)]
            draw_confusion(args.out / "confusion-recognition.png", table, "CNN, native, validation people")
    people = len({s.person for s in asked})
    lines += [
        "",
        f"{len(asked)} events of {people} people; SVMs trained on {len(known)} of others. 95 % over people.",
    ]
    (args.out / "recognition.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def by_texture(name: str, known: Sequence[Shown], asked: Sequence[Shown]) -> Predictions:
    """What the SVM on this feature says."""
    labels = np.array([s.label for s in known], np.intp)
    return classify_by_texture(
        name, [s.clip for s in known], labels, [s.person for s in known], [s.clip for s in asked]
    )


def row(method: str, way: str, asked: Sequence[Shown], said: Predictions) -> str:
    """One line: UF1, UAR and accuracy with intervals over people; an event without an answer is wrong."""
    true, people = np.array([s.label for s in asked]), np.array([s.person for s in asked])
    names = sorted(set(people))

    def measures(rows: NDArray[np.intp]) -> tuple[float, float, float]:
        answer = np.where(said[rows] < 0, (true[rows] + 1) % len(LABELS), said[rows])
        table = confusion_matrix(true[rows], answer, len(LABELS))
        return uf1(table), uar(table), float((answer == true[rows]).mean())

    rng = np.random.default_rng(0)
    of = {n: np.flatnonzero(people == n) for n in names}
    drawn = [
        measures(np.concatenate([of[names[i]] for i in rng.integers(len(names), size=len(names))]))
        for _ in range(ROUNDS)
    ]
    low, high = np.percentile(drawn, (2.5, 97.5), axis=0)
    cells = [
        f"{v:.2f} [{a:.2f}, {b:.2f}]"
        for v, a, b in zip(measures(np.arange(len(true))), low, high, strict=True)
    ]
    return f"| {method} | {way} | {' | '.join(cells)} |"
