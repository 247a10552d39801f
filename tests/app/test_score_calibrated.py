"""The script that fits the first look reads scores as they came true, and rests faces by that reading."""

from __future__ import annotations

import sys
from pathlib import Path

import calibrate_score
import numpy as np
import pytest

from stream_mer.app.networks import Networks, pick_networks
from stream_mer.app.trial import Trial
from stream_mer.config import Settings
from stream_mer.core.decision import Candidate
from stream_mer.core.reading import Reading
from stream_mer.runtime.calibration import ScoreCalibration, load_calibration
from stream_mer.runtime.shipped import calibration_root
from stream_mer.synth.spec import TrueEvent
from stream_mer.types import LABELS, Event

SECOND = 1_000_000_000
TRUE = Reading(0.5, 1.0)
"""By which the logits of these trials really are to be read."""
SHIPPED = calibration_root() / "score" / "cnn-mer.toml"
ENGINE = pick_networks(Settings(engine="bicubic")).classifier.sha256


def resting(read: ScoreCalibration) -> float:
    """A resting face whose log odds hang on the reading, as a real one's do."""
    return round(-3 / read.reading.temperature - read.reading.none_bias, 2)


def judged(networks: Networks) -> list[Trial]:
    """300 candidates whose logits say how likely they are, of three people."""
    read = networks.calibration
    trials = []
    for person in range(3):
        rng = np.random.default_rng(person)
        logits = np.full((100, 6), -40.0)
        logits[:, 0], logits[:, 5] = rng.normal(0.6, 1.0, 100), 0.0
        happened = rng.random(100) < 1 - TRUE.probabilities(logits)[:, 5]
        found, true = [], []
        for i, (row, event) in enumerate(zip(read.reading.probabilities(logits), happened, strict=True)):
            times = i * SECOND, i * SECOND + SECOND // 20, i * SECOND + SECOND // 10
            five = tuple(map(float, row[:5]))
            one = Event("", "v", 0, 1, *times, LABELS[0], float(1 - row[5]), five, 92.0, False)
            found.append(Candidate(one, None, times[2]))
            true += [TrueEvent(*times, LABELS[0], ("12",), 0.01)] if event else []
        trials.append(Trial("v", f"person {person}", 10.0, 1.0, tuple(true), tuple(found)))
    return trials


def test_reading_rest_and_threshold_belong_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    used: list[ScoreCalibration] = []

    def folds(*given: object) -> list[Trial]:
        networks = given[5]
        assert isinstance(networks, Networks)
        used.append(networks.calibration)
        return judged(networks)

    monkeypatch.setattr(calibrate_score, "run_folds", folds)
    monkeypatch.setattr(calibrate_score, "run_way", lambda _, __, ___, networks: judged(networks))
    monkeypatch.setattr(
        calibrate_score, "resting_log_odds", lambda _, __, networks, ___: resting(networks.calibration)
    )
    words = ["--data", ".", "--cache", str(tmp_path), "--folds", str(tmp_path), "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["calibrate_score.py", *words])
    assert calibrate_score.main() == 0
    written = load_calibration(tmp_path / SHIPPED.name, ENGINE)
    assert written.reading.temperature == pytest.approx(TRUE.temperature, rel=0.2)
    assert written.reading.none_bias == pytest.approx(TRUE.none_bias, abs=0.3)
    assert all(read.resting == resting(read) for read in used), "every reading rests faces its own way"
    assert written.resting == pytest.approx(resting(written), abs=0.01)
    assert written.threshold in [p.threshold for p in written.points]
    assert (
        f"at rest {written.resting:.2f}, shipped threshold {written.threshold:.4f}" in capsys.readouterr().out
    )


def test_what_ships_is_the_point_that_the_script_ships() -> None:
    shipped = load_calibration(SHIPPED, ENGINE)
    assert shipped.threshold == pytest.approx(shipped.threshold_at(calibrate_score.FAR))
