"""What a live run keeps: segments, thumbnails, reviews."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from sink_samples import crop, event, result, summary, track

from stream_mer.sinks.reviews import ReviewLog
from stream_mer.sinks.segments import SegmentSink
from stream_mer.sinks.thumbnails import ThumbnailSink
from stream_mer.types import FaceCrop

START = datetime(2026, 11, 22, 12, 0, 0, tzinfo=timezone.utc)


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


class Now:
    """A clock that goes on with the frames."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at


def test_a_row_of_files_holds_every_frame_once(tmp_path: Path) -> None:
    now = Now()
    sink = SegmentSink(tmp_path / "seg", segment_s=1.0, fps_hint=25.0, now=now)
    for index in range(80):
        now.at = START + timedelta(milliseconds=40 * index)
        sink.write(result(index, size=(64, 48) if index < 60 else (96, 64)))
    sink.close(summary())
    files = sorted((tmp_path / "seg").iterdir())
    assert [f.name for f in files] == [f"overlay-20261122T12000{s}Z.mp4" for s in range(4)]
    assert [frames_of(f) for f in files] == [25, 25, 10, 20], "a new size begins a new file"


def test_a_killed_recording_is_playable(tmp_path: Path) -> None:
    sink = SegmentSink(tmp_path, fps_hint=25.0, now=Now())
    for index in range(60):
        sink.write(result(index, size=(64, 48)))
    (file,) = tmp_path.iterdir()  # not closed: as after SIGKILL
    assert frames_of(file) >= 25
    sink.close(None)


def test_recording_by_hand(tmp_path: Path) -> None:
    on, now = [False], Now()
    sink = SegmentSink(tmp_path / "seg", recording=lambda: on[0], now=now, fps_hint=25.0)
    for index in range(40):
        now.at = START + timedelta(seconds=index)
        on[0] = 10 <= index < 20 or index >= 30
        sink.write(result(index, size=(64, 48)))
        assert (tmp_path / "seg").exists() == (index >= 10), "nothing is stored unless asked"
    sink.close(summary())
    assert [frames_of(f) for f in sorted((tmp_path / "seg").iterdir())] == [10, 10]


def face(index: int, value: int) -> FaceCrop:
    made = crop(track(), index, index * 40_000_000)
    picture = np.random.default_rng(1).integers(0, 30, (128, 128, 3), dtype=np.uint8) + np.uint8(value)
    return FaceCrop(made.track, index, index * 40_000_000, 0, made.lr, picture, made.sr)


@pytest.mark.parametrize("redact", [False, True])
def test_three_moments_of_an_event(tmp_path: Path, redact: bool) -> None:
    shown: dict[str, tuple[bytes, ...]] = {}
    sink = ThumbnailSink(tmp_path / "thumbs", redact=redact, show=shown.__setitem__)
    found = event(400)
    for index in range(60):
        crops = (face(index, index * 3),)
        sink.write(result(index, crops=crops, events=(found,) if index == 50 else ()))
    sink.close(summary())
    (pictures,) = shown.values()
    for moment, at_ns, jpeg in zip(
        ("onset", "apex", "offset"), (found.onset_ns, found.apex_ns, found.offset_ns), pictures, strict=True
    ):
        path = tmp_path / "thumbs" / f"{found.id}-{moment}.jpg"
        assert path.read_bytes() == jpeg
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (64, 64, 3)
        assert abs(picture.mean() - (3 * round(at_ns / 40e6) + 14.5)) < 4, "the right moment"
        assert (picture.std() < 4) == redact


def test_thumbnails_need_no_disk_and_stay_bounded() -> None:
    shown: list[str] = []
    sink = ThumbnailSink(None, show=lambda name, _: shown.append(name))
    for index in range(1000):
        sink.write(result(index, crops=(face(index, 10),), events=(event(40 * index),)))
    assert len(shown) == 1000
    assert sum(map(len, sink._kept.values())) <= 6 * 25 + 1
    sink.close(None)


def test_reviews_are_appended_for_known_events_only(tmp_path: Path) -> None:
    log = ReviewLog(tmp_path / "run" / "reviews.jsonl", now=Now())
    found = event(400)
    log.write(result(0, events=(found,)))
    assert not (tmp_path / "run").exists()
    assert not log.review("unknown", "accept")
    assert log.review(found.id, "accept")
    log.close(summary())
    assert log.review(found.id, "reject"), "reviewers come when the run is over, too"
    lines = [json.loads(line) for line in (tmp_path / "run" / "reviews.jsonl").read_text().splitlines()]
    assert [line["verdict"] for line in lines] == ["accept", "reject"]
    assert {line["id"] for line in lines} == {found.id}


def test_a_review_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    log = ReviewLog(tmp_path / "file" / "reviews.jsonl")
    log.write(result(0, events=(event(400),)))
    assert not log.review(event(400).id, "accept")


def test_a_full_disk_leaves_no_half_review(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="no file size limits here")
    log, path = ReviewLog(tmp_path / "reviews.jsonl", now=Now()), tmp_path / "reviews.jsonl"
    log.write(result(0, events=(event(400),)))
    before = b"x" * (1 << 20) + b"\n"
    path.write_bytes(before)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, hard))  # as a disk with ten bytes left
    try:
        assert not log.review(event(400).id, "accept")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert log.review(event(400).id, "reject")
    assert json.loads(path.read_bytes()[len(before) :])["verdict"] == "reject"
