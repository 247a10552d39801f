"""``synth --into``: a recording with events in it, exact truth, and clean usage errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from stream_mer.app.injection import Injection, inject_into, whole_face
from stream_mer.capture.pyav import PyAvSource
from stream_mer.cli import main
from stream_mer.core.degradation import paper_frame
from stream_mer.synth.inject import Injector
from stream_mer.synth.spec import EventSpec


def test_events_go_into_the_face_and_the_truth_beside_it(
    videos: Path, assets_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = videos / "grid_bbaf2n.mpg"
    truths, films = [], []
    for run, seed in enumerate(("3", "3", "4")):
        out = tmp_path / str(run)
        flags = ["--rate", "60", "--seed", seed, "--assets", str(assets_dir)]
        assert main(["synth", "--into", str(video), "--out", str(out), *flags]) == 0
        assert "micro-expressions in 75 frames" in capsys.readouterr().out
        truths.append(json.loads((out / "grid_bbaf2n_injected.json").read_text()))
        films.append(list(PyAvSource(out / "grid_bbaf2n_injected.mp4")))
    assert truths[0] == truths[1]
    assert truths[0]["events"] != truths[2]["events"]
    times = np.array(truths[0]["pts_ns"])
    assert np.array_equal(times, [f.pts_ns for f in PyAvSource(video)])
    assert np.abs(np.array([f.pts_ns for f in films[0]]) - times).max() < 20_000
    change = np.array(
        [
            _strongest_block(a.rgb.astype(int) - b.rgb.astype(int))
            for a, b in zip(films[0], films[2], strict=True)
        ]
    )
    events = (
        truths[0]["events"] + truths[0]["partly_visible"] + truths[2]["events"] + truths[2]["partly_visible"]
    )
    first = min(e["onset_ns"] for e in events)
    assert (change[times < first] == 0).all()  # from there on the codec carries differences along
    assert truths[0]["events"]
    for event in truths[0]["events"]:
        apex = int(np.abs(times - event["apex_ns"]).argmin())
        assert change[apex] > 1.5, event
        assert event["onset_ns"] < event["apex_ns"] < event["offset_ns"]
        assert event["offset_ns"] - event["onset_ns"] >= 3 * 40_000_000 * 0.99  # three frames at 25 fps


def _strongest_block(difference: np.ndarray) -> float:
    """Largest mean change of an 8x8 block: a motion of the mouth is small in the whole picture."""
    rows, columns = (n // 8 for n in difference.shape[:2])
    blocks = np.abs(difference).mean(2)[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8)
    return float(blocks.mean((1, 3)).max())


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--into", "nowhere.mp4"], 3, "no such file"),
        (["--into", "nowhere.mp4", "--fps", "30"], 2, "takes no --fps"),
        (["--into", "nowhere.mp4", "--sheet"], 2, "takes no --sheet"),
        (["--into", "nowhere.mp4", "--rate", "0"], 2, "--rate 0"),
        (["--into", "nowhere.mp4", "--seed", "-1"], 2, "--seed -1"),
        (["--rate", "-5"], 2, "event_rate"),
        (["--into", "nowhere.mp4", "--drop", "0.1"], 2, "takes no --drop"),
        (["--into", "nowhere.mp4", "--one-sided", "2"], 2, "--one-sided 2"),
        (["--into", "nowhere.mp4", "--min-duration", "0.3"], 2, "--min-duration 0.3"),
        (["--one-sided", "-1"], 2, "one_sided"),
        (["--max-duration", "0.01"], 2, "event_durations_s"),
        (["--drop", "0.9"], 2, "drop_rate"),
        (["--fps", "7", "--seconds", "0.1"], 2, "not one frame"),
    ],
)
def test_usage_errors_are_short(
    flags: list[str],
    code: int,
    words: str,
    assets_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["synth", "--out", str(tmp_path / "out"), "--assets", str(assets_dir), *flags]) == code
    message = capsys.readouterr().err
    assert words in message
    assert len(message.strip().splitlines()) <= 3


def test_video_without_face_is_said_and_leaves_nothing(
    videos: Path, assets_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = str(videos / "no_face.mp4")
    assert main(["synth", "--into", video, "--out", str(tmp_path), "--assets", str(assets_dir)]) == 3
    assert "no face was seen long enough" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_chance_is_not_blamed_on_the_face(
    videos: Path, assets_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--out", str(tmp_path), "--assets", str(assets_dir), "--rate", "0.001"]
    assert main(["synth", "--into", str(videos / "grid_bbaf2n.mpg"), *flags]) == 3
    assert "by chance no event" in capsys.readouterr().err


def test_sheet_beside_the_clip(tmp_path: Path) -> None:
    few = ["--clips", "1", "--seconds", "0.5", "--fps", "25", "--sheet"]
    assert main(["synth", "--out", str(tmp_path), *few]) == 0
    assert {f.suffix for f in tmp_path.iterdir()} == {".mp4", ".json", ".png"}


def test_degraded_clips_are_the_papers_of_the_same_clips(tmp_path: Path) -> None:
    few = ["--clips", "4", "--seconds", "0.2", "--fps", "25", "--seed", "5"]
    assert main(["synth", "--out", str(tmp_path / "as-is"), *few]) == 0
    assert main(["synth", "--out", str(tmp_path / "low"), *few, "--degrade", "paper"]) == 0
    names = []
    for clip in sorted((tmp_path / "low").glob("*.mp4")):
        truth, whole = (
            json.loads((tmp_path / d / f"{clip.stem}.json").read_text()) for d in ("low", "as-is")
        )
        names.append(truth.pop("degradation"))
        assert truth.pop("scale") == 0.25
        assert truth == whole
        low, high = (list(PyAvSource(tmp_path / d / clip.name)) for d in ("low", "as-is"))
        assert len(low) == len(high) == len(truth["pts_ns"])
        for one, other in zip(low, high, strict=True):
            wanted = {m: paper_frame(other.rgb, median=m).astype(int) for m in (False, True)}
            apart = {m: np.abs(one.rgb - w).mean() for m, w in wanted.items()}
            assert min(apart, key=lambda m: apart[m]) == names[-1].endswith("median")
            assert min(apart.values()) < 4  # both went through a codec
    assert set(names) == {"area, gaussian", "area, gaussian, median"}


def test_longer_one_sided_events_and_lost_and_repeated_frames_can_be_asked_for(tmp_path: Path) -> None:
    flags = ["--clips", "1", "--seconds", "6", "--fps", "20", "--face-px", "48", "--rate", "60"]
    more = ["--min-duration", "0.2", "--max-duration", "0.5", "--one-sided", "1", "--drop", "0.1"]
    assert main(["synth", "--out", str(tmp_path), *flags, *more, "--repeat", "0.1"]) == 0
    (file,) = tmp_path.glob("*.json")
    truth = json.loads(file.read_text())
    lengths = [(e["offset_ns"] - e["onset_ns"]) / 1e9 for e in truth["events"]]
    assert lengths
    assert all(0.199 < length < 0.501 for length in lengths)
    assert truth["frames"] < 120
    assert truth["repeated"]
    sided = [unit for e in truth["events"] for unit in e["action_units"] if unit[0] in "LR"]
    assert sided


def test_events_of_too_few_frames_are_no_truth(tmp_path: Path) -> None:
    """The header promises 30 frames a second, ten come: what shows in two frames cannot be asked for."""
    injector = Injector([EventSpec(0.5, 0.15, "others", ("4",)), EventSpec(1.0, 0.4, "others", ("4",))], 0)
    injection = Injection(injector)
    injection.seen = [(k * 100_000_000, k * 100_000_000) for k in range(20)]
    assert [e.onset_ns for e in injection.truth()] == [1_000_000_000]


def test_two_recordings_share_no_events_and_each_has_its_own_again(videos: Path) -> None:
    def drawn(name: str) -> list[tuple[str, float]]:
        source, injection = inject_into(
            videos / name,
            lambda _: None,  # type: ignore[arg-type,return-value]
            lambda _: (),
            2,
            durations_s=(0.04, 0.2),
            peaks=(0.005, 0.03),
            rate=60,
        )
        source.close()
        return [(event.label, event.peak) for event in injection.injector.events]

    one, two = (drawn(f"grid_{name}.mpg") for name in ("bbaf2n", "brbk7n"))
    assert one
    assert not set(one) & set(two)
    assert one == drawn("grid_bbaf2n.mpg")


def test_clips_of_two_seeds_share_nothing(tmp_path: Path) -> None:
    """Who trains on seed 0 and tests on seed 1 must not meet a clip again."""
    few = ["--clips", "2", "--seconds", "2", "--fps", "25", "--face-px", "48", "--rate", "120"]
    truths = []
    for seed in ("0", "1"):
        out = tmp_path / seed
        assert main(["synth", "--out", str(out), "--seed", seed, *few]) == 0
        truths += [json.loads(f.read_text()) for f in sorted(out.glob("*.json"))]
    assert len({t["seed"] for t in truths}) == 4
    assert len({json.dumps(t["distractors"]) + json.dumps(t["events"]) for t in truths}) == 4


def test_an_interrupted_run_leaves_no_older_truth_beside_its_clip(
    videos: Path, assets_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The truth of an earlier run with another seed could not be told from that of the new pictures."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    few = ["--clips", "1", "--seconds", "0.2", "--fps", "25"]
    into = ["--into", str(videos / "grid_bbaf2n.mpg"), "--assets", str(assets_dir), "--rate", "60"]
    for module, flags in (("clips", few), ("into", into)):
        words = ["synth", "--out", str(tmp_path / module), *flags, "--seed"]
        assert main([*words, "3"]) == 0
        assert len(list((tmp_path / module).glob("*.json"))) == 1
        with monkeypatch.context() as patched:
            patched.setattr(f"stream_mer.app.{module}.write_text", interrupted)
            assert main([*words, "4"]) == 130
        assert [f.suffix for f in (tmp_path / module).iterdir()] == [".mp4"]


def test_a_second_name_of_the_recording_is_not_overwritten(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = tmp_path / "film.mp4"
    video.write_bytes((videos / "grid_bbaf2n.mpg").read_bytes())
    (tmp_path / "film_injected.mp4").hardlink_to(video)
    before = video.read_bytes()
    assert main(["synth", "--into", str(video), "--out", str(tmp_path)]) == 2
    assert "would overwrite" in capsys.readouterr().err
    assert video.read_bytes() == before


def test_what_no_frame_shows_is_not_partly_visible() -> None:
    """A recording that does not say how long it is may end before the last event drawn."""
    injector = Injector([EventSpec(at, 0.15, "others", ("4",)) for at in (0.1, 0.46, 0.9, 5.0)], 0)
    injection = Injection(injector)
    injection.seen = [(k * 40_000_000, k * 40_000_000 if k != 13 else None) for k in range(25)]
    assert [e.onset_ns for e in injection.truth()] == [100_000_000]
    assert [e.onset_ns for e in injection.shown()] == [100_000_000, 460_000_000, 900_000_000]
    assert [e.onset_ns for e in injection.unclear()] == [460_000_000, 900_000_000]


def test_truth_says_in_how_many_frames_an_event_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Events of 40 ms fall between the frames of 20 a second; whoever counts them as missed must be told."""
    flags = [
        "--clips",
        "1",
        "--seconds",
        "6",
        "--fps",
        "20",
        "--face-px",
        "48",
        "--rate",
        "100",
        "--drop",
        "0.2",
    ]
    assert main(["synth", "--out", str(tmp_path), *flags, "--repeat", "0.2", "--max-duration", "0.3"]) == 0
    (file,) = tmp_path.glob("*.json")
    truth = json.loads(file.read_text())
    times, events = truth["pts_ns"], truth["events"]
    new = [t for i, t in enumerate(times) if i not in truth["repeated"]]
    assert [e["frames"] for e in events] == [
        sum(e["onset_ns"] <= t < e["offset_ns"] for t in new) for e in events
    ]
    few = sum(e["frames"] < 3 for e in events)
    assert 0 < few < len(events)
    assert f"{few} of them show in fewer than three frames" in capsys.readouterr().out


def test_an_event_in_pictures_that_were_only_shown_again_is_not_true() -> None:
    injector = Injector([EventSpec(at, 0.13, "others", ("4",)) for at in (0.39, 0.99)], 0)
    injection = Injection(injector)
    again = {25: 24, 26: 24}
    injection.seen = [(k * 40_000_000, again.get(k, k) * 40_000_000) for k in range(40)]
    assert [e.onset_ns for e in injection.truth()] == [390_000_000]
    assert [e.onset_ns for e in injection.shown()] == [390_000_000, 990_000_000]  # its last frame is new
    injection.seen[27] = (27 * 40_000_000, 24 * 40_000_000)
    assert [e.onset_ns for e in injection.shown()] == [390_000_000]


@pytest.mark.parametrize(
    ("span_ms", "without", "wanted"),
    [
        ((100, 200), None, True),
        ((100, 200), 3, True),  # two frames before it
        ((100, 200), 4, False),  # the frame before it
        ((100, 200), 7, False),
        ((100, 200), 10, False),  # the frame after it
        ((100, 200), 11, True),
        ((0, 80), None, False),  # no frame before it
        ((380, 480), None, False),  # no frame after it
        ((370, 390), None, False),
        ((360, 380), None, True),
    ],
)
def test_a_whole_face_is_there_in_each_frame_and_in_one_either_side(
    span_ms: tuple[int, int], without: int | None, wanted: bool
) -> None:
    times = np.arange(0, 400, 20) * 1_000_000
    there = [i != without for i in range(len(times))]
    assert whole_face(times, there, (span_ms[0] * 1_000_000, span_ms[1] * 1_000_000)) is wanted
