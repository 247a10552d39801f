"""Long recordings through the product's pipeline, and MEGC's submission format."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace

import openpyxl
import pytest
import spot_long_videos

from stream_mer.app import long_videos
from stream_mer.app.compose import DetectorFactory
from stream_mer.app.long_videos import (
    LongVideo,
    Spotted,
    frames_of,
    score,
    score_table,
    submission,
    videos_in,
    videos_of,
)
from stream_mer.app.networks import pick_networks
from stream_mer.capture.pictures import write_picture
from stream_mer.config import Settings
from stream_mer.datasets.findings import Dataset
from stream_mer.datasets.records import ClipRecord
from stream_mer.errors import SourceError
from stream_mer.pipeline.plan import Plan
from stream_mer.runtime.assets import AssetStore
from stream_mer.synth.clip import iterate_clip
from stream_mer.synth.demo import demo_portrait
from stream_mer.synth.spec import ClipSpec, EventSpec
from stream_mer.types import LABELS, Event


def event(onset_s: float, offset_s: float, label: str = "disgust") -> Event:
    onset, offset = round(onset_s * 1e9), round(offset_s * 1e9)
    chances = tuple(float(name == label) for name in LABELS)
    return Event("x", "v", 0, 1, onset, (onset + offset) // 2, offset, label, 0.9, chances, 90.0, False)


def record(onset: int, offset: int, label: str = "negative", kind: str = "micro") -> ClipRecord:
    return ClipRecord("casme-sq", "s15", "v", Path("v"), 30.0, onset, None, offset, label, kind=kind)


@pytest.mark.parametrize(
    ("fps", "onset", "offset", "expected"),
    [
        (100.0, 0.05, 0.13, (6, 13)),
        (30.0, 1 / 30, 4 / 30, (2, 4)),
        (200.0, 0.0, 0.005, (1, 1)),
        (30.0, 10 / 30, 20 / 30, (11, 20)),
    ],
)
def test_times_become_the_frames_own_numbers(fps, onset, offset, expected) -> None:
    assert frames_of(event(onset, offset), 1, fps) == expected
    later = frames_of(event(onset, offset), 5001, fps)
    assert later == (expected[0] + 5000, expected[1] + 5000)


def test_every_frame_survives_the_way_to_time_and_back() -> None:
    for fps in (25.0, 30.0, 60.0, 90.0, 100.0, 200.0):
        for number in range(1, 2000, 7):
            span = ClipRecord(
                "x", "s", "c", Path("c"), fps, number, None, number + 8, "others", first_frame=1
            )
            onset, _, end = span.span_ns()
            assert frames_of(event(onset / 1e9, end / 1e9), 1, fps) == (number, number + 8)


def test_submission_by_the_book() -> None:
    video = LongVideo("006_1", Path("006_1"), 200.0)
    found = [Spotted(video, ((563, 630, event(1, 2)), (900, 950, event(3, 4))))]
    assert submission(found) == "vid,pred_onset,pred_offset,type\n006_1,563,630,me\n006_1,900,950,me\n"
    assert submission([]) == "vid,pred_onset,pred_offset,type\n"


def test_score_by_hand() -> None:
    true = (record(10, 19), record(100, 109, "positive"), record(200, 260, kind="macro"))
    found = (
        (10, 19, event(0, 1, "repression")),  # exact, and negative: right
        (106, 115, event(0, 1, "happiness")),  # 4 of 16 frames in common: missed
        (300, 310, event(0, 1)),
    )
    result = score([Spotted(LongVideo("v", Path("v"), 30.0, true), found)])
    micro, macro, overall = (result.counts[kind] for kind in ("micro", "macro", "overall"))
    assert (micro.tp, micro.fp, micro.fn) == (1, 2, 1)
    assert (macro.tp, macro.fp, macro.fn) == (0, 0, 1)
    assert (overall.tp, overall.fp, overall.fn) == (1, 2, 2)
    assert result.analysis == 1.0
    assert result.strs == pytest.approx(micro.f1) == pytest.approx(0.4)


def test_half_of_a_half_open_interval_counts_both_ends() -> None:
    # 10 frames annotated; 5 of them found: exactly half.
    result = score([Spotted(LongVideo("v", Path("v"), 30.0, (record(10, 19),)), ((10, 14, event(0, 1)),))])
    assert result.counts["micro"].tp == 1
    assert result.strs == 1.0


def test_videos_are_named_once(tmp_path: Path) -> None:
    records = (record(1, 5), record(10, 15))
    dataset = Dataset("casme-sq", Path(), None, records, (), (), 2)
    (video,) = videos_of(dataset)
    assert (video.name, len(video.true), video.fps) == ("v", 2, 30.0)
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "img_1.jpg").touch()
    (tmp_path / "notes").mkdir()
    assert [v.name for v in videos_in(tmp_path, 200.0)] == ["a", "b"]
    with pytest.raises(SourceError, match="holds no folder of frames"):
        videos_in(tmp_path / "a", 200.0)


def test_videos_that_show_nothing_count_what_is_found_in_them(tmp_path: Path) -> None:
    for name in ("15_0401", "15_0102", "16_0503"):
        (tmp_path / "rawpic" / name).mkdir(parents=True)
        (tmp_path / "rawpic" / name / "img_1.jpg").touch()
    (tmp_path / "rawpic" / "thumbnails").mkdir()
    path = tmp_path / "rawpic" / "16_0503"
    true = (ClipRecord("casme-sq", "s16", "v", path, 30.0, 10, None, 19, "negative"),)
    videos = videos_of(Dataset("casme-sq", tmp_path, None, true, (), (), 1))
    assert [video.name for video in videos] == ["16_0503", "15_0102", "15_0401"]
    result = score([Spotted(video, ((10, 19, event(0, 1)),)) for video in videos])
    micro = result.counts["micro"]
    assert (micro.tp, micro.fp, micro.fn, result.empty) == (1, 2, 0, 2)


def test_the_table_says_what_it_cannot_judge() -> None:
    hit = ((10, 19, event(0, 1)),)

    def tail(label: str, left_out: int = 0) -> str:
        video = LongVideo("v", Path("v"), 200.0, (record(10, 19, label),))
        return score_table(score([Spotted(video, hit)]), left_out).split("|\n\n")[1]

    assert tail("anger").endswith("analysis F1 1.0000, STRS (micro) 1.0000\n")
    assert "no emotions annotated, so no STRS\n" in tail("unlabelled"), "SAMM's own workbook is missing"
    assert "\n\n3 annotations could not be read and do not count" in tail("anger", 3)


def test_interval_of_the_score_draws_people_not_videos() -> None:
    # All hits are one person's, all misses another's: a draw holds all of both, or one alone.
    hit = Spotted(LongVideo("15_0401", Path("v"), 30.0, (record(10, 19),)), ((10, 19, event(0, 1)),))
    missed = Spotted(LongVideo("16_0401", Path("v"), 30.0, (record(10, 19),)), ())
    estimate = score([hit] * 10 + [missed] * 10).f1["micro"]
    assert (estimate.value, estimate.low, estimate.high) == (pytest.approx(2 / 3), 0.0, 1.0)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A miniature CAS(ME)² whose one long video is rendered, with one clear micro-expression."""
    root = tmp_path_factory.mktemp("casme_sq")
    portrait, mesh = demo_portrait()
    spec = ClipSpec(
        2.4, 60.0, 320, 256, 130.0, (EventSpec(1.2, 0.2, "surprise", ("1", "2"), 0.03),), distractors=(),
        head_speed=0.03, read_noise=0.5,
    )  # fmt: skip
    plan, frames = iterate_clip(portrait, mesh, spec, 3)
    # Half speed: the dataset's 30 fps make the 0.2 s at 60 fps an event of 0.4 s.
    folder = root / "rawpic" / "s15" / "15_0401girlcrashing"
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames, 1):
        write_picture(folder / f"img_{number}.jpg", frame.rgb)
    onset, offset = (round(ns * 60 / 1e9) for ns in (plan.events[0].onset_ns, plan.events[0].offset_ns))
    book = openpyxl.Workbook()
    book.active.title = "CASFEcode_final"
    row = (1, "anger1_1", onset + 1, 0, offset, "1+2", "surprise", "micro-expression", "surprise")
    book.active.append(row)
    book.create_sheet("naming rule1").append(("s15", 1))
    book.create_sheet("naming rule2").append((401, "anger1"))
    book.save(root / "code_final.xlsx")
    return root


def test_from_dataset_to_submission(recording: Path, assets_dir: Path, tmp_path: Path, capsys) -> None:
    words = ["--dataset", "casme-sq", "--root", recording, "--out", tmp_path, "--threshold", "0.3"]
    assert spot_long_videos.main(list(map(str, words))) == 0
    rows = list(csv.DictReader((tmp_path / "cas_pred.csv").read_text().splitlines()))
    assert rows
    for row in rows:
        assert row["vid"] == "15_0401girlcrashing"
        assert 1 <= int(row["pred_onset"]) <= int(row["pred_offset"]) <= 144
        assert row["type"] == "me"
    assert "| micro | 1 |" in (tmp_path / "score.md").read_text(), "so clear an event is found"
    assert "1 videos" in capsys.readouterr().out


def test_a_damaged_first_picture_shifts_nothing(
    recording: Path, assets_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The pipeline is stood in for by an event 0.1 s after the first picture that can be read.
    folder = tmp_path / "v"
    folder.mkdir()
    picture = sorted((recording / "rawpic" / "s15" / "15_0401girlcrashing").iterdir())[0].read_bytes()
    for number in range(1, 13):
        (folder / f"img_{number}.jpg").write_bytes(picture if number > 2 else b"no picture")

    def one_event(plan: Plan) -> None:
        first = next(iter(plan.source()))
        assert first.pts_ns == 0
        frame_result = SimpleNamespace(events=(event(0.1, 0.2),))
        plan.sinks[0].build(None).write(frame_result)

    monkeypatch.setattr(long_videos, "run_inline", one_event)
    settings = Settings(assets=assets_dir)
    networks, detectors = pick_networks(settings), DetectorFactory(settings, AssetStore(assets_dir))
    found = long_videos.spot(LongVideo("v", folder, 30.0), settings, networks, detectors)
    assert [span[:2] for span in found.events] == [(6, 8)]


def test_arguments_that_do_not_fit(tmp_path: Path, capsys) -> None:
    assert spot_long_videos.main(["--out", str(tmp_path)]) == 2
    assert "give --dataset NAME --root PATH" in capsys.readouterr().err
    assert (
        spot_long_videos.main(["--folders", str(tmp_path / "no"), "--fps", "30", "--out", str(tmp_path)]) == 3
    )
