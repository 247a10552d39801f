"""What a resting face gives is measured as the calibration reads it, from faces seen long enough."""

from __future__ import annotations

from dataclasses import replace

import pytest
from one_face import OneDetector

from stream_mer.app.agreement import facts_of, key_of
from stream_mer.app.compose import find_candidates
from stream_mer.app.networks import Networks, pick_networks
from stream_mer.app.portraits import astronaut
from stream_mer.app.remembered import Answers
from stream_mer.app.rendered import ClipSource
from stream_mer.app.resting import resting_log_odds
from stream_mer.app.watched import Watched, watch
from stream_mer.config import Settings
from stream_mer.core.reading import Reading
from stream_mer.errors import ConfigError
from stream_mer.runtime.calibration import ScoreCalibration
from stream_mer.synth.spec import ClipSpec

SETTINGS = Settings(engine="bicubic", sr="never", threads=1)


def rest(seconds: float) -> Watched:
    spec = ClipSpec(
        duration_s=seconds, fps=30, width=160, height=160, face_px=70, head_speed=0.0,
        distractors=(), events=(),
    )  # fmt: skip
    clip = ClipSource(astronaut(), spec, 3)
    return watch(clip, clip.truth, SETTINGS, OneDetector(clip), name="clip", person="astronaut")


def read_with(bias: float) -> Networks:
    networks = pick_networks(SETTINGS, None, uncalibrated=True)
    return replace(networks, calibration=ScoreCalibration(Reading(1.0, bias), 0.5))


def test_it_is_as_the_calibration_reads_it_and_asks_the_classifier_once() -> None:
    still, answers = rest(2.6), Answers()
    one = resting_log_odds([still], SETTINGS, read_with(1.0), answers)
    asked = len(answers)
    two = resting_log_odds([still], SETTINGS, read_with(3.0), answers)
    assert one < 0, "nothing happens"
    assert two == pytest.approx(one - 2.0, abs=0.011)
    assert len(answers) == asked > 0


def test_a_face_seen_for_a_moment_says_nothing() -> None:
    short = rest(0.8)
    with pytest.raises(ConfigError, match="no face rested"):
        resting_log_odds([short], SETTINGS, read_with(1.0), Answers())


def test_what_was_measured_is_what_the_spotter_spares_and_part_of_a_run_s_identity() -> None:
    at_four = replace(read_with(1.0).calibration, usual_share=0.5, resting=-4.0)
    usual = find_candidates(SETTINGS, "s", at_four)._usual
    assert (usual.share, usual.resting) == (0.5, -4.0)
    at_five = replace(at_four, resting=-5.0)
    assert at_five.digest != at_four.digest
    one, two = (facts_of(SETTINGS, replace(read_with(1.0), calibration=c)) for c in (at_four, at_five))
    assert key_of(one) != key_of(two)


def test_of_several_faces_the_middle_one_counts_and_who_left_at_once_does_not() -> None:
    networks, answers = read_with(1.0), Answers()
    short, long = rest(0.8), rest(2.6)
    alone = resting_log_odds([long], SETTINGS, networks, answers)
    assert resting_log_odds([short, long, short], SETTINGS, networks, answers) == alone
