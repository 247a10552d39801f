"""Entering a file in its middle gives the pictures, times and numbers of reading it from the start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from odd_videos import numbered, write_video

from stream_mer.capture.index import claimed_frames, index_video, is_video
from stream_mer.capture.pyav import PyAvSource
from stream_mer.capture.span import SpanSource
from stream_mer.core.segments import plan_segments
from stream_mer.types import Frame

SECOND = 1_000_000_000


def read(source: PyAvSource | SpanSource) -> list[Frame]:
    try:
        return list(source)
    finally:
        source.close()


@pytest.mark.data
@pytest.mark.parametrize("name", ["walkers_video_02.mp4", "face_noface.mov", "cap13_edit2.mp4"])
def test_every_segment_shows_what_a_whole_reading_shows(videos: Path, name: str) -> None:
    path = videos / name
    index = index_video(path)
    assert index.why_whole == ""
    whole = {f.pts_ns: (f.index, f.rgb[::16, ::16]) for f in read(PyAvSource(path))}
    segments = plan_segments(index.keys, index.frames, index.end_ns, 2 * SECOND, SECOND // 5)
    assert len(segments) >= 3
    owned: list[int] = []
    for segment in segments:
        entry = index.entry(segment.key, segment.warm_ns) if segment.key else None
        frames = read(SpanSource(PyAvSource(path, entry=entry, digest="known"), segment))
        assert frames[0].pts_ns >= segment.warm_ns
        for frame in frames:
            number, picture = whole[frame.pts_ns]
            assert frame.index == number
            np.testing.assert_array_equal(frame.rgb[::16, ::16], picture)
        mine = [f.pts_ns for f in frames if segment.owns(f.pts_ns)]
        assert len(mine) == segment.frames
        owned += mine
    assert owned == sorted(whole)
    assert claimed_frames(path) == pytest.approx(len(whole), abs=2)


@pytest.mark.data
def test_what_cannot_be_entered_says_why(videos: Path) -> None:
    index = index_video(videos / "no_face.mp4")
    assert index.keys == ()
    assert index.why_whole
    segments = plan_segments(index.keys, index.frames, index.end_ns, SECOND, SECOND // 5)
    assert len(segments) == 1


@pytest.mark.parametrize("b_frames", [0, 2])
def test_transport_streams_are_entered_too(tmp_path: Path, b_frames: int) -> None:
    """They are sought by when pictures are decoded, which with B frames is not when they are shown."""
    pictures = [numbered(n % 256) for n in range(300)]
    path = write_video(tmp_path / "nvr.ts", pictures, options={"g": "25", "bf": str(b_frames)})
    index = index_video(path)
    assert (index.frames, index.why_whole) == (300, "")
    whole = [(f.index, f.pts_ns, f.rgb.tobytes()) for f in read(PyAvSource(path))]
    segments = plan_segments(index.keys, index.frames, index.end_ns, 2 * SECOND, SECOND // 5)
    assert len(segments) >= 4
    owned = []
    for segment in segments:
        entry = index.entry(segment.key, segment.warm_ns) if segment.key else None
        frames = read(SpanSource(PyAvSource(path, entry=entry, digest="known"), segment))
        owned += [(f.index, f.pts_ns, f.rgb.tobytes()) for f in frames if segment.owns(f.pts_ns)]
    assert owned == whole


def flv_with_a_bad_tag(path: Path, number: int) -> Path:
    """A video whose ``number``-th tag says, by one damaged byte, that it is sound."""
    write_video(path, [numbered(n % 256) for n in range(400)], options={"g": "25", "bf": "0"})
    data, place = bytearray(path.read_bytes()), 13
    for _ in range(number):
        place += 15 + int.from_bytes(data[place + 1 : place + 4], "big")
    assert data[place] == 9  # a video tag. Source: Adobe Flash Video File Format 10.1, annex E.4.1
    data[place] = 8
    path.write_bytes(data)
    return path


def test_damage_that_looks_like_another_stream_costs_one_picture(tmp_path: Path) -> None:
    path = flv_with_a_bad_tag(tmp_path / "cam.flv", 350)
    index = index_video(path)
    frames = read(PyAvSource(path))
    assert index.frames == len(frames) == 399
    assert frames[-1].pts_ns == index.end_ns == 399 * SECOND // 25


def test_a_file_that_cannot_be_read_has_an_index_that_says_so(tmp_path: Path) -> None:
    """One such file must not end the run over the others: the source, opened next, says what is wrong."""
    index = index_video(flv_with_a_bad_tag(tmp_path / "cam.flv", 1))  # the codec's head is lost
    assert index.keys == ()
    assert index.why_whole


def test_content_decides_what_a_video_is(tmp_path: Path) -> None:
    text = tmp_path / "film.mp4"
    text.write_text("no film\n" * 100)
    assert not is_video(text)
    assert claimed_frames(text) == 0
