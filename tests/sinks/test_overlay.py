from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2  # noqa: F401 - before av, or windows hang
import numpy as np
import pytest
from sink_samples import event, result, summary, track

from stream_mer.errors import OutputError
from stream_mer.sinks.history import DrawSettings, Status
from stream_mer.sinks.overlay import OverlaySink
from stream_mer.types import Result


def times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def test_every_frame_in_is_a_frame_out_at_its_own_time(tmp_path: Path) -> None:
    sink = OverlaySink(tmp_path / "o.mp4", fps_hint=25)
    stamps = [0, 40, 80, 95, 250, 251, 900]
    for index, ms in enumerate(stamps):
        item = result(index)
        frame = item.frame.__class__(index, ms * 1_000_000, item.frame.rgb)
        sink.write(Result(frame, ()))
    sink.close(summary())
    assert times(tmp_path / "o.mp4") == [Fraction(ms, 1000) for ms in stamps]


def test_repeated_result_adds_no_frame(tmp_path: Path) -> None:
    sink = OverlaySink(tmp_path / "o.mp4")
    for index in range(5):
        sink.write(result(index))
    sink.write(Result(result(4).frame, (), events=(event(100),), repeated=True))
    sink.close(summary())
    assert len(times(tmp_path / "o.mp4")) == 5


def test_reconnect_goes_on_in_the_file(tmp_path: Path) -> None:
    sink = OverlaySink(tmp_path / "o.mp4", fps_hint=25)
    for index in range(10):
        sink.write(result(index))
    for index in range(10):
        sink.write(result(index, epoch=1))
    sink.close(summary())
    assert times(tmp_path / "o.mp4") == [Fraction(i, 25) for i in range(20)]


def test_picture_is_drawn_and_may_be_redacted(tmp_path: Path) -> None:
    face = track(x=100, y=60, width=90)
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    item = result(0)
    item = Result(item.frame.__class__(0, 0, noise), (face,))

    def first(redact: bool) -> np.ndarray:
        path = tmp_path / f"{redact}.mp4"
        sink = OverlaySink(path, DrawSettings(redact=redact), status=lambda: Status(coverage=0.5))
        sink.write(item)
        sink.close(summary())
        with av.open(str(path)) as container:
            return next(container.decode(video=0)).to_ndarray(format="rgb24")

    detail = [
        float(first(redact)[90:140, 120:170].astype(float).std((0, 1)).mean()) for redact in (False, True)
    ]
    assert detail[0] > 3 * detail[1]


def test_bad_place_is_known_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"(?s)cannot create the video.*--no-overlay"):
        OverlaySink(tmp_path / "file" / "o.mp4")


def test_run_without_frames_leaves_no_file_not_even_an_old_one(tmp_path: Path) -> None:
    (tmp_path / "o.mp4").write_text("old")
    OverlaySink(tmp_path / "o.mp4").close(None)
    assert not (tmp_path / "o.mp4").exists()
