"""Ctrl-C while the program still loads ends it without a traceback; in a library it stays what it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PRESSED = "raise KeyboardInterrupt\n"
WHILE_THE_COMMAND_LINE_LOADS = """
import sys
class Pressed:
    def find_spec(self, name, path=None, target=None):
        if name == "stream_mer.cli":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Pressed())
from stream_mer.__main__ import run
raise SystemExit(run())
"""


def run(*args: str, first: Path | None = None) -> tuple[int, str]:
    """Exit code and stderr of a fresh Python; modules in ``first`` come before all others."""
    root = Path(__file__).resolve().parents[2]
    path = os.pathsep.join(str(p) for p in (first, root) if p is not None)
    done = subprocess.run(
        [sys.executable, *args],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": path},
    )
    return done.returncode, done.stderr


def test_while_opencv_loads(tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text(PRESSED)
    assert run("-m", "stream_mer", "--version", first=tmp_path) == (130, "")
    script = tmp_path / "stream-mer"
    script.write_text("from stream_mer.__main__ import run\nraise SystemExit(run())\n")
    assert run(str(script), first=tmp_path) == (130, "")


def test_while_the_command_line_loads() -> None:
    assert run("-c", WHILE_THE_COMMAND_LINE_LOADS) == (130, "")


def test_a_library_swallows_nothing(tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text(PRESSED)
    _, told = run("-c", "import stream_mer", first=tmp_path)
    assert told.rstrip().endswith("KeyboardInterrupt")
