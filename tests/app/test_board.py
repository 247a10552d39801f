"""The progress and the table of an archive, for names that no terminal expects."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest
from cheap_archive import film, run_cheaply

from stream_mer.app.archive import Status
from stream_mer.app.inputs import Input
from stream_mer.app.status import Board
from stream_mer.cli import main
from stream_mer.errors import SourceError
from stream_mer.sinks.event_log import read_events


def test_marks_and_control_characters_in_names_are_shown_not_obeyed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    board = Board(0, quiet=False, stream=io.StringIO())
    odd = [Path("x[/b].mp4"), Path("a\nb.mp4"), Path("\x1b[31mred.mp4"), Path("caf\udce9[bold].mp4")]
    statuses = [
        Status(Input(path, path), Path("out"), "failed", None, SourceError(f"[/no] {path.name!r}"))
        for path in odd
    ]
    for status in statuses:
        board.tell(status)
    board.table(statuses)
    out, err = capsys.readouterr()
    for name in ("x[/b].mp4", r"a\nb.mp4", r"\x1b[31mred.mp4", r"caf\udce9[bold].mp4"):
        assert name in out
        assert name in err
    assert "\x1b[31m" not in out


def test_a_file_whose_name_is_no_utf8_is_done_and_not_done_twice(tmp_path: Path) -> None:
    cam = film(tmp_path / "cam.mp4", 3, 20)
    odd = cam.rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    out = tmp_path / "out"
    out.mkdir()
    assert [status.state for status in run_cheaply(out, [odd])] == ["ok"]
    assert read_events(out / r"caf\udce9" / "events.jsonl")
    assert [status.state for status in run_cheaply(out, [odd])] == ["done before"]


def test_no_character_set_ends_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stderr", narrow)
    assert main(["process", str(tmp_path / "監視.mp4"), "--out", str(tmp_path / "out")]) == 3
    narrow.flush()
    assert rb"\u76e3\u8996.mp4" in narrow.buffer.getvalue()  # type: ignore[attr-defined]
