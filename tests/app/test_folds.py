"""Everybody of the tuning half is judged by the network that left him out, and by no other."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from stream_mer.app import folds
from stream_mer.app.material import read_split
from stream_mer.app.networks import Networks, pick_networks
from stream_mer.app.remembered import Answers
from stream_mer.app.trial import Trial, settings_of_way
from stream_mer.config import Settings
from stream_mer.errors import ConfigError, EngineError
from stream_mer.runtime.manifest import load_manifest, write_manifest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "calibration" / "score" / "videos.toml"
SPLIT = '[tune]\nann = ["a.mp4"]\nbob = ["b.mp4", "c.mp4"]\n[folds]\none = ["ann"]\ntwo = ["bob"]\n'


def test_the_shipped_folds_hold_everybody_once() -> None:
    members = [person for people in folds.read_folds(SHIPPED).values() for person in people]
    assert sorted(members) == sorted(read_split(SHIPPED, "tune"))
    assert len(folds.read_folds(SHIPPED)) >= 3


@pytest.mark.parametrize("wrong", ['one = ["ann"]', 'one = ["ann"]\ntwo = ["bob", "ann"]', 'one = ["x"]'])
def test_folds_that_leave_somebody_in_are_refused(wrong: str, tmp_path: Path) -> None:
    file = tmp_path / "split.toml"
    file.write_text(SPLIT.split("[folds]")[0] + "[folds]\n" + wrong + "\n")
    with pytest.raises(ConfigError, match="exactly one"):
        folds.read_folds(file)


def test_an_unknown_fold_is_named_with_those_there_are(tmp_path: Path) -> None:
    file = tmp_path / "split.toml"
    file.write_text(SPLIT)
    assert folds.people_of_fold(file, "two") == ("bob",)
    with pytest.raises(ConfigError, match="one, two"):
        folds.people_of_fold(file, "three")


def test_each_person_meets_the_network_that_left_him_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split, engines = tmp_path / "split.toml", tmp_path / "engines"
    split.write_text(SPLIT)
    for name in ("one", "two"):
        shutil.copytree(ROOT / "engines" / "cnn-mer", engines / name)
        text = (engines / name / "manifest.toml").read_text()
        (engines / name / "manifest.toml").write_text(text.replace('name = "cnn-mer"', f'name = "{name}"'))
        write_manifest(engines / name, load_manifest(engines / name))
    shown: list[tuple[str, list[str]]] = []

    def note(
        watched: object, way: str, settings: Settings, networks: Networks, answers: Answers | None
    ) -> list[Trial]:
        engine = networks.open_classifier()
        engine.close()
        shown.append((networks.classifier.name, list(watched)))  # type: ignore[call-overload]
        return []

    def watch(people: dict[str, tuple[str, ...]]) -> list[object]:
        return [n for names in people.values() for n in names]

    settings = settings_of_way("native crop", Settings(threads=1))
    monkeypatch.setattr(folds, "run_way", note)
    networks = pick_networks(settings, uncalibrated=True)
    assert folds.run_folds(watch, split, engines, "native crop", settings, networks) == []
    assert shown == [("one", ["a.mp4"]), ("two", ["b.mp4", "c.mp4"])]
    swapped = load_manifest(engines / "two")
    command = f"{swapped.training.command} --fold one"
    write_manifest(engines / "two", replace(swapped, training=replace(swapped.training, command=command)))
    with pytest.raises(ConfigError, match="without the people of 'one', not of 'two'"):
        folds.run_folds(watch, split, engines, "native crop", settings, networks)
    shutil.rmtree(engines / "two")
    with pytest.raises(EngineError):
        folds.run_folds(watch, split, engines, "native crop", settings, networks)
