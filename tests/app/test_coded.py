"""A recording coded once more keeps its frames and times, and loses what that quality loses."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stream_mer.app.coded import coded
from stream_mer.capture.pyav import PyAvSource
from stream_mer.types import Frame


def frames_of(file: Path, crf: int | None = None) -> list[Frame]:
    source = PyAvSource(file)
    with closing(source if crf is None else coded(source, crf)) as shown:
        return list(shown)


@pytest.mark.parametrize("name", ["grid_bbaf2n.mpg", "face_noface.mov"])
def test_frames_and_times_stay_and_pictures_lose_more_at_lower_quality(videos: Path, name: str) -> None:
    plain = frames_of(videos / name)
    lost = []
    for crf in (10, 23, 35):
        again = frames_of(videos / name, crf)
        places = [(f.index, f.pts_ns, f.epoch, f.rgb.shape) for f in again]
        assert places == [(f.index, f.pts_ns, f.epoch, f.rgb.shape) for f in plain]
        off = [np.abs(a.rgb.astype(float) - b.rgb).mean() for a, b in zip(plain, again, strict=True)]
        lost.append(float(np.mean(off)))
    assert lost[0] < lost[1] < lost[2]
    assert lost[1] < 6, "the same pictures"


def test_a_recording_without_frames_stays_empty(videos: Path) -> None:
    class Empty:
        info = replace(PyAvSource(videos / "grid_bbaf2n.mpg").info)

        def __iter__(self):  # type: ignore[no-untyped-def]
            return iter(())

    assert list(coded(Empty(), 23)) == []  # type: ignore[arg-type]
