"""The step that judges looks twice where the calibration says how to read a second look, and only there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stream_mer.app.agreement import facts_of, key_of
from stream_mer.app.compose import find_candidates, infer_step
from stream_mer.app.networks import pick_networks
from stream_mer.config import Settings
from stream_mer.core.reading import Reading
from stream_mer.runtime.bicubic import BicubicEngine
from stream_mer.runtime.calibration import ScoreCalibration, SecondReading
from stream_mer.types import Box, FaceCrop, FaceTrack, Score, Similarity, SourceInfo

MS = 1_000_000
INFO = SourceInfo("clip", "0" * 64, 64, 48, 25.0, None, None, live=False)
FIRST = ScoreCalibration(Reading(), 0.5)
TWICE = replace(FIRST, second_look=SecondReading(Reading(0.5, 1.5), 45.0))


def windows_of_a_candidate(
    calibration: ScoreCalibration, fps: float, length_ms: int = 109, longest_s: float = 0.2
) -> int:
    finder = find_candidates(Settings(max_duration_s=longest_s), "s", calibration)
    face = FaceTrack(1, 0, Box(0, 0, 92, 92), Similarity(1, 0, 0, 0), 92.0, 1.0)
    picture = np.full((128, 128, 3), 90, np.uint8)
    found = []
    comes = round((0.5 + length_ms / 2000 + 0.1) * fps)
    for i in range(round(1.5 * fps)):
        now = round(i / fps * 1e9)
        crop = FaceCrop(face, i, now, 0, picture[:32, :32], picture, False)
        sure = Score(1, 0, 0, 500 * MS, length_ms * MS, (0.0, 0.0, 0.9, 0.0, 0.0), 92.0, False)
        found += finder.push([sure] if i == comes else [], [crop], (48, 64), now)
    (candidate,) = found
    return len(candidate.windows)


def test_only_where_the_calibration_has_one_and_frames_lie_as_close_as_it_says() -> None:
    assert windows_of_a_candidate(FIRST, 60) == 0
    assert windows_of_a_candidate(TWICE, 60) == 5
    assert windows_of_a_candidate(TWICE, 30) == 0


def test_longer_events_are_looked_at_again_as_well() -> None:
    assert windows_of_a_candidate(TWICE, 60, 460, longest_s=0.5) == 5


def test_the_step_reads_it_as_the_calibration_says() -> None:
    networks = replace(pick_networks(Settings(engine="bicubic")), open_classifier=BicubicEngine)
    for calibration, reading in ((FIRST, None), (TWICE, Reading(0.5, 1.5))):
        step = infer_step(INFO, Settings(), replace(networks, calibration=calibration))
        assert step.reading_again == reading
        step.close()


def test_a_run_is_not_resumed_with_another_second_look() -> None:
    networks = pick_networks(Settings(engine="bicubic"))
    keys = {key_of(facts_of(Settings(), replace(networks, calibration=c))) for c in (FIRST, TWICE)}
    assert len(keys) == 2
    assert "second_look" not in facts_of(Settings(), replace(networks, calibration=FIRST)), "as before"
