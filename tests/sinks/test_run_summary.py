from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from sink_samples import summary

from stream_mer.errors import ConfigError, OutputError
from stream_mer.sinks.summary import read_summary, write_summary
from stream_mer.types import RunSummary


def test_file_has_the_fields_of_the_type_and_reads_back(tmp_path: Path) -> None:
    write_summary(tmp_path / "run.json", summary())
    record = json.loads((tmp_path / "run.json").read_text())
    assert list(record) == [field.name for field in fields(RunSummary)]
    back = read_summary(tmp_path / "run.json")
    assert back.frames == 100
    assert back.warnings == ("file is truncated at 3.9 s",)
    assert back.observability == summary().observability


def test_what_json_cannot_say_becomes_null_or_text(tmp_path: Path) -> None:
    odd = summary(
        fps_nominal=None,
        fps_effective=float("nan"),
        frames=np.int64(7),
        coverage=np.float32(0.5),
        settings={"out": Path("a/b"), "top": float("inf"), "n": [np.int32(1), {"k": (1, 2)}], "on": True},
    )
    write_summary(tmp_path / "run.json", odd)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["fps_effective"] is None
    assert record["frames"] == 7
    assert record["coverage"] == 0.5
    assert record["settings"] == {"out": str(Path("a/b")), "top": None, "n": [1, {"k": [1, 2]}], "on": True}


def test_failed_write_keeps_the_old_file_and_leaves_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.json"
    write_summary(path, summary(frames=1))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"(?s)No space left.*free some space"):
        write_summary(path, summary(frames=2))
    monkeypatch.undo()
    assert read_summary(path).frames == 1
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize("text", ["", "[]", '{"frames": 1}', "{"])
def test_damaged_summary_is_a_config_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ConfigError, match=r"run\.json"):
        read_summary(tmp_path / "run.json")
    with pytest.raises(ConfigError, match="cannot read"):
        read_summary(tmp_path / "none.json")
