"""The MediaPipe detector: bad models, silence, and a quiet end."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from stream_mer.errors import AssetError, ConfigError, EngineError
from stream_mer.face.choose import SHORT_RANGE
from stream_mer.face.mediapipe import MediaPipeDetector, _quiet_stderr

pytestmark = pytest.mark.assets

USE = """
    import sys
    from pathlib import Path
    import numpy as np
    from stream_mer.face.mediapipe import MediaPipeDetector
    detector = MediaPipeDetector(Path(sys.argv[1]))
    print(len(detector.detect(np.full((90, 120, 3), 99, np.uint8))))
"""


def _python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "ending",
    ["", "detector.close()", "cycle = [detector]; cycle.append(cycle)", "del detector", "sys.exit()"],
    ids=["left open", "closed", "in a cycle", "collected", "exit"],
)
def test_a_process_ends_quietly(assets_dir: Path, ending: str) -> None:
    done = _python(textwrap.dedent(USE) + ending, str(assets_dir / SHORT_RANGE))
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")


def test_works_without_a_stderr(assets_dir: Path) -> None:
    closed = "import os\nos.close(2)\n" + textwrap.dedent(USE)
    done = _python(closed, str(assets_dir / SHORT_RANGE))
    assert (done.returncode, done.stdout) == (0, "0\n")


def test_a_missing_model_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssetError, match=r"no face detector model at .*absent") as caught:
        MediaPipeDetector(tmp_path / "absent.tflite")
    assert len(str(caught.value).splitlines()) <= 3
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("content", [b"", b"not a model at all" * 50], ids=["empty", "text"])
def test_a_damaged_model_is_refused(
    tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.tflite").write_bytes(content)
    with pytest.raises(AssetError, match=r"bad\.tflite") as caught:
        MediaPipeDetector(tmp_path / "bad.tflite")
    assert len(str(caught.value).splitlines()) <= 3
    assert capfd.readouterr().err == ""


def test_a_model_of_another_kind_is_refused(assets_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssetError, match="not one of MediaPipe's face detectors"):
        MediaPipeDetector(assets_dir / "face_landmark.tflite")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("score", [-0.1, 1.1])
def test_min_score_is_a_probability(assets_dir: Path, score: float) -> None:
    with pytest.raises(ConfigError, match=r"0\.\.1"):
        MediaPipeDetector(assets_dir / SHORT_RANGE, min_score=score)


def test_use_after_close_is_an_error(assets_dir: Path) -> None:
    detector = MediaPipeDetector(assets_dir / SHORT_RANGE)
    detector.close()
    with pytest.raises(EngineError, match=r"after close\(\)"):
        detector.detect(np.zeros((4, 4, 3), np.uint8))


CHATTER = b"""INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
W0000 00:00:1795356695.589813    8052 inference_feedback_manager.cc:114] Feedback manager requires a model
"""
SERIOUS = b"""E0000 00:00:1795356695.589813    8052 calculator_graph.cc:940] INTERNAL: failed
WARNING:root:somebody else's log line
INFO: something else
"""


def test_only_chatter_is_dropped(capfd: pytest.CaptureFixture[str]) -> None:
    with _quiet_stderr():
        os.write(2, CHATTER + SERIOUS)
    assert capfd.readouterr().err.encode() == SERIOUS


def test_stderr_is_back_after_a_failure(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), _quiet_stderr():
        raise KeyError("x")
    os.write(2, CHATTER)
    assert capfd.readouterr().err.encode() == CHATTER
