"""What is remembered of a face: its last seconds, one stretch at a time, and how much of it is in view."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.core.memory import KEEP_NS, FaceMemory, grey64
from stream_mer.types import Box, FaceCrop, FaceTrack, Similarity

MS = 1_000_000
PICTURE = np.full((128, 128, 3), 90, np.uint8)
INSIDE = Similarity(1, 0, 100, 100)


def push(
    memory: FaceMemory,
    t_ms: int,
    *,
    track: int = 1,
    segment: int = 0,
    epoch: int = 0,
    pose: Similarity = INSIDE,
    size: tuple[int, int] = (480, 640),
) -> None:
    seen = FaceTrack(track, segment, Box(0, 0, 92, 92), pose, 92.0, 1.0)
    memory.push([FaceCrop(seen, 0, t_ms * MS, epoch, PICTURE[:32, :32], PICTURE)], size, t_ms * MS)


def times(memory: FaceMemory, centre_ms: int, before_ms: int, after_ms: int, track: int = 1) -> list[int]:
    return [g.pts_ns // MS for g in memory.around(track, centre_ms * MS, before_ms * MS, after_ms * MS)]


def test_only_what_lies_around_the_centre_is_given_both_ends_included() -> None:
    memory = FaceMemory()
    for t in range(0, 1000, 100):
        push(memory, t)
    assert times(memory, 500, 200, 100) == [300, 400, 500, 600]
    assert times(memory, 5000, 200, 100) == []
    assert times(memory, 500, 200, 100, track=2) == []


def test_stretches_are_never_mixed() -> None:
    memory = FaceMemory()
    for t in range(0, 1000, 100):
        push(memory, t, segment=int(t >= 500))
    assert times(memory, 400, 300, 300) == [100, 200, 300, 400]
    assert times(memory, 500, 300, 300) == [500, 600, 700, 800]
    push(memory, 1000, segment=1, epoch=1)
    assert times(memory, 1000, 500, 500) == [1000], "after an outage nothing before it is comparable"


def test_old_glimpses_and_people_who_left_are_forgotten() -> None:
    memory = FaceMemory()
    keep_ms = KEEP_NS // MS
    push(memory, 0, track=2)
    for t in range(0, 2 * keep_ms + 1, 100):
        push(memory, t)
    assert times(memory, keep_ms, 10**5, 10**5)[0] == keep_ms
    assert memory.last_ns(2) == 0
    assert memory.last_ns(1) == 2 * KEEP_NS
    push(memory, 2 * keep_ms + 100)
    assert memory.last_ns(2) is None


@given(
    st.floats(0.2, 4), st.floats(-np.pi, np.pi), st.floats(-600, 1200), st.floats(-600, 1200),
    st.sampled_from([(480, 640), (2000, 300), (300, 2000)]),
)  # fmt: skip
def test_how_much_lies_outside_is_what_counting_gives(
    scale: float, angle: float, x: float, y: float, size: tuple[int, int]
) -> None:
    pose = Similarity(scale * np.cos(angle), scale * np.sin(angle), x, y)
    grid = np.arange(8.0, 128, 16)
    points = pose.apply(np.array([(u, v) for u in grid for v in grid]))
    outside = [not (0 <= px < size[1] and 0 <= py < size[0]) for px, py in points]
    memory = FaceMemory()
    push(memory, 0, pose=pose, size=size)
    (glimpse,) = memory.around(1, 0, 0, 0)
    assert glimpse.outside == pytest.approx(np.mean(outside))


def test_a_grey_picture_is_the_mean_of_four_greens() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    expected = picture[..., 1].astype(float)
    assert np.allclose(grey64(picture)[3, 5], expected[6:8, 10:12].mean())
    assert grey64(picture).shape == (64, 64)
