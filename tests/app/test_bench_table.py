"""``bench``: what is run for each row, and what the table shows of it. The runs themselves are scripted."""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cheap_archive import film

from stream_mer.cli import main


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were run."""
    seen: list[list[str]] = []

    class Run:
        pid, returncode = 1, 0

        def __init__(self, command: list[str], **_: Any) -> None:
            seen.append(command)
            self.stderr = io.StringIO()
            times = {"p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 3.0}
            stages = ["capture", "face", "infer", *(() if "--no-overlay" in command else ("overlay",))]
            run = {
                "stages": dict.fromkeys(stages, times),
                "tracks": 0,
                "throughput_fps": 99.5,
                "first_result_s": 0.4,
            }
            folder = Path(command[command.index("--out") + 1]) / "cam"
            folder.mkdir()
            (folder / "run.json").write_text(json.dumps(run))

    monkeypatch.setattr(subprocess, "Popen", Run)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    monkeypatch.setattr(os, "wait4", lambda pid, _: (pid, 0, usage))
    return seen


@pytest.mark.parametrize("overlay", [True, False])
def test_archives_are_measured_without_an_overlay(
    tmp_path: Path, commands: list[list[str]], overlay: bool
) -> None:
    films = [str(film(tmp_path / f"{name}.mp4", 1, 7)) for name in ("empty", "crowd")]
    out = tmp_path / "table.md"
    assert main(["bench", *films, "--out", str(out), *([] if overlay else ["--no-overlay"])]) == 0
    assert {command[4] for command in commands} == set(films)
    assert all(("--no-overlay" in command) != overlay for command in commands)
    head, _, columns, _, *rows = out.read_text(encoding="utf-8").splitlines()
    assert len(rows) == len(commands) >= 2
    assert ("no overlay written" in head) != overlay
    assert ("overlay p50/p95/p99 ms" in columns) == overlay
    assert {row.count("|") for row in rows} == {columns.count("|")}
    assert all("| 99.5 | 1.0/2.0/3.0 | " in row for row in rows)
