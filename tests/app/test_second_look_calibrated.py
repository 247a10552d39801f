"""The script that fits the second look finds the reading by which candidates are true as often as said."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import calibrate_second_look
import numpy as np
import pytest

from stream_mer.app.material import Material
from stream_mer.app.networks import Networks, pick_networks
from stream_mer.app.trial import Trial
from stream_mer.app.watched import Watched
from stream_mer.config import Settings
from stream_mer.core.decision import Candidate
from stream_mer.core.reading import Reading
from stream_mer.runtime.calibration import load_calibration
from stream_mer.runtime.shipped import calibration_root
from stream_mer.synth.spec import TrueEvent
from stream_mer.types import LABELS, Event

SECOND = 1_000_000_000
TRUE = Reading(0.5, 1.0)
"""By which the logits of these trials really are to be read."""
SHIPPED = calibration_root() / "score" / "cnn-mer.toml"
ENGINE = pick_networks(Settings(engine="bicubic")).classifier.sha256


def trials(networks: Networks, fps_person: str) -> list[Trial]:
    """100 candidates whose logits say how likely they are, read as asked; and one that had no second look."""
    rng = np.random.default_rng(len(fps_person) + int(fps_person.split()[1]))
    logits = np.full((100, 6), -40.0)
    logits[:, 0], logits[:, 5] = rng.normal(0.6, 1.0, 100), 0.0
    happened = rng.random(100) < 1 - TRUE.probabilities(logits)[:, 5]
    again = networks.calibration.second_look
    read = (again.reading if again else networks.calibration.reading).probabilities(logits)
    found, true = [], []
    for i, (row, event) in enumerate(zip(read, happened, strict=True)):
        times = i * SECOND, i * SECOND + SECOND // 20, i * SECOND + SECOND // 10
        p = float(1 - row[5])
        one = Event("", "v", 0, 1, *times, LABELS[0], p, tuple(map(float, row[:5])), 92.0, False)
        found.append(Candidate(one, None, times[2], first=0.5 if again else None))
        true += [TrueEvent(*times, LABELS[0], ("12",), 0.01)] if event else []
    lost = replace(found[0].event, onset_ns=900 * SECOND, apex_ns=901 * SECOND, offset_ns=902 * SECOND)
    found.append(Candidate(replace(lost, probability=0.999), None, 902 * SECOND))
    return [Trial("v", fps_person, 10.0, 1.0, tuple(true), tuple(found))]


def test_the_fitted_reading_holds_and_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def clips(self: Material, part: str, fps: float, seconds: float) -> Iterator[Watched]:
        assert part == "tune"
        people.append(f"person {fps:g}")
        return iter(())

    people: list[str] = []
    monkeypatch.setattr(Material, "clips", clips)
    monkeypatch.setattr(
        calibrate_second_look, "run_way", lambda _, __, ___, networks, ____: trials(networks, people[-1])
    )
    words = ["calibrate_second_look.py", "--data", ".", "--cache", str(tmp_path), "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", words)
    before = SHIPPED.read_bytes()
    assert calibrate_second_look.main() == 0
    assert SHIPPED.read_bytes() == before, "--out is written to"
    said = capsys.readouterr().out
    assert "400 of 404 candidates were seen twice" in said
    assert said.count("| first |") == said.count("| second |") == 5
    shipped = load_calibration(SHIPPED, ENGINE)
    written = load_calibration(tmp_path / SHIPPED.name, ENGINE)
    assert written.second_look is not None
    assert written.second_look.reading.temperature == pytest.approx(TRUE.temperature, rel=0.2)
    assert written.second_look.reading.none_bias == pytest.approx(TRUE.none_bias, abs=0.3)
    assert replace(written, second_look=None) == replace(shipped, second_look=None)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--clip-seconds", "0"), 2, "--clip-seconds 0 leaves nothing"),
        (("--clip-seconds", "nan"), 2, "--clip-seconds nan leaves nothing"),
        (("--out", __file__), 5, "cannot write to"),
    ],
)
def test_what_cannot_be_calibrated_is_refused_before_the_work(
    words: tuple[str, str],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = ["--data", str(tmp_path), "--cache", str(tmp_path), "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["calibrate_second_look.py", *place, *words])
    assert calibrate_second_look.main() == code
    assert message in capsys.readouterr().err
