"""Folders of numbered pictures as a source: exact times, gaps, damaged files, grey."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stream_mer.capture.pictures import PictureSource, read_picture, write_picture
from stream_mer.errors import SourceDamaged, SourceNotFound


def pictures(folder: Path, numbers: list[int], size: tuple[int, int] = (48, 64)) -> dict[int, Path]:
    files = {}
    for number in numbers:
        files[number] = folder / f"img_{number}.png"
        write_picture(files[number], np.full((*size, 3), (number % 200, 10, 20), np.uint8))
    return files


def test_times_come_from_numbers_and_rate(tmp_path: Path) -> None:
    source = PictureSource(pictures(tmp_path, [12, 10, 11, 15]), 200.0, "clip")
    frames = list(source)
    assert [f.pts_ns for f in frames] == [0, 5_000_000, 10_000_000, 25_000_000]
    assert [f.index for f in frames] == [0, 1, 2, 3]
    assert [int(f.rgb[0, 0, 0]) for f in frames] == [10, 11, 12, 15]
    assert (source.info.width, source.info.height, source.info.frames) == (64, 48, 4)
    assert source.info.duration_s == pytest.approx(6 / 200)
    assert source.info.fps_nominal == 200.0


def test_rates_that_do_not_divide_a_second(tmp_path: Path) -> None:
    frames = list(PictureSource(pictures(tmp_path, list(range(0, 91))), 90.0, "clip"))
    assert frames[90].pts_ns == 1_000_000_000
    assert frames[1].pts_ns == 11_111_111


def test_damaged_and_differently_sized_files_are_counted(tmp_path: Path) -> None:
    files = pictures(tmp_path, [1, 2, 3, 4])
    files[2].write_bytes(b"no picture")
    files |= pictures(tmp_path, [3], size=(20, 20))
    source = PictureSource(files, 100.0, "clip")
    assert [f.pts_ns for f in source] == [0, 30_000_000]
    assert dict(source.losses) == {"corrupt": 1, "other size": 1}
    assert sorted(source.warnings) == ["1 pictures left out: corrupt", "1 pictures left out: other size"]


def test_the_first_frame_that_can_be_read_is_zero(tmp_path: Path) -> None:
    files = pictures(tmp_path, [5, 6, 7])
    files[5].write_bytes(b"")
    assert [f.pts_ns for f in PictureSource(files, 100.0, "clip")] == [0, 10_000_000]


def test_grey_pictures_have_three_equal_channels(tmp_path: Path) -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    path = tmp_path / "006_00001.png"
    write_picture(path, np.stack([ramp] * 3, axis=2))
    rgb = read_picture(path)
    assert rgb is not None
    np.testing.assert_array_equal(rgb, np.stack([ramp] * 3, axis=2))


def test_nothing_to_play(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="holds no pictures"):
        PictureSource({}, 100.0, "clip")
    (tmp_path / "a1.jpg").write_bytes(b"x")
    with pytest.raises(SourceDamaged, match="none of the 1 files of clip is a picture"):
        PictureSource({1: tmp_path / "a1.jpg"}, 100.0, "clip")
    with pytest.raises(ValueError, match="above 0"):
        PictureSource({1: tmp_path / "a1.jpg"}, 0.0, "clip")
    assert read_picture(tmp_path / "gone.jpg") is None


def test_the_digest_is_the_files(tmp_path: Path) -> None:
    files = pictures(tmp_path, [1, 2])
    one = PictureSource(files, 100.0, "clip").info.digest
    assert one == PictureSource(files, 100.0, "other").info.digest
    assert one != PictureSource(files | pictures(tmp_path, [3]), 100.0, "clip").info.digest
