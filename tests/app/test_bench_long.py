"""``bench --hours``: what it prints of memory, and that the file asked for holds the same."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cheap_archive import film

from stream_mer.cli import main


class Run:
    """A child process that says how far it is and ends well; its memory is this process's."""

    pid, returncode = os.getpid(), 0

    def __init__(self, *_: Any, **__: Any) -> None:
        self.stderr = io.StringIO("".join(f"process: {n} %, {90 * n} frames, 9 fps\n" for n in range(1, 101)))

    def communicate(self) -> tuple[str, None]:
        return "long.mkv: 9000 frames, 3 tracks\n  note: nothing was classified\n", None


def test_the_table_goes_to_the_file_asked_for_with_what_the_run_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(subprocess, "Popen", Run)
    out = tmp_path / "memory.md"
    command = ["bench", str(film(tmp_path / "cam.mp4", 2, 7)), "--hours", "0.1", "--out", str(out)]
    assert main(command) == 0
    text = out.read_text(encoding="utf-8")
    assert text in capsys.readouterr().out
    assert text.count("\n| ") == 10
    assert "| 9000 |" in text
    assert "growth over the last three quarters: " in text
    assert "note: nothing was classified" in text
