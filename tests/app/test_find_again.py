"""After a run: events, evidence, replay, report and retention on real footage."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from stream_mer.app.find import moment, seconds
from stream_mer.app.how import How
from stream_mer.app.recorded import process_many
from stream_mer.capture.pyav import PyAvSource
from stream_mer.cli import main
from stream_mer.config import Settings
from stream_mer.errors import ConfigError
from stream_mer.runtime.assets import AssetStore
from stream_mer.sinks.event_log import read_events
from stream_mer.types import Event

pytestmark = [pytest.mark.data, pytest.mark.assets]
CLIP = "single_face.mp4"


@pytest.fixture(scope="module")
def run(videos: Path, assets_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("found")
    settings = Settings(threshold=0.05, vetoes="none", overlay=False, engine="bicubic", sr="never")
    assert process_many([str(videos / CLIP)], out, settings, How(evidence=True)) == 0
    return out


@pytest.fixture(scope="module")
def found(run: Path) -> list[Event]:
    events = read_events(run / "single_face" / "events.jsonl")
    assert events, "the threshold must find something"
    return events


def test_events_are_listed_filtered_and_given_as_json(
    run: Path, found: list[Event], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["events", str(run), "--form", "json", "--query", "duration_s > 0"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["id"] for row in rows} == {event.id for event in found}
    assert {row["camera"] for row in rows} == {"single_face"}
    assert main(["events", str(run), "--from", "10:00"]) == 0
    assert "0 events" in capsys.readouterr().out
    assert main(["events", str(run), "--query", "nonsense"]) == 2


def test_evidence_is_the_sources_own_pictures_around_the_event(
    run: Path, found: list[Event], videos: Path
) -> None:
    whole = PyAvSource(videos / CLIP)
    pictures = {frame.rgb.tobytes() for frame in whole}
    whole.close()
    for event in found:
        clip = PyAvSource(run / "single_face" / "evidence" / f"{event.id}.mkv")
        frames = list(clip)
        clip.close()
        assert frames
        assert all(frame.rgb.tobytes() in pictures for frame in frames)
        facts = json.loads((run / "single_face" / "evidence" / f"{event.id}.json").read_text())
        assert facts["source_sha256"] == whole.info.digest
        assert facts["onset_ns"] == event.onset_ns
        assert {"numpy", "mediapipe", "stream-mer"} <= facts["versions"].keys()
        assert str(videos) not in json.dumps(facts)


def test_replay_gives_the_same_event(
    run: Path, found: list[Event], capsys: pytest.CaptureFixture[str]
) -> None:
    best = max(found, key=lambda event: event.probability)
    assert main(["replay", best.id[:10], "--run", str(run)]) == 0
    assert "the same event" in capsys.readouterr().out
    assert main(["replay", "zzzz", "--run", str(run)]) == 2


def test_replay_refuses_another_video(
    run: Path, found: list[Event], videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = str(videos / "grid_bbaf2n.mpg")
    assert main(["replay", found[0].id, "--run", str(run), "--video", other]) == 3
    assert "sha256 differs" in capsys.readouterr().err


def test_replay_refuses_to_read_scores_otherwise(
    run: Path, found: list[Event], capsys: pytest.CaptureFixture[str]
) -> None:
    summary = run / "single_face" / "run.json"
    kept = summary.read_text()
    record = json.loads(kept)
    assert record["settings"]["calibration"]
    try:
        summary.write_text(
            json.dumps({**record, "settings": {**record["settings"], "calibration": "another"}})
        )
        assert main(["replay", found[0].id, "--run", str(run)]) == 4
        assert "reads scores otherwise" in capsys.readouterr().err
    finally:
        summary.write_text(kept)


def test_the_report_shows_faces_only_if_it_may(run: Path, videos: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    assert main(["report", str(run), "--out", str(page), "--most", "1"]) == 0
    text = page.read_text()
    assert text.count("data:image/jpeg") == 12
    assert str(videos) not in text
    assert main(["report", str(run), "--out", str(page), "--no-faces", "--show-paths"]) == 0
    text = page.read_text()
    assert "data:image" not in text
    assert str(videos) in text
    summary = run / "single_face" / "run.json"
    kept = summary.read_text()
    record = json.loads(kept)
    record["settings"]["redact"] = True
    summary.write_text(json.dumps(record))
    try:
        assert main(["report", str(run), "--out", str(page)]) == 0
        assert "data:image" not in page.read_text()
    finally:
        summary.write_text(kept)


def test_report_and_replay_take_the_model_files_from_the_folder_given(
    run: Path, found: list[Event], assets_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A machine without network and without a cache has them nowhere else."""
    monkeypatch.setattr(AssetStore, "_fetch", lambda _: pytest.fail("the network was asked"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    best = max(found, key=lambda event: event.probability)
    assert main(["replay", best.id, "--run", str(run), "--assets", str(assets_dir)]) == 0
    page = tmp_path / "report.html"
    assert main(["report", str(run), "--out", str(page), "--most", "1", "--assets", str(assets_dir)]) == 0
    assert page.read_text().count("data:image/jpeg") == 12
    assert main(["report", str(run), "--most", "-1"]) == 2


def test_retention_deletes_old_pictures_and_only_those(run: Path, found: list[Event]) -> None:
    folder = run / "single_face"
    assert main(["forget", str(run), "--older-than", "1"]) == 0
    assert (folder / "evidence").exists()
    day_before_yesterday = time.time() - 2 * 86400
    os.utime(folder / "events.jsonl", (day_before_yesterday, day_before_yesterday))
    assert main(["forget", str(run), "--older-than", "1"]) == 0
    assert not (folder / "evidence").exists()
    assert read_events(folder / "events.jsonl") == found


@pytest.mark.parametrize("text", ["", "abc", "1:x", "2026-99-99", "nan", "inf", "1:-5"])
def test_times_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        moment(text)
    assert seconds("0:01:30") == 90
