"""Trials: what was watched comes back as it was; thresholds and vetoes afterwards equal thresholds before."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from one_face import OneDetector

from stream_mer.app.calibrating import (
    calibration_text,
    describe_reliability,
    fit_reading,
    operating_points,
    reliability,
    veto_table,
)
from stream_mer.app.disturb import disturbed
from stream_mer.app.material import read_split
from stream_mer.app.networks import pick_networks
from stream_mer.app.portraits import astronaut
from stream_mer.app.rendered import ClipSource, trial_spec
from stream_mer.app.spotting_report import (
    MISSED,
    clip_table,
    confusion_of,
    curve_row,
    difference,
    real_table,
)
from stream_mer.app.trial import Trial, count_trials, opened, run_flow, run_trial
from stream_mer.app.watched import Watched, load_watched, save_watched, watch
from stream_mer.config import Settings
from stream_mer.core.decision import Candidate
from stream_mer.core.operating import THRESHOLDS, recall
from stream_mer.core.reading import Reading
from stream_mer.core.signals import Signals
from stream_mer.errors import ConfigError, EngineError, OutputError
from stream_mer.runtime.calibration import (
    OperatingPoint,
    ScoreCalibration,
    SecondReading,
    load_calibration,
    with_second_look,
)
from stream_mer.synth.spec import ClipSpec, EventSpec, TrueEvent
from stream_mer.types import LABELS, Event

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MS = 1_000_000
ROOT = Path(__file__).resolve().parents[2]
QUIET = Signals(1, 1, 1, 1, 0, 0, 5, 0.1, 0.99, 0.99, 0, 0, 1, 0, 0, 0.0)
BLINK = replace(QUIET, eyes=300.0)


@pytest.fixture(scope="module")
def watched() -> Watched:
    spec = ClipSpec(
        duration_s=0.8, fps=30, width=160, height=160, face_px=70, head_speed=0.02, distractors=(),
        events=(EventSpec(0.3, 0.15, "surprise", ("1", "2")),),
    )  # fmt: skip
    clip = ClipSource(astronaut(), spec, 3)
    return watch(clip, clip.truth, Settings(), OneDetector(clip), name="clip", person="astronaut")


def test_watching_keeps_every_frame_with_both_crops_and_the_truth(watched: Watched) -> None:
    assert len(watched.frames) == 24
    assert watched.minutes == pytest.approx(0.8 / 60, rel=1e-6)
    assert watched.fps == pytest.approx(30)
    (event,) = watched.truth
    assert event.label == "surprise"
    crops = [c for f in watched.frames for c in f.crops]
    assert len(crops) > 15
    assert all(c.picture is not None and c.lr.shape == (32, 32, 3) for c in crops)
    assert all(f.frame.rgb.shape == (160, 160, 3) for f in watched.frames)


def test_what_is_kept_comes_back_equal(watched: Watched, tmp_path: Path) -> None:
    watched = replace(watched, unclear=(truth(500, 2),))
    save_watched(tmp_path / "sub" / "one.npz", watched)
    again = load_watched(tmp_path / "sub" / "one.npz")
    assert (again.name, again.person, again.info, again.truth, again.unclear) == (
        watched.name, watched.person, watched.info, watched.truth, watched.unclear,
    )  # fmt: skip
    for one, two in zip(watched.frames, again.frames, strict=True):
        assert (one.frame.index, one.frame.pts_ns, one.frame.epoch) == (
            two.frame.index, two.frame.pts_ns, two.frame.epoch,
        )  # fmt: skip
        for a, b in zip(one.crops, two.crops, strict=True):
            assert a.track == b.track
            assert np.array_equal(a.lr, b.lr)
            assert np.array_equal(a.picture, b.picture)
    for item in again.shown(sr=True):
        assert all(c.picture is None and c.sr for c in item.crops)
    assert [p.name for p in (tmp_path / "sub").iterdir()] == ["one.npz"]


def test_a_cache_that_cannot_be_written_is_an_error(watched: Watched, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot keep"):
        save_watched(tmp_path / "file" / "x.npz", watched)


def truth(onset_ms: int, label: int = 0) -> TrueEvent:
    return TrueEvent(onset_ms * MS, (onset_ms + 80) * MS, (onset_ms + 160) * MS, LABELS[label], ("12",), 0.01)


def candidate(onset_ms: int, p: float, label: int = 0, signals: Signals = QUIET) -> Candidate:
    five = tuple(p if i == label else 0.0 for i in range(5))
    times = (onset_ms * MS, (onset_ms + 80) * MS, (onset_ms + 160) * MS)
    return Candidate(Event("", "v", 0, 1, *times, LABELS[label], p, five, 92.0, False), signals, 0)


def trial(found: list[Candidate], true: list[TrueEvent], person: str = "a", minutes: float = 0.5) -> Trial:
    return Trial("v", person, minutes, 1.0, tuple(true), tuple(found), ("blink",))


ONE = trial(
    [candidate(1000, 0.9), candidate(3000, 0.8, 1), candidate(5000, 0.7), candidate(7000, 0.95, 0, BLINK)],
    [truth(1010), truth(3020), truth(9000)],
)


def test_who_reports_what_shows_unclearly_is_neither_right_nor_wrong() -> None:
    assert replace(ONE, unclear=(truth(5050), truth(11_000))).count(0.5) == (2, 0, 1, 1)
    hit_too = replace(ONE, unclear=(truth(1050), truth(5170)))  # touches what was found, and a hit stays one
    assert hit_too.count(0.5) == (2, 1, 1, 1)


def test_an_unclear_event_beside_a_true_one_does_not_excuse_wrong_limits() -> None:
    late = trial([candidate(1100, 0.9)], [truth(1000)])
    assert late.count(0.5) == replace(late, unclear=(truth(1150),)).count(0.5) == (0, 1, 1, 0)


@pytest.mark.parametrize("run", [run_trial, run_flow])
def test_trials_know_what_shows_unclearly(
    watched: Watched, run: Callable[..., Trial | list[Trial]], assets_dir: Path
) -> None:
    unclear = (truth(500, 2),)
    one, settings = replace(watched, unclear=unclear), Settings(sr="never", engine="bicubic", threads=1)
    if run is run_flow:
        (found,) = run_flow([one], settings)
    else:
        networks = pick_networks(settings)
        with opened(networks) as engines:
            found = run_trial(one, settings, networks, engines)
    assert found.unclear == unclear


def test_counts_follow_threshold_class_and_veto() -> None:
    assert ONE.count(0.5) == (2, 1, 1, 1)
    assert ONE.count(0.85) == (1, 0, 2, 1)
    assert replace(ONE, vetoes=()).count(0.85) == (1, 1, 2, 1)
    _, rejected = ONE.decide(0.5)
    assert [r.reason for r in rejected] == ["blink"]
    table = count_trials([ONE, ONE], THRESHOLDS)
    assert recall(table)[table.at(0.5)] == pytest.approx(2 / 3)


def test_the_confusion_matrix_has_a_column_for_the_missed() -> None:
    table = confusion_of([ONE], 0.5)
    assert table.shape == (5, 6)
    assert table[0].tolist() == [1, 1, 0, 0, 0, 1]
    assert table[:, MISSED].sum() == 1


def test_temperature_cools_the_timid_and_heats_the_boastful() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0.3, 0.99, 4000)
    honest = rng.random(4000) < p
    rows = np.stack([p, *([np.full(4000, 1e-9)] * 4), 1 - p], 1)
    assert fit_reading(rows, honest).temperature == pytest.approx(1.0, abs=0.1)
    assert fit_reading(rows, honest).none_bias == pytest.approx(0.0, abs=0.1)
    sharp = rows**2 / (rows**2).sum(1, keepdims=True)
    assert fit_reading(sharp, honest).temperature == pytest.approx(2.0, abs=0.2)
    assert fit_reading(rows[:3], np.array([True, True, True])) == Reading()


def test_a_bias_brings_down_what_says_event_too_easily() -> None:
    """What a temperature alone cannot mend: every second of what says 0.8 is none."""
    rng = np.random.default_rng(0)
    p = rng.uniform(0.05, 0.95, 8000)
    true = rng.random(8000) < p
    odds = p / (1 - p) * 4
    boast = odds / (1 + odds)
    rows = np.stack([0.7 * boast, 0.3 * boast, *([np.full(8000, 1e-9)] * 3), 1 - boast], 1)
    reading = fit_reading(rows, true)
    read = 1 - reading.probabilities(np.log(rows))[:, -1]
    assert reading.none_bias == pytest.approx(np.log(4), abs=0.15)
    assert np.abs(read - p).mean() < 0.02
    assert np.abs(boast - p).mean() > 0.2


def test_readings_one_after_the_other_are_one_reading() -> None:
    logits = np.random.default_rng(3).normal(0, 3, (50, 6))
    first, second = Reading(0.7, 1.2), Reading(1.4, -0.5)
    twice = second.probabilities(np.log(first.probabilities(logits)))
    assert np.allclose(first.then(second).probabilities(logits), twice)
    assert np.array_equal(Reading().then(first).probabilities(logits), first.probabilities(logits))


def test_reliability_of_somebody_left_out_is_what_the_others_candidates_give() -> None:
    """One person's candidates are true as often as they say, another's seldom: both are misread."""
    found = [candidate(1000 * i, 0.48 + i / 1000) for i in range(1, 41)]
    honest = trial(found, [truth(1000 * i) for i in range(1, 41, 2)])
    seldom = trial(found, [truth(1000 * i) for i in range(1, 41, 10)], person="b")
    judged = reliability([honest, seldom])
    assert judged.candidates == 80
    assert judged.shipped.value == pytest.approx(0.2, abs=0.02)
    assert judged.left_out.value == pytest.approx(0.4, abs=0.03)


def test_false_alarms_in_clips_count_but_recall_is_that_of_the_videos() -> None:
    videos = [trial([candidate(1000, 0.9), candidate(3000, 0.6)], [truth(1000), truth(3000)])]
    noisy = [trial([candidate(2000 + 500 * i, 0.8) for i in range(30)], [truth(60_000)])]
    (alone,) = operating_points(videos, rates=(1.0,))
    (both,) = operating_points(videos, noisy, rates=(1.0,))
    assert alone.threshold < 0.6 < 0.8 < both.threshold < 0.9
    assert (alone.recall, both.recall) == (1.0, 0.5)


def test_a_rate_that_no_threshold_keeps_is_not_promised() -> None:
    """A false alarm of probability 1 stays whatever the threshold: 2 a minute here, not 0.5."""
    sure = trial([candidate(1000, 1.0), candidate(5000, 0.6)], [])
    (point,) = operating_points([sure], rates=(0.5, 2.0))
    assert point.far_per_minute == 2.0
    with pytest.raises(ConfigError, match=r"no threshold keeps the false alarms to 0\.5 a minute"):
        operating_points([sure], rates=(0.5,))


def test_operating_points_fall_in_threshold_and_can_be_read_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    trials = [
        trial(
            [candidate(1000 + 500 * i, float(rng.uniform(0.3, 0.99))) for i in range(20)],
            [truth(1000 + 1000 * i) for i in range(10)],
            person=str(k),
        )
        for k in range(4)
    ]
    points = operating_points(trials)
    assert len(points) >= 2
    assert all(a.threshold > b.threshold for a, b in pairwise(points))
    assert all(a.recall <= b.recall for a, b in pairwise(points))
    file = tmp_path / "c.toml"
    file.write_text(
        calibration_text("abc", ScoreCalibration(Reading(1.25, 0.5), points[0].threshold, points, 0.6))
    )
    read = load_calibration(file, "abc")
    assert read.reading == Reading(1.25, 0.5)
    assert read.usual_share == 0.6
    assert read.points == points
    middle = (points[0].far_per_minute + points[1].far_per_minute) / 2
    assert points[1].threshold < read.threshold_at(middle) < points[0].threshold
    assert read.threshold_at(points[1].far_per_minute) == pytest.approx(points[1].threshold)
    for outside in (0.01, 1000.0):
        with pytest.raises(ConfigError, match="outside what was measured"):
            read.threshold_at(outside)


def test_a_calibration_from_before_takes_nothing_off_and_an_impossible_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    text = calibration_text("abc", ScoreCalibration(Reading(1.25, 0.5), 0.9, (), 0.6, resting=-4.5))
    before = [line for line in text.splitlines() if not line.startswith(("usual_share", "none_bias"))]
    file.write_text("\n".join(before))
    assert load_calibration(file, "abc").usual_share == 0.0
    assert load_calibration(file, "abc").reading == Reading(1.25, 0.0)
    assert load_calibration(file, "abc").resting == -4.5
    file.write_text(text.replace("resting = -4.50", ""))
    assert load_calibration(file, "abc").resting == -6.0, "that of every calibration before it was measured"
    shares = [("usual_share = 0.6", f"usual_share = {wrong}") for wrong in ("-0.1", "1.5", "nan")]
    for sound, wrong in (
        *shares,
        ("none_bias = 0.5000", "none_bias = nan"),
        ("1.2500", "0"),
        ("-4.50", "-inf"),
    ):
        file.write_text(text.replace(sound, wrong))
        with pytest.raises(EngineError, match="makes no sense"):
            load_calibration(file, "abc")


def test_a_second_look_is_kept_in_the_file_of_the_first_and_read_back(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    points = (OperatingPoint(0.9, 1.0, 0.5),)
    text = calibration_text("abc", ScoreCalibration(Reading(1.25, 0.5), 0.9, points, 0.6))
    file.write_text(text)
    assert load_calibration(file, "abc").second_look is None
    for again in (SecondReading(Reading(0.5, 1.5), 45.0), SecondReading(Reading(2.0, -1.0), 30.0)):
        text = with_second_look(text, again)  # in place of the one before
        file.write_text(text)
        read = load_calibration(file, "abc")
        assert read.second_look == again
        assert (read.reading, read.points, read.threshold) == (Reading(1.25, 0.5), points, 0.9)
    head, rest = text.split("[[operating_point]]")
    older = (
        "# see [second_look] below\n" + head + "[ second_look ]  # old\nmin_fps = 60\n\n[[operating_point]]"
    )
    file.write_text(with_second_look(older + rest.split("[second_look]")[0], again))
    assert load_calibration(file, "abc").points == points, "what stands behind the old one stays"
    assert load_calibration(file, "abc").second_look == again
    wrongs = {"min_fps = 30": "min_fps = 0", "temperature = 2.0000": "temperature = 0", "-1.0000": "inf"}
    for sound, wrong in wrongs.items():
        file.write_text(text.replace(sound, wrong))
        with pytest.raises(EngineError, match=r"second look .* makes no sense"):
            load_calibration(file, "abc")
    file.write_text(text.replace("min_fps = 30", ""))
    with pytest.raises(EngineError, match="cannot be read: 'min_fps'"):
        load_calibration(file, "abc")


def spread(person: str, share: int, p: float) -> Trial:
    """Ten candidates of stated probability ``p``, ``share`` of ten of them true."""
    found = [candidate(1000 + 500 * i, p + i / 1000) for i in range(10)]
    return trial(found, [truth(1000 + 500 * i) for i in range(share)], person)


def test_the_calibration_error_has_an_interval_over_people_and_is_kept(tmp_path: Path) -> None:
    alike = [spread(str(k), 5, 0.8) for k in range(6)]
    judged = reliability(alike)
    error = judged.shipped
    assert judged.candidates == 60
    assert 0.29 < error.value < 0.55, "each says .80 to .81 and is right in half of the cases"
    one = reliability(alike[:1]).shipped
    assert one.low == one.value == one.high, "one person drawn again and again is the same person"
    differing = [spread(str(k), 8 if k % 2 else 2, 0.8) for k in range(6)]
    wide = reliability(differing).shipped
    assert wide.high - wide.low > 0.2
    nothing = reliability([trial([], [truth(1000)])])
    assert nothing.candidates == 0
    blinking = trial([candidate(1000, 0.9, signals=BLINK)], [])
    assert reliability([*alike, blinking]) == judged, "what a veto stopped says nothing"
    table = describe_reliability({"native crop": alike, "none": []})
    assert f"| native crop | 60 | {error} | {judged.left_out} |" in table
    assert "10 bins" in table
    file = tmp_path / "c.toml"
    points = (OperatingPoint(0.9, 1.0, 0.5),)
    file.write_text(calibration_text("abc", ScoreCalibration(Reading(), 0.9, points, 0.6), judged))
    assert load_calibration(file, "abc").points == points
    kept = tomllib.loads(file.read_text())["expected_calibration_error"]
    assert kept["value"] == pytest.approx(error.value, abs=1e-4)
    assert kept["interval"] == pytest.approx([error.low, error.high], abs=1e-4)
    assert kept["left_out"] == pytest.approx(judged.left_out.value, abs=1e-4)
    assert (kept["bins"], kept["candidates"]) == (10, 60)
    assert "expected" not in calibration_text("abc", ScoreCalibration(Reading(), 0.9, points, 0.6), nothing)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--far", "3"), "--far 3 is not measured\ngive one of 0.5, 1, 1.5"),
        (("--far", "nan"), "--far nan is not measured"),
        (("--seeds", "0"), "--seeds 0 leaves nothing"),
        (("--out", __file__), "cannot write to"),
    ],
)
def test_what_cannot_be_calibrated_is_refused_before_the_work(
    arguments: tuple[str, str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The nearest rate's threshold was shipped and said to be that of the rate asked for."""
    import calibrate_score

    place = str(tmp_path)
    words = ["calibrate_score.py", "--data", place, "--cache", place, "--folds", place, *arguments]
    monkeypatch.setattr(sys, "argv", words)
    assert calibrate_score.main() == (5 if "--out" in arguments else 2)
    assert message in capsys.readouterr().err


def test_a_row_of_a_curve_gives_the_best_recall_at_each_rate() -> None:
    """One minute; of four events two are found above every false one, a third below three of them."""
    found = [candidate(1000 * i, p) for i, p in ((1, 0.99), (2, 0.95), (3, 0.5))]
    false = [candidate(10_000 + 1000 * i, p) for i, p in ((1, 0.9), (2, 0.8), (3, 0.7))]
    row = curve_row([trial(found + false, [truth(1000 * i) for i in (1, 2, 3, 4)], minutes=1.0)], 0.6)
    assert row.startswith("0.50 / 0.50 / 0.50 / 0.75 / 0.75 | 0.44 [")
    assert "| 0.50 [0.50, 0.50] | 3.00 [" in row


def test_a_veto_pays_only_where_it_removes_more_than_it_costs() -> None:
    cost = trial([candidate(1000, 0.9, signals=BLINK)], [truth(1000)])
    lines = {row.split("|")[1].strip(): row for row in veto_table([ONE], [], 0.5).splitlines()}
    assert lines["blink"].rstrip().endswith("yes |")
    assert lines["light"].rstrip().endswith("no |")
    lines = {row.split("|")[1].strip(): row for row in veto_table([cost], [], 0.5).splitlines()}
    assert lines["blink"].rstrip().endswith("no |")


def test_tables_name_every_row_and_the_paired_difference_is_exact() -> None:
    worse = replace(ONE, candidates=ONE.candidates[1:])
    text = real_table({"native": ([ONE], [ONE]), "SR": ([worse], [worse])}, 0.5)
    assert "0.67" in text
    assert "0.33" in text
    assert "| all |" in clip_table({"all": [ONE]}, 0.5)
    d, low, high = difference([ONE], [worse], recall, 0.5)
    assert d == pytest.approx(1 / 3)
    assert low == pytest.approx(high)
    with pytest.raises(ValueError, match="same videos"):
        difference([ONE], [replace(ONE, person="b")], recall, 0.5)


def test_nobody_is_in_both_halves_and_the_split_is_whole() -> None:
    file = ROOT / "calibration" / "score" / "videos.toml"
    tune, final = read_split(file, "tune"), read_split(file, "final")
    assert not set(tune) & set(final)
    names = [n for half in (tune, final) for videos in half.values() for n in videos]
    assert len(names) == len(set(names))
    with pytest.raises(ConfigError, match="which videos"):
        read_split(file, "nothing")


@pytest.mark.parametrize("kind", ["light", "cut", "gap", "edge", ""])
def test_disturbances_change_pictures_not_times_and_are_repeatable(kind: str) -> None:
    def frames(kind: str) -> list:
        spec = ClipSpec(duration_s=3, fps=10, width=96, height=96, face_px=40, events=(), distractors=())
        return list(disturbed(ClipSource(astronaut(), spec, 1), kind, 5))

    plain, spoilt, again = frames(""), frames(kind), frames(kind)
    assert [f.pts_ns for f in plain] == [f.pts_ns for f in spoilt]
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(spoilt, again, strict=True))
    changed = sum(not np.array_equal(a.rgb, b.rgb) for a, b in zip(plain, spoilt, strict=True))
    assert (changed > 0) == (kind != "")


def test_trial_clips_follow_their_seed_and_hold_only_what_the_frame_rate_shows() -> None:
    assert trial_spec(5, 30, 12.0) == trial_spec(5, 30, 12.0)
    assert trial_spec(5, 30, 12.0).face_px != trial_spec(6, 30, 12.0).face_px
    assert trial_spec(5, 30, 12.0).event_durations_s[0] == pytest.approx(0.1)
    assert trial_spec(5, 200, 12.0).event_durations_s[0] == pytest.approx(0.04)
