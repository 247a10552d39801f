"""Bad input at the command line: right exit code, one to three lines, no traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stream_mer.cli import main


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str]:
    code = main(list(args))
    return code, capsys.readouterr().err


def assert_short(message: str) -> None:
    text = [
        line for line in message.splitlines() if line.strip() and not line.startswith("super-resolution:")
    ]
    assert "Traceback" not in message
    assert 1 <= len(text) <= 3, message
    assert text[0].startswith("stream-mer: ")


@pytest.fixture
def broken(tmp_path: Path) -> dict[str, Path]:
    files = {
        "missing": tmp_path / "not-there.mp4",
        "empty": tmp_path / "empty.mp4",
        "random": tmp_path / "random.mp4",
        "text": tmp_path / "text.avi",
        "folder": tmp_path / "empty-folder",
    }
    files["empty"].touch()
    files["random"].write_bytes(bytes((i * 7919 + i // 3) % 256 for i in range(60_000)))
    files["text"].write_text("this is no video\n" * 200)
    files["folder"].mkdir()
    return files


@pytest.mark.parametrize("kind", ["missing", "empty", "random", "text", "folder"])
def test_unusable_inputs_are_source_errors(
    kind: str, broken: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], assets_dir: Path
) -> None:
    code, message = run(capsys, "process", str(broken[kind]), "--out", str(tmp_path / "out"))
    assert code == 3, message
    assert_short(message)
    assert broken[kind].name in message


def test_one_bad_file_does_not_stop_the_others(
    broken: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], assets_dir: Path
) -> None:
    code, message = run(
        capsys, "process", str(broken["text"]), str(broken["random"]), "--out", str(tmp_path / "out")
    )
    assert code == 5
    assert "text.avi" in message
    assert "random.mp4" in message
    assert "2 of 2 inputs failed" in message


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (("--min-duration", "0.3", "--max-duration", "0.2"), 2),
        (("--threshold", "2"), 2),
        (("--far", "1.0", "--threshold", "0.5"), 2),
        (("--far", "100000"), 2),
        (("--vetoes", "yawn"), 2),
        (("--engine", "no-such-engine"), 4),
        (("--classifier", "no-such-engine"), 4),
        (("--device", "cuda"), 4),
    ],
)
def test_wrong_flags(
    flags: tuple[str, ...], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = tmp_path / "clip.mp4"
    clip.touch()
    got, message = run(capsys, "process", str(clip), "--out", str(tmp_path / "out"), *flags)
    assert got == code, message
    assert_short(message)


def test_an_unwritable_output_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip, blocked = tmp_path / "clip.mp4", tmp_path / "a-file"
    clip.touch()
    blocked.touch()
    code, message = run(capsys, "process", str(clip), "--out", str(blocked / "out"))
    assert code == 5
    assert_short(message)


def test_unknown_verbs_and_flags_are_usage_errors() -> None:
    for args in (["dance"], ["process"], ["live"], []):
        with pytest.raises(SystemExit) as caught:
            main(args)
        assert caught.value.code == 2


def test_export_without_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, message = run(capsys, "export", str(tmp_path), "--to", "csv")
    assert code == 2
    assert_short(message)


def test_help_is_light() -> None:
    """``--help`` must not load networks or detectors."""
    script = (
        "import sys\nfrom stream_mer.cli import main\n"
        "try:\n main(['--help'])\nexcept SystemExit:\n pass\n"
        "heavy = {'openvino', 'onnxruntime', 'mediapipe', 'torch', 'av'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_verifying_the_shipped_engines_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engines", "verify"]) == 0
    said = capsys.readouterr().out
    assert "cnn-mer: sha256" in said
    assert "rrdb-light-x4: sha256" in said
