"""The progress and the table of an archive, for names that no terminal expects."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cheap_archive import film, invented, run_cheaply

from stream_mer.app.archive import Status
from stream_mer.app.inputs import Input
from stream_mer.app.pieces import Piece
from stream_mer.app.status import Board
from stream_mer.cli import main
from stream_mer.errors import SourceError
from stream_mer.sinks.event_log import read_events


def test_marks_and_control_characters_in_names_are_shown_not_obeyed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    board = Board({}, quiet=False, stream=io.StringIO())
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


def test_what_a_failed_file_promised_no_longer_delays_the_end(tmp_path: Path) -> None:
    whole, broken = film(tmp_path / "whole.mp4", 4, 20), film(tmp_path / "broken.mp4", 2, 20)
    out = tmp_path / "out"
    out.mkdir()
    seconds = iter(range(1, 1000))
    stream = io.StringIO()
    board = Board({broken: 900, whole: 100}, quiet=False, stream=stream, clock_s=lambda: 6.0 * next(seconds))

    def failing(piece: Piece, report: Callable[[int], None]) -> str:
        report(piece.segment.frames)
        if piece.path == str(broken) and piece.segment.index == 1:
            raise SourceError("the disk has gone")
        return invented(piece, report)

    statuses = run_cheaply(out, [broken, whole], work=failing, watcher=board)
    assert [status.state for status in statuses] == ["failed", "ok"]
    # 50 of 900 are done when the file fails: from there on 50 + 100 are all there are.
    shares = [int(line.split("%")[0].split(":")[1]) for line in stream.getvalue().splitlines()]
    assert (shares[:4], shares[-1]) == ([0, 2, 5, 33], 100)
    assert "left" not in stream.getvalue().splitlines()[-1]


def test_frames_counted_for_a_file_that_is_through_do_not_go_beyond_the_whole() -> None:
    """Other workers may still be at its other segments when one has failed."""
    one, two = Path("one.mp4"), Path("two.mp4")
    board = Board({one: 500, two: 100}, quiet=True)
    board.add(one, 50)
    board.tell(Status(Input(one, one), Path("out"), "failed", None, SourceError("gone")))
    board.add(one, 50)
    assert board.words(1.0).startswith(" 50 %, 100 frames")
    board.add(two, 100)
    assert board.words(1.0).startswith("100 %, 200 frames")


def test_no_character_set_ends_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stderr", narrow)
    assert main(["process", str(tmp_path / "監視.mp4"), "--out", str(tmp_path / "out")]) == 3
    narrow.flush()
    assert rb"\u76e3\u8996.mp4" in narrow.buffer.getvalue()  # type: ignore[attr-defined]
