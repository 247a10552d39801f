"""What every source promises, checked on every kind of source."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from odd_videos import numbers, write_video
from steered import FakeCamera, ScriptedSource, SteeredClock

from stream_mer.capture.clock import MonotonicClock
from stream_mer.capture.opencv import OpenCvCamera
from stream_mer.capture.paced import PacedSource
from stream_mer.capture.pictures import PictureSource, write_picture
from stream_mer.capture.pyav import PyAvSource
from stream_mer.capture.reconnect import ReconnectingSource
from stream_mer.errors import SourceError
from stream_mer.protocols import Source

COUNT = 40
Build = Callable[[], Source]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("contract") / "v.mp4", numbers(COUNT), options={"bf": "2"})


def picture_files(folder: Path, count: int) -> dict[int, Path]:
    """Numbered pictures, written once."""
    files = {number: folder / f"img{number}.png" for number in range(1, count + 1)}
    if not folder.is_dir():
        folder.mkdir()
        for number, path in files.items():
            write_picture(path, np.full((32, 48, 3), number, np.uint8))
    return files


@pytest.fixture(params=["pyav", "paced", "camera", "pictures", "reconnecting", "reconnecting-twice"])
def build(request: pytest.FixtureRequest, video: Path) -> Build:
    """A factory of fresh sources that deliver at least ``COUNT`` frames."""

    def camera() -> Source:
        clock = SteeredClock()
        return OpenCvCamera(0, clock=clock, open_camera=lambda _: FakeCamera(clock))

    def reconnecting() -> Source:
        return ReconnectingSource(lambda: PyAvSource(video), SteeredClock())

    def broken() -> Source:
        clock = SteeredClock()
        error = SourceError("broke")
        return ReconnectingSource(lambda: ScriptedSource([0, 40, 80], error=error, clock=clock), clock)

    makers: dict[str, Build] = {
        "pyav": lambda: PyAvSource(video),
        "paced": lambda: PacedSource(PyAvSource(video), SteeredClock()),
        "camera": camera,
        "pictures": lambda: PictureSource(picture_files(video.parent / "pictures", COUNT), 25.0, "pictures"),
        "reconnecting": reconnecting,
        "reconnecting-twice": broken,
    }
    return makers[request.param]


def test_frames_are_in_order_and_start_at_zero(build: Build) -> None:
    source = build()
    frames = list(islice(source, COUNT))
    assert len(frames) == COUNT
    assert [frame.index for frame in frames] == list(range(COUNT))
    assert (frames[0].pts_ns, frames[0].epoch) == (0, 0)
    for before, after in pairwise(frames):
        assert after.pts_ns > before.pts_ns
        assert after.epoch in (before.epoch, before.epoch + 1)
    source.close()


def test_pictures_are_contiguous_rgb_of_the_stated_size(build: Build) -> None:
    source = build()
    for frame in islice(source, 3):
        assert frame.rgb.dtype == np.uint8
        assert frame.rgb.shape == (source.info.height, source.info.width, 3)
        assert frame.rgb.flags["C_CONTIGUOUS"]
    source.close()


def test_pictures_are_not_overwritten_by_later_ones(build: Build) -> None:
    source = build()
    iterator = iter(source)
    frames = list(islice(iterator, 6))
    copies = [frame.rgb.copy() for frame in frames]
    list(islice(iterator, 20))
    assert all(np.array_equal(frame.rgb, copy) for frame, copy in zip(frames, copies, strict=True))
    source.close()


def test_info_is_complete_before_the_first_frame(build: Build) -> None:
    source = build()
    assert source.info.width > 0
    assert source.info.name
    assert len(source.info.digest) == 64
    assert dict(source.losses) == {}
    assert list(source.warnings) == []
    source.close()


def test_interrupt_before_the_first_frame(build: Build) -> None:
    source = build()
    source.interrupt()
    assert list(source) == []
    source.close()


def test_interrupt_between_frames(build: Build) -> None:
    source = build()
    seen = 0
    for _ in source:
        seen += 1
        if seen == 3:
            source.interrupt()
            source.interrupt()
    assert seen == 3
    source.close()


def test_interrupt_from_another_thread(build: Build) -> None:
    source = build()
    reached = threading.Event()
    result: list[int] = []

    def consume() -> None:
        for frame in source:
            result.append(frame.index)
            if frame.index == 5:
                reached.set()
                interrupted.wait(30)
        source.close()

    interrupted = threading.Event()
    thread = threading.Thread(target=consume)
    thread.start()
    assert reached.wait(30)
    source.interrupt()
    interrupted.set()
    thread.join(30)
    assert not thread.is_alive()
    assert result == list(range(6))


def test_close_is_idempotent_and_ends_the_iteration(build: Build) -> None:
    source = build()
    iterator = iter(source)
    next(iterator)
    source.interrupt()
    source.close()
    source.close()
    assert list(iterator) == []


def test_closed_without_reading(build: Build) -> None:
    source = build()
    source.close()
    source.close()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_fifty_rounds_leave_no_file_and_no_thread(build: Build) -> None:
    threads = threading.active_count()
    tasks = len(list(Path("/proc/self/task").iterdir()))
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    for round_number in range(50):
        source = build()
        for _ in islice(source, round_number % 7):
            pass
        source.interrupt()
        source.close()
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors
    assert threading.active_count() == threads
    assert len(list(Path("/proc/self/task").iterdir())) <= tasks


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_fifty_failures_leave_no_file(tmp_path: Path) -> None:
    path = tmp_path / "random.mp4"
    path.write_bytes(os.urandom(50_000))
    gc.collect()
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(50):
        with pytest.raises(SourceError):
            PyAvSource(path)
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors


def test_paced_source_really_waits(video: Path) -> None:
    clock = MonotonicClock()
    source = PacedSource(PyAvSource(video), clock)
    began_ns = clock.now_ns()
    times = [(frame.pts_ns, clock.now_ns() - began_ns) for frame in islice(source, 8)]
    assert all(came_ns >= pts_ns for pts_ns, came_ns in times)
    source.close()
