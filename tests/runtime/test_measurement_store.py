"""Measurements are remembered while they are true, and losing them does no harm."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fake_world import ALL, BF16, BIG, F32, MIDDLE, ORT, SMALL, World, pick

from stream_mer.runtime.measurements import MeasurementStore


def usual_world() -> World:
    return World({"big": {F32: 30, BF16: 9}, "middle": {F32: 8}, "small": {F32: 1}})


def test_the_second_start_measures_nothing(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "measurements.json"
    first = pick(usual_world(), store=MeasurementStore(path))
    later = usual_world()
    second = pick(later, store=MeasurementStore(path))
    assert not later.opened
    assert second == first


@pytest.mark.parametrize("change", ["threads", "faces", "version", "digest", "refresh", "device"])
def test_what_changes_the_time_is_measured_again(tmp_path: Path, change: str) -> None:
    store = MeasurementStore(tmp_path / "measurements.json")
    pick(usual_world(), store=store)
    later, manifests = usual_world(), ALL
    wishes: dict[str, object] = {}
    if change == "version":
        later.versions["openvino"] = "2.0"
    elif change == "digest":
        manifests = (SMALL, replace(BIG, sha256="f" * 64), MIDDLE)
    else:
        wishes = {"threads": {"threads": 17}, "faces": {"faces": 4}, "refresh": {"refresh": True}}.get(
            change, {"device": "gpu"}
        )
    pick(later, manifests, store=store, **wishes)
    assert later.opened


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"a": 1}', '{"a": {"engine": "big"}}', "\x00\xff"])
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "measurements.json"
    path.write_text(content, encoding="latin-1")
    world = usual_world()
    assert pick(world, store=MeasurementStore(path)).manifest == BIG
    assert world.opened
    assert json.loads(path.read_text())


def test_fields_of_another_type_are_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "measurements.json"
    pick(usual_world(), store=MeasurementStore(path))
    known = json.loads(path.read_text())
    for fields in known.values():
        fields["ms"] = "fast"
    path.write_text(json.dumps(known))
    assert pick(usual_world(), store=MeasurementStore(path)).ms == pytest.approx(9)


def test_a_folder_that_cannot_be_written_does_not_stop_the_choice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = MeasurementStore(tmp_path / "file" / "measurements.json")
    assert pick(usual_world(), store=store).manifest == BIG


def test_a_busy_machine_is_measured_again_when_it_is_quiet() -> None:
    store = MeasurementStore(None)
    slow = World({"big": {F32: 60, BF16: 40}, "middle": {F32: 16}, "small": {F32: 2}})
    choice = pick(slow, store=store, busy=lambda: True)
    assert choice.manifest == SMALL
    assert "busy machine" in choice.reason
    again = usual_world()
    assert pick(again, store=store, busy=lambda: True).manifest == SMALL
    assert not again.opened
    quiet = pick(again, store=store)
    assert quiet.manifest == BIG
    assert "busy" not in quiet.reason


def test_a_copy_under_another_name_is_known_by_its_digest() -> None:
    store = MeasurementStore(None)
    pick(World({"big": {F32: 5, ORT: 4}}), (BIG,), store=store)
    copy, world = replace(BIG, name="copy"), World({"copy": {F32: 5, ORT: 4}})
    assert pick(world, (copy,), store=store).manifest == copy
    assert not world.opened
