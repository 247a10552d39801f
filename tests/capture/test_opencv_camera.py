"""A camera's frames are stamped at the grab, and its failures are counted or told."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from steered import MS, FakeCamera, SteeredClock

from stream_mer.capture.opencv import LOST_AFTER, OpenCvCamera
from stream_mer.errors import SourceError, SourceNotFound


def open_fake(clock: SteeredClock, camera: FakeCamera, **wishes: float) -> OpenCvCamera:
    return OpenCvCamera(3, clock=clock, open_camera=lambda _: camera, **wishes)  # type: ignore[arg-type]


def take(source: OpenCvCamera, count: int) -> list[int]:
    times = []
    for frame in source:
        times.append(frame.pts_ns)
        if len(times) == count:
            source.interrupt()
    return times


def test_stamp_is_that_of_the_grab_not_of_the_conversion() -> None:
    clock = SteeredClock()
    slow = [500.0, 3.0, 70.0, 11.0]
    camera = FakeCamera(clock)
    source = open_fake(clock, camera)
    times = []
    for frame, retrieve_ms in zip(source, slow, strict=False):
        times.append(frame.pts_ns)
        camera._retrieve_ns = round(retrieve_ms * MS)
    # each grab takes 40 ms; what the conversion before it took adds to the distance, but the
    # conversion of the frame itself does not
    assert times == [0, 40 * MS, 580 * MS, 623 * MS]


def test_pictures_become_rgb() -> None:
    for channels in (3, 4, 0, 1):
        clock = SteeredClock()
        source = open_fake(clock, FakeCamera(clock, channels=channels))
        frame = next(iter(source))
        assert frame.rgb.shape == (6, 8, 3)
        if channels >= 3:
            assert tuple(frame.rgb[0, 0]) == (0, 0, 200)
        source.close()


def test_info_is_what_really_comes() -> None:
    clock = SteeredClock()
    camera = FakeCamera(clock, size=(16, 12), fps=30.0)
    source = open_fake(clock, camera, width=640, height=480, fps=60)
    assert camera.wishes == {
        cv2.CAP_PROP_FRAME_WIDTH: 640,
        cv2.CAP_PROP_FRAME_HEIGHT: 480,
        cv2.CAP_PROP_FPS: 60,
    }
    info = source.info
    assert (info.name, info.width, info.height, info.fps_nominal, info.live) == (
        "camera 3",
        16,
        12,
        30.0,
        True,
    )
    assert (info.frames, info.duration_s) == (None, None)
    assert "delivers 16x12, not 640x480" in source.warnings[0]


@pytest.mark.parametrize("claimed", [0.0, -1.0, 1e9, float("nan")])
def test_nonsense_rates_are_unknown(claimed: float) -> None:
    clock = SteeredClock()
    assert open_fake(clock, FakeCamera(clock, fps=claimed)).info.fps_nominal is None


def test_failed_grabs_are_counted_and_leave_a_gap() -> None:
    clock = SteeredClock()
    source = open_fake(clock, FakeCamera(clock, script=[True, True, False, False, True]))
    assert take(source, 3) == [0, 40 * MS, 160 * MS]
    assert source.losses == {"grab": 2}


def test_lost_camera_is_an_error() -> None:
    clock = SteeredClock()
    camera = FakeCamera(clock, script=[True] * 5, ends=True)
    source = open_fake(clock, camera)
    with pytest.raises(SourceError, match="camera 3 stopped delivering"):
        take(source, 99)
    assert source.losses == {"grab": LOST_AFTER}
    source.close()
    source.close()
    assert camera.released == 1


def test_camera_that_gives_nothing() -> None:
    clock = SteeredClock()
    camera = FakeCamera(clock, ends=True)
    with pytest.raises(SourceError, match="delivers no picture"):
        open_fake(clock, camera)
    assert camera.released == 1


def test_missing_camera_lists_what_is_there(tmp_path: Path) -> None:
    clock = SteeredClock()
    closed = FakeCamera(clock, opened=False)
    for name in ("video0", "video3"):
        (tmp_path / name).touch()
    with pytest.raises(SourceNotFound, match=r"no camera 7; devices here: video0, video3\n"):
        OpenCvCamera(7, clock=clock, open_camera=lambda _: closed, devices=tmp_path)
    with pytest.raises(SourceError, match=r"camera 3 does not open; .*\n.*group 'video'"):
        OpenCvCamera(3, clock=clock, open_camera=lambda _: closed, devices=tmp_path)
    with pytest.raises(SourceNotFound, match="lists no video device"):
        OpenCvCamera(0, clock=clock, open_camera=lambda _: closed, devices=tmp_path / "none")
    assert closed.released == 3


def test_real_opencv_says_so_quietly(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        OpenCvCamera(97, clock=SteeredClock(), devices=tmp_path)
    assert len(str(caught.value).splitlines()) == 2
    assert capfd.readouterr().err == ""


def test_standing_clock_still_gives_rising_times() -> None:
    clock = SteeredClock()
    camera = FakeCamera(clock)
    source = open_fake(clock, camera)
    times = []
    for frame in source:
        times.append(frame.pts_ns)
        clock.now = 0  # even a clock that goes back
        if len(times) == 4:
            break
    assert np.all(np.diff(times) > 0)
    source.close()
