"""Judges the people of the tuning half by networks that never saw them.

The shipped classifier is trained on all real video of that half, so what it says of these people tells
nothing. Decisions about it are made on what networks of the same making say that were trained without
them (``train_classifier.py --fold``), one network a fold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from stream_mer.app.material import read_split
from stream_mer.app.networks import Networks
from stream_mer.app.remembered import Answers
from stream_mer.app.trial import Trial, run_way
from stream_mer.app.watched import Watched
from stream_mer.config import Settings
from stream_mer.errors import ConfigError
from stream_mer.runtime.manifest import load_manifest
from stream_mer.runtime.open import open_engine

Watch: TypeAlias = Callable[[dict[str, tuple[str, ...]]], Iterable[Watched]]
"""Person -> names of videos, to what is seen of them."""


def read_folds(file: Path) -> dict[str, tuple[str, ...]]:
    """Fold -> people of the tuning half who are left out of training together.

    Raises:
        ConfigError: the file cannot be read, or not everybody of 'tune' is in exactly one fold.
    """
    folds, people = read_split(file, "folds"), read_split(file, "tune")
    placed = sorted(person for members in folds.values() for person in members)
    if placed != sorted(people):
        raise ConfigError(f"{file}: everybody of 'tune' must be in exactly one of 'folds'")
    return folds


def people_of_fold(file: Path, fold: str) -> tuple[str, ...]:
    """Who is left out in this fold.

    Raises:
        ConfigError: there is no such fold, or the file is not sound.
    """
    folds = read_folds(file)
    if fold not in folds:
        raise ConfigError(f"{file} has no fold '{fold}', only {', '.join(folds)}")
    return folds[fold]


def with_classifier(networks: Networks, folder: Path) -> Networks:
    """The same networks with the classifier of an engine's folder, on the CPU."""
    manifest = load_manifest(folder)
    return replace(
        networks,
        classifier=manifest,
        open_classifier=lambda: open_engine(manifest, backend="openvino", precision="f32", threads=1),
    )


def run_folds(
    watch: Watch,
    split: Path,
    engines: Path,
    way: str,
    settings: Settings,
    networks: Networks,
    answers: Answers | None = None,
) -> list[Trial]:
    """Trials of all videos of the tuning half, everybody judged by the network that left him out.

    Args:
        watch: gives what is seen of the videos of some people, e.g. ``Material.videos`` of some seeds.
        split: file with 'tune' and 'folds'.
        engines: folder with one engine a fold, named like it.
        way: one of ``trial.WAYS``.
        settings: of the run.
        networks: of that way; calibration and super-resolver are taken from them.
        answers: keeps what the networks say, see ``trial.run_way``.

    Raises:
        ConfigError: a network says that it left out others.
    """
    people, folds = read_split(split, "tune"), read_folds(split)
    for fold in folds:
        _check_left_out(engines / fold, fold)
    trials: list[Trial] = []
    for fold, members in folds.items():
        watched = watch({person: people[person] for person in members})
        trials += run_way(watched, way, settings, with_classifier(networks, engines / fold), answers)
    return trials


def _check_left_out(folder: Path, fold: str) -> None:
    """A network made before its command was kept with ``--fold`` says nothing, and is trusted."""
    _, said, left_out = load_manifest(folder).training.command.partition("--fold ")
    if said and left_out.split()[:1] != [fold]:
        raise ConfigError(
            f"{folder}: trained without the people of '{left_out}', not of '{fold}'.\n"
            f"It would judge people whom it knows: give --folds a folder in which '{fold}' left out '{fold}'."
        )
