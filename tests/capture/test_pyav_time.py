"""Times come from the file, exact and rebased, and every picture arrives once and in order."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from odd_videos import number_of, numbers, remux, write_video

from stream_mer.capture.pyav import PyAvSource
from stream_mer.types import Frame

MS = 1_000_000
BFRAMES = {"bf": "3", "g": "10", "b_strategy": "0"}


def read(path: Path) -> tuple[list[Frame], PyAvSource]:
    source = PyAvSource(path)
    frames = list(source)
    source.close()
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert frames[0].pts_ns == 0
    assert all(after.pts_ns > before.pts_ns for before, after in pairwise(frames))
    return frames, source


def times_ms(frames: list[Frame]) -> list[float]:
    return [frame.pts_ns / MS for frame in frames]


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "ts", "avi", "h264", "flv"])
def test_reordered_pictures_keep_order_and_time(tmp_path: Path, suffix: str) -> None:
    frames, source = read(write_video(tmp_path / f"b.{suffix}", numbers(50), options=BFRAMES))
    assert [number_of(frame.rgb) for frame in frames] == list(range(50))
    assert times_ms(frames) == [40.0 * i for i in range(50)]
    assert not source.losses


@pytest.mark.parametrize(
    ("codec", "suffix", "pix_fmt"),
    [
        ("mpeg4", "avi", "yuv420p"),
        ("mpeg2video", "mpg", "yuv420p"),
        ("mjpeg", "avi", "yuvj420p"),
        ("libvpx-vp9", "webm", "yuv420p"),
        ("libx265", "mp4", "yuv420p"),
        ("ffv1", "mkv", "yuv420p"),
    ],
)
def test_codecs(tmp_path: Path, codec: str, suffix: str, pix_fmt: str) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else None
    path = write_video(tmp_path / f"v.{suffix}", numbers(30), codec=codec, pix_fmt=pix_fmt, options=options)
    frames, _ = read(path)
    assert [number_of(frame.rgb) for frame in frames] == list(range(30))
    assert times_ms(frames) == [40.0 * i for i in range(30)]


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts"])
def test_variable_rate_is_just_time_stamps(tmp_path: Path, suffix: str) -> None:
    pts = [0, 40, 50, 130, 131, 500, 5000, 5033]
    path = write_video(tmp_path / f"v.{suffix}", numbers(8), pts=pts, time_base=Fraction(1, 1000))
    frames, source = read(path)
    assert times_ms(frames) == pts
    assert {frame.epoch for frame in frames} == {0}
    assert source.warnings == ()


def test_ntsc_rate_does_not_drift(tmp_path: Path) -> None:
    base = Fraction(1001, 30000)
    path = write_video(tmp_path / "v.mp4", numbers(200), pts=range(200), time_base=base, rate=30)
    frames, _ = read(path)
    for i, frame in enumerate(frames):
        assert abs(frame.pts_ns - i * base * 10**9) <= Fraction(1, 2)


@pytest.mark.parametrize("suffix", ["mkv", "ts"])
def test_negative_first_stamp(tmp_path: Path, suffix: str) -> None:
    plain = write_video(tmp_path / "plain.mkv", numbers(10))
    path = remux(
        plain, tmp_path / f"neg.{suffix}", shift=-80, container_options={"avoid_negative_ts": "disabled"}
    )
    frames, _ = read(path)
    assert times_ms(frames) == [40.0 * i for i in range(10)]


def test_late_first_stamp(tmp_path: Path) -> None:
    plain = write_video(tmp_path / "plain.mkv", numbers(10))
    frames, source = read(remux(plain, tmp_path / "late.mkv", shift=36_000_000))
    assert times_ms(frames) == [40.0 * i for i in range(10)]
    assert source.warnings == ()


def test_pictures_before_an_edit_list_starts_are_not_part_of_the_film(tmp_path: Path) -> None:
    pts = [-80, -40, 0, 40, 80, 120]
    path = write_video(tmp_path / "edit.mp4", numbers(6), pts=pts, time_base=Fraction(1, 1000))
    frames, source = read(path)
    assert [number_of(frame.rgb) for frame in frames] == [2, 3, 4, 5]
    assert not source.losses
    assert source.warnings == ()


def test_repeated_stamps_lose_no_picture(tmp_path: Path) -> None:
    pts = [0, 40, 80, 80, 80, 120, 160]
    path = write_video(tmp_path / "rep.mkv", numbers(7), codec="ffv1", pts=pts, time_base=Fraction(1, 1000))
    frames, source = read(path)
    assert [number_of(frame.rgb) for frame in frames] == list(range(7))
    assert times_ms(frames) == [0, 40, 80, 81, 82, 120, 160]
    assert len(source.warnings) == 1
    assert "repeating" in source.warnings[0]
    assert not source.losses


def test_stream_without_any_stamps_follows_its_rate(tmp_path: Path) -> None:
    path = write_video(tmp_path / "raw.h264", numbers(20), options={"bf": "0"})
    frames, source = read(path)
    assert times_ms(frames) == [40.0 * i for i in range(20)]
    assert any("without a time stamp" in warning for warning in source.warnings)


def test_glued_files_start_a_new_epoch_and_time_goes_on(tmp_path: Path) -> None:
    one = write_video(tmp_path / "one.ts", numbers(50)).read_bytes()
    (tmp_path / "glued.ts").write_bytes(one + one)
    frames, source = read(tmp_path / "glued.ts")
    assert [number_of(frame.rgb) for frame in frames] == list(range(50)) * 2
    assert [frame.epoch for frame in frames] == [0] * 50 + [1] * 50
    assert times_ms(frames) == [40.0 * i for i in range(100)]
    assert any("breaks of the time line: 1" in warning for warning in source.warnings)


def test_size_may_change_on_the_way(tmp_path: Path) -> None:
    big = write_video(tmp_path / "big.ts", numbers(20)).read_bytes()
    small = write_video(tmp_path / "small.ts", numbers(20, width=64, height=48)).read_bytes()
    (tmp_path / "both.ts").write_bytes(big + small)
    frames, source = read(tmp_path / "both.ts")
    assert [frame.rgb.shape for frame in frames] == [(64, 96, 3)] * 20 + [(48, 64, 3)] * 20
    assert [number_of(frame.rgb) for frame in frames] == list(range(20)) * 2
    assert any("picture size: 1" in warning for warning in source.warnings)


def test_sound_longer_than_the_picture_is_no_cut(tmp_path: Path) -> None:
    frames, source = read(write_video(tmp_path / "tone.mkv", numbers(25), tone_s=4.0))
    assert len(frames) == 25
    assert source.warnings == ()


def test_sound_as_first_stream_loses_nothing(tmp_path: Path) -> None:
    plain = write_video(tmp_path / "tone.mp4", numbers(40), options=BFRAMES, tone_s=1.6)
    swapped = tmp_path / "swapped.mp4"
    with av.open(str(plain)) as inside, av.open(str(swapped), "w") as out:
        streams = [inside.streams.audio[0], inside.streams.video[0]]
        targets = {s.index: out.add_stream_from_template(s) for s in streams}
        for packet in inside.demux(streams):
            if packet.size:
                packet.stream = targets[packet.stream_index]
                out.mux(packet)
    frames, _ = read(swapped)
    assert [number_of(frame.rgb) for frame in frames] == list(range(40))


def test_largest_video_stream_is_taken(tmp_path: Path) -> None:
    small = write_video(tmp_path / "small.mkv", numbers(5, width=64, height=48))
    big = write_video(tmp_path / "big.mkv", numbers(5, width=128, height=96))
    path = tmp_path / "two.mkv"
    with av.open(str(small)) as a, av.open(str(big)) as b, av.open(str(path), "w") as out:
        pairs = [(c, out.add_stream_from_template(c.streams.video[0])) for c in (a, b)]
        for container, stream in pairs:
            for packet in container.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    out.mux(packet)
    frames, source = read(path)
    assert (source.info.width, source.info.height) == (128, 96)
    assert len(frames) == 5


def test_info_of_a_file(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", numbers(25))
    source = PyAvSource(str(path))
    info = source.info
    source.close()
    assert (info.name, info.width, info.height, info.frames, info.live) == (str(path), 96, 64, 25, False)
    assert (info.fps_nominal, info.duration_s) == (25.0, 1.0)
    assert len(info.digest) == 64
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(path.read_bytes())
    other = PyAvSource(copy)
    assert other.info.digest == info.digest
    other.close()
