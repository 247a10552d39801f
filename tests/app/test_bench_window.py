"""What the measurement of the window makes of a film, and of what a run says."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from bench_window import Delays, read_delays, retimed

from stream_mer.capture.pyav import PyAvSource
from stream_mer.sinks.video import VideoWriter

SAID = """198 frames, 2 lost, 0 events, coverage 66%
2026-11-27 12:00:00 WARNING overload level 2: super-resolution by bicubic
2026-11-27 12:00:00 WARNING overload level 1: super-resolution by compact-x4
camera to screen: p50 18 ms, p95 31 ms, p99 44 ms
"""


def test_the_figures_are_found() -> None:
    assert read_delays(SAID) == Delays(18.0, 31.0, 44.0, 198, 2, 2)
    assert read_delays(SAID.replace("overload", "")).level == 0


@pytest.mark.parametrize("said", ["", "0 frames, 0 lost", "stream-mer: no such file"])
def test_a_failed_run_is_no_measurement(said: str) -> None:
    with pytest.raises(ValueError, match="no figures"):
        read_delays(said)


def test_a_film_is_played_there_and_back_at_the_asked_rate(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "film.mp4", 96, 64, fps_hint=25)
    for index in range(5):
        writer.write(np.full((64, 96, 3), 50 * index, np.uint8), 40_000_000 * index)
    writer.close()
    retimed(tmp_path / "film.mp4", tmp_path / "made.mp4", 30, 0.5)
    source = PyAvSource(tmp_path / "made.mp4")
    frames = list(source)
    source.close()
    assert [round(frame.rgb.mean() / 50) for frame in frames] == [0, 1, 2, 3, 4, 3, 2, 1, 0, 1, 2, 3, 4, 3, 2]
    steps = [after.pts_ns - before.pts_ns for before, after in pairwise(frames)]
    assert np.allclose(steps, 1e9 / 30, atol=1e6)
