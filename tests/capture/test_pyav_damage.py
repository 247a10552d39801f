"""Damaged and cut files give what can be read, and say what is missing."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from odd_videos import number_of, numbers, write_video

from stream_mer.capture.pyav import PyAvSource
from stream_mer.types import Frame

COUNT = 250
INTRA = {"g": "1", "bf": "0", "x264-params": "log-level=none"}


def read(path: Path) -> tuple[list[Frame], PyAvSource]:
    source = PyAvSource(path)
    frames = list(source)
    source.close()
    assert all(after.pts_ns > before.pts_ns for before, after in pairwise(frames))
    return frames, source


def noisy(count: int) -> list[np.ndarray]:
    """Numbered pictures with noise, so that a packet is thousands of bytes long."""
    noise = np.random.default_rng(0).integers(0, 30, (count, 64, 96, 1), dtype=np.uint8)
    return [picture + grain for picture, grain in zip(numbers(count), noise, strict=True)]


def damage(path: Path, start: float, end: float, fill: bytes | None = None) -> Path:
    """Overwrite a stretch of the file (fractions of its length) with noise or ``fill``."""
    data = bytearray(path.read_bytes())
    i, j = int(len(data) * start), int(len(data) * end)
    data[i:j] = np.random.default_rng(1).bytes(j - i) if fill is None else fill * (j - i)
    path.write_bytes(data)
    return path


def cut(path: Path, at: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * at)])
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_cut_file_gives_its_beginning_and_says_where_it_ends(tmp_path: Path, suffix: str) -> None:
    options = {"movflags": "faststart"} if suffix == "mp4" else None
    path = write_video(tmp_path / f"v.{suffix}", noisy(COUNT), container_options=options)
    frames, source = read(cut(path, 0.6))
    assert 0.5 * COUNT < len(frames) < 0.7 * COUNT
    assert [number_of(frame.rgb) for frame in frames[:100]] == list(range(100))
    (warning,) = [w for w in source.warnings if "cut off" in w]
    match = re.search(r"ends at ([\d.]+) s of the ([\d.]+) s", warning)
    assert match is not None
    assert float(match[1]) == pytest.approx(len(frames) / 25, abs=0.2)
    assert float(match[2]) == pytest.approx(COUNT / 25, abs=0.1)


def test_cut_file_with_an_index_counts_every_lost_picture(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", noisy(COUNT), container_options={"movflags": "faststart"})
    frames, source = read(cut(path, 0.6))
    assert source.info.frames == COUNT
    assert len(frames) + sum(source.losses.values()) == COUNT
    assert source.losses["truncated"] > 0.25 * COUNT


@pytest.mark.parametrize("suffix", ["ts", "mpg"])
def test_cut_stream_formats_give_what_is_there(tmp_path: Path, suffix: str) -> None:
    codec = "mpeg2video" if suffix == "mpg" else "libx264"
    frames, source = read(cut(write_video(tmp_path / f"v.{suffix}", noisy(COUNT), codec=codec), 0.6))
    assert 0.4 * COUNT < len(frames) < 0.7 * COUNT
    assert not source.losses.get("truncated")


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi"])
def test_whole_file_has_no_warning(tmp_path: Path, suffix: str) -> None:
    frames, source = read(write_video(tmp_path / f"v.{suffix}", noisy(60)))
    assert len(frames) == 60
    assert source.warnings == ()
    assert not source.losses


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi"])
@pytest.mark.parametrize("fill", [None, b"\0"])
def test_damage_in_the_middle_does_not_end_the_file(tmp_path: Path, suffix: str, fill: bytes | None) -> None:
    path = write_video(tmp_path / f"v.{suffix}", noisy(COUNT), options=INTRA)
    frames, source = read(damage(path, 0.40, 0.45, fill))
    shown = [number_of(frame.rgb) for frame in frames]
    assert shown[:90] == list(range(90)), "what lies before the damage is untouched"
    assert set(range(140, COUNT)) <= set(shown), "what lies behind it is read"
    if suffix != "avi":  # AVI has no time stamps: a picture's time is its place in the file
        assert frames[-1].pts_ns == pytest.approx((COUNT - 1) * 40e6, abs=41e6), "the hole stays visible"
    lost = COUNT - len(frames)
    told = source.losses.get("corrupt", 0) + sum("damaged" in w or "failed" in w for w in source.warnings)
    assert lost == 0 or told or max(b.pts_ns - a.pts_ns for a, b in pairwise(frames)) > 80e6
    assert source.warnings or source.losses


def test_undecodable_pictures_are_counted(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", noisy(COUNT), options=INTRA)
    frames, source = read(damage(path, 0.40, 0.45, b"\0"))
    assert len(frames) + source.losses["corrupt"] == COUNT
    assert source.losses["corrupt"] >= 5


def test_patched_up_pictures_are_delivered_and_said(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mpg", noisy(60), codec="mpeg2video", options={"g": "12", "b": "4M"})
    frames, source = read(damage(path, 0.500, 0.503))
    assert len(frames) >= 55
    assert any("patched up" in warning for warning in source.warnings)


def test_losses_grow_while_reading_and_are_a_copy(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", noisy(COUNT), options=INTRA)
    source = PyAvSource(damage(path, 0.6, 0.62, b"\0"))
    before = source.losses
    assert dict(before) == {}
    list(source)
    assert source.losses["corrupt"] > 0
    assert dict(before) == {}
    source.close()


def test_a_transport_stream_cut_in_a_packet_says_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.ts", noisy(50), codec="mpeg2video")
    whole, source = read(path)
    assert source.warnings == ()
    data = path.read_bytes()
    assert len(data) % 188 == 0
    path.write_bytes(data[: len(data) * 6 // 10 // 188 * 188 + 100])
    frames, source = read(path)
    assert 0 < len(frames) < len(whole)
    (warning,) = [w for w in source.warnings if "cut off" in w]
    assert "transport packet" in warning
