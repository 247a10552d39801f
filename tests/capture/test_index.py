"""Entering a file in its middle gives the pictures, times and numbers of reading it from the start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

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
def test_what_cannot_be_entered_says_why_or_has_no_keys(videos: Path) -> None:
    index = index_video(videos / "grid_bbaf2n.mpg")
    assert index.keys == () or index.why_whole
    segments = plan_segments(index.keys, index.frames, index.end_ns, SECOND, SECOND // 5)
    assert len(segments) == 1


def test_content_decides_what_a_video_is(tmp_path: Path) -> None:
    text = tmp_path / "film.mp4"
    text.write_text("no film\n" * 100)
    assert not is_video(text)
    assert claimed_frames(text) == 0
