"""The demo: a newcomer's first command finds most of what it put in."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from stream_mer.core.metrics import count_spotting
from stream_mer.sinks.event_log import read_events

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.assets
def test_the_demo_finds_known_micro_expressions(tmp_path: Path, assets_dir: Path) -> None:
    command = [sys.executable, "-m", "stream_mer", "demo", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    truth = json.loads((tmp_path / "demo.truth.json").read_text())["events"]
    found = read_events(tmp_path / "demo" / "events.jsonl")
    count = count_spotting(
        [(e.onset_ns, e.offset_ns) for e in found], [(e["onset_ns"], e["offset_ns"]) for e in truth]
    )
    assert f"{count.tp} of {len(truth)} found, {count.fp} false" in done.stdout
    assert count.tp >= 5, done.stdout
    assert count.fp <= 1, done.stdout
    assert "NASA" in done.stderr


def test_a_wheel_carries_the_engines_and_runs_elsewhere(tmp_path: Path) -> None:
    """Built from the repository, unpacked somewhere else, with nothing of the repository in reach."""
    pytest.importorskip("hatchling")
    build = [
        *(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"),
        *("-w", str(tmp_path), str(ROOT)),
    ]  # fmt: skip
    subprocess.run(build, check=True, timeout=250)
    (wheel,) = tmp_path.glob("stream_mer-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "elsewhere")
        names = archive.namelist()
    assert not any("tests/" in name for name in names)
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import stream_mer, numpy as np\n"
        "assert stream_mer.__file__.startswith(sys.argv[1]), stream_mer.__file__\n"
        "with stream_mer.load_super_resolver('rrdb-light-x4') as sr:\n"
        "    assert sr.upscale(np.zeros((2, 32, 32, 3), np.uint8)).shape == (2, 128, 128, 3)\n"
        "with stream_mer.load_classifier() as clf:\n"
        "    p = clf.classify(np.zeros((1, 3, 128, 128, 3), np.uint8))\n"
        "    assert p.shape == (1, 6) and abs(p.sum() - 1) < 1e-9\n"
        "from stream_mer.synth.demo import demo_portrait\n"
        "assert demo_portrait()[1].shape == (468, 3)\n"
    )
    # -I: neither the current folder nor the environment's paths lead back to the checkout.
    run = [sys.executable, "-I", "-c", script, str(tmp_path / "elsewhere")]
    done = subprocess.run(run, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
