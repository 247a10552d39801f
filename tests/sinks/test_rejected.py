"""``rejected.jsonl``: one line a rejected candidate, with its reason and without pixels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sink_samples import event, rejection, result

from stream_mer.errors import ConfigError, OutputError
from stream_mer.sinks.rejected import RejectedLog, read_rejections


def test_each_rejection_is_a_line_and_events_are_none(tmp_path: Path) -> None:
    log = RejectedLog(tmp_path / "run" / "rejected.jsonl")
    log.write(replace(result(1, events=(event(10),)), rejected=(rejection(1000), rejection(2000, "light"))))
    log.write(result(2))
    lines = [json.loads(line) for line in log.path.read_text().splitlines()]
    assert [line["reason"] for line in lines] == ["blink", "light"]
    assert lines[0]["onset_ns"] == 1_000_000_000
    assert lines[0]["detail"]
    assert all(isinstance(v, (int, float, str)) for line in lines for v in line.values())
    log.close(None)
    log.close(None)
    with pytest.raises(OutputError, match="closed"):
        log.write(result(3))


def test_a_full_disk_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    log = RejectedLog(full)
    with pytest.raises(OutputError, match="--explain"):
        log.write(replace(result(1), rejected=(rejection(),)))


def test_a_place_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"rejected\.jsonl"):
        RejectedLog(tmp_path / "file" / "rejected.jsonl")


def test_a_line_torn_by_a_kill_is_left_out_and_damage_elsewhere_is_told(tmp_path: Path) -> None:
    log = RejectedLog(tmp_path / "rejected.jsonl")
    log.write(replace(result(1), rejected=(rejection(1000), rejection(2000, "light"))))
    log.close(None)
    whole = log.path.read_bytes()
    for end in range(len(whole) // 2 + 5, len(whole) - 1):
        log.path.write_bytes(whole[:end])
        assert [row["reason"] for row in read_rejections(log.path)] == ["blink"]
    log.path.write_bytes(b"[]\n" + whole)
    with pytest.raises(ConfigError, match="line 1"):
        read_rejections(log.path)
    assert read_rejections(tmp_path / "missing.jsonl") == []
