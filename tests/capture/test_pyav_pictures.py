"""Pictures are upright RGB with the colours their stream means, whatever size and format it has."""

from __future__ import annotations

import gc
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from odd_videos import number_of, numbers, write_video

from stream_mer.capture.pyav import PyAvSource
from stream_mer.errors import SourceDamaged

LIMITED, FULL = 1, 2
BT709, UNSPECIFIED, BT601 = 1, 2, 5
LARGEST_ERROR = 3.0
"""Levels of 255 by which swscale's fast path may differ from the formula (measured: 2.9)."""


def read(path: Path) -> list[NDArray[np.uint8]]:
    source = PyAvSource(path)
    pictures = [frame.rgb for frame in source]
    assert (source.info.height, source.info.width) == pictures[0].shape[:2]
    source.close()
    assert all(picture.flags["C_CONTIGUOUS"] for picture in pictures)
    return pictures


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "size"),
    [
        ("ffv1", "yuv444p", (101, 77)),
        ("ffv1", "yuv420p", (101, 77)),
        ("ffv1", "bgr0", (67, 17)),
        ("ffv1", "gray", (101, 77)),
        ("ffv1", "gray10le", (64, 50)),
        ("libx264", "yuv444p", (101, 77)),
        ("libx264", "gray", (96, 64)),
        ("libx264", "yuv420p10le", (96, 64)),
        ("libx264rgb", "rgb24", (72, 50)),
        ("libx265", "yuv420p10le", (96, 64)),
        ("ffv1", "yuv422p10le", (98, 51)),
        ("rawvideo", "yuv420p", (66, 20)),
    ],
)
def test_sizes_and_formats(tmp_path: Path, codec: str, pix_fmt: str, size: tuple[int, int]) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else None
    path = tmp_path / "v.mkv"
    write_video(
        path, numbers(6, width=size[0], height=size[1]), codec=codec, pix_fmt=pix_fmt, options=options
    )
    pictures = read(path)
    assert [picture.shape for picture in pictures] == [(size[1], size[0], 3)] * 6
    assert [number_of(picture) for picture in pictures] == list(range(6))


def formula(y: int, u: int, v: int, matrix: int, full: bool) -> NDArray[np.float64]:
    """RGB of a YCbCr colour (ITU-R BT.601-7 and BT.709-6, 2.5 and 3)."""
    kr, kb = (0.2126, 0.0722) if matrix == BT709 else (0.299, 0.114)
    luma, cb, cr = (float(y), u - 128.0, v - 128.0)
    if not full:
        luma, cb, cr = (luma - 16) * 255 / 219, cb * 255 / 224, cr * 255 / 224
    red, blue = luma + 2 * (1 - kr) * cr, luma + 2 * (1 - kb) * cb
    return np.clip([red, (luma - kr * red - kb * blue) / (1 - kr - kb), blue], 0, 255)


def write_colour(
    path: Path, yuv: tuple[int, int, int], matrix: int, signal: int, size: tuple[int, int]
) -> None:
    """Lossless video of one YCbCr colour, stating (or not) its matrix and range."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.colorspace, stream.color_range = matrix, signal
        frame = av.VideoFrame(*size, "yuv420p")
        for plane, value in zip(frame.planes, yuv, strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.colorspace, frame.color_range, frame.pts = matrix, signal, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


@pytest.mark.parametrize("yuv", [(120, 100, 150), (60, 140, 120), (200, 128, 128), (90, 90, 170)])
@pytest.mark.parametrize("signal", [LIMITED, FULL])
@pytest.mark.parametrize(
    ("matrix", "size", "meant"),
    [
        (BT601, (64, 48), BT601),
        (BT709, (64, 48), BT709),
        (BT601, (64, 720), BT601),
        (UNSPECIFIED, (64, 48), BT601),
        (UNSPECIFIED, (64, 576), BT601),
        (UNSPECIFIED, (64, 720), BT709),
    ],
)
def test_colours_follow_the_stated_matrix_and_range(
    tmp_path: Path, yuv: tuple[int, int, int], signal: int, matrix: int, size: tuple[int, int], meant: int
) -> None:
    write_colour(tmp_path / "c.mkv", yuv, matrix, signal, size)
    (picture,) = read(tmp_path / "c.mkv")
    expected = formula(*yuv, meant, signal == FULL)
    assert np.abs(picture[20, 30] - expected).max() <= LARGEST_ERROR
    other = formula(*yuv, BT709 if meant == BT601 else BT601, signal == FULL)
    if np.abs(other - expected).max() > 3 * LARGEST_ERROR:
        assert np.abs(picture[20, 30] - other).max() > LARGEST_ERROR


def cornered() -> NDArray[np.uint8]:
    """Red in the upper left, blue in the lower right corner."""
    picture = np.full((64, 96, 3), 60, np.uint8)
    picture[:20, :30] = (230, 40, 40)
    picture[44:, 66:] = (40, 40, 230)
    return picture


def corners(picture: NDArray[np.uint8]) -> str:
    """Colours of the corners, clockwise from the upper left: r, b or . for neither."""
    names = ""
    for y, x in ((8, 8), (8, -9), (-9, -9), (-9, 8)):
        red, _, blue = (int(v) for v in picture[y, x])
        names += "r" if red > blue + 60 else "b" if blue > red + 60 else "."
    return names


@pytest.mark.parametrize(
    ("degrees", "hflip", "vflip", "seen"),
    [
        (0, False, False, "r.b."),
        (90, False, False, ".b.r"),
        (-90, False, False, ".r.b"),
        (180, False, False, "b.r."),
        (0, True, False, ".r.b"),
        (0, False, True, ".b.r"),
    ],
)
def test_rotation_and_mirroring(tmp_path: Path, degrees: float, hflip: bool, vflip: bool, seen: str) -> None:
    path = write_video(tmp_path / "r.mp4", [cornered()] * 3, rotation=(degrees, hflip, vflip))
    pictures = read(path)
    assert pictures[0].shape == ((96, 64, 3) if degrees in (90, -90) else (64, 96, 3))
    assert {corners(picture) for picture in pictures} == {seen}


def test_slanted_rotation_is_left_alone_and_said(tmp_path: Path) -> None:
    path = write_video(tmp_path / "r.mp4", [cornered()] * 3, rotation=(30, False, False))
    source = PyAvSource(path)
    assert corners(next(iter(source)).rgb) == "r.b."
    assert "no quarter turn" in source.warnings[0]
    source.close()


def test_big_files_decode_with_more_threads_and_lose_nothing(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "hd.mp4", numbers(9, width=1920, height=1080), options={"preset": "ultrafast", "bf": "2"}
    )
    assert [number_of(picture) for picture in read(path)] == list(range(9))


def test_pixel_format_nobody_can_convert_is_a_source_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing:
        def reformat(self, *_: object, **__: object) -> None:
            raise av.error.ArgumentError(22, "Invalid argument")

    monkeypatch.setattr("stream_mer.capture.picture.VideoReformatter", Refusing)
    with pytest.raises(SourceDamaged, match="yuv420p do not convert to RGB"):
        PyAvSource(write_video(tmp_path / "v.mp4", numbers(3)))


def test_interlaced_video_is_mentioned(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "i.mpg",
        numbers(5),
        codec="mpeg2video",
        options={"flags": "+ilme+ildct", "field_order": "tt"},
    )
    source = PyAvSource(path)
    assert len(list(source)) == 5
    source.close()
    assert any("interlaced" in warning for warning in source.warnings)


def test_decoded_pictures_are_freed_at_once_not_when_python_looks_for_rings(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    write_video(path, numbers(40, width=64, height=48), codec="libx264", pix_fmt="yuv420p")
    gc.collect()
    gc.disable()
    try:
        count = len(read(path))
        held = sum(isinstance(thing, av.VideoFrame) for thing in gc.get_objects())
    finally:
        gc.enable()
    assert count == 40
    assert held < 8
