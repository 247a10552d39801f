"""Borders between segments: names go on, and every event counts once whichever side saw it where."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.core.segments import KeyPicture, Segment, SegmentResult, plan_segments
from stream_mer.core.stitch import Names, box_iou, merge_events, same_faces
from stream_mer.types import Event

SECOND = 1_000_000_000
LEFT, RIGHT = (0.0, 0.0, 50.0, 50.0), (200.0, 0.0, 250.0, 50.0)
TWO = (
    Segment(0, 0, 10 * SECOND, 0, 11 * SECOND, None, 250),
    Segment(1, 10 * SECOND, None, 5 * SECOND, None, None, 250),
)


def event(apex_s: float, track: int = 1, probability: float = 0.9) -> Event:
    apex = round(apex_s * SECOND)
    return Event(
        "", "", 0, track, apex - 60_000_000, apex, apex + 60_000_000, "others",
        probability, (0.0, 0.0, 0.0, 0.0, probability), 60.0, False,
    )  # fmt: skip


def merged(first: list[Event], second: list[Event], *, second_track: int = 1) -> list[Event]:
    at = 10 * SECOND - 40_000_000
    one = SegmentResult(0, tracks=[1], exit={1: {at: LEFT}}, events=first)
    two = SegmentResult(
        1, tracks=[second_track], entry={second_track: {at: (1.0, 1.0, 51.0, 51.0)}}, events=second
    )
    return list(merge_events(TWO, iter([one, two])))


@pytest.mark.parametrize(
    ("first", "second", "apexes"),
    [
        ([event(9.98)], [event(9.98)], [9.98]),  # both see it before the border
        ([event(10.02)], [event(10.02)], [10.02]),  # both behind it
        ([event(9.98)], [event(10.01)], [9.98]),  # each on its own side: once
        ([event(9.98, probability=0.8)], [event(10.01)], [10.01]),  # ... the more probable one
        ([event(10.01)], [event(9.98)], [10.01]),  # each on the other's: not lost
        ([event(9.0)], [event(11.0)], [9.0, 11.0]),
        ([event(10.01)], [], []),  # behind the border the second segment decides
        ([], [event(9.98)], []),
        ([event(9.9), event(9.99)], [event(10.2)], [9.9, 9.99, 10.2]),
    ],
)
def test_an_event_at_the_border_counts_once(
    first: list[Event], second: list[Event], apexes: list[float]
) -> None:
    assert [e.apex_ns / SECOND for e in merged(first, second)] == apexes


def test_two_people_may_do_the_same_at_once() -> None:
    found = merged([event(9.98)], [event(10.01, track=5)])
    assert [e.track_id for e in found] == [1, 2]


def test_a_face_keeps_its_name_over_the_border() -> None:
    found = merged([event(5)], [event(15, track=7)], second_track=7)
    assert [e.track_id for e in found] == [1, 1]


def test_names_are_given_in_order_and_never_twice() -> None:
    names = Names()
    assert names.take(SegmentResult(0, tracks=[2, 5], exit={5: {1: LEFT}})) == {2: 2, 5: 5}
    entry = {1: {1: RIGHT}, 2: {1: LEFT}}
    assert names.take(SegmentResult(1, tracks=[1, 2, 3], entry=entry, exit={3: {2: LEFT}})) == {
        2: 5,
        1: 6,
        3: 7,
    }
    assert names.take(SegmentResult(2, tracks=[1], entry={1: {2: LEFT}})) == {1: 7}


def test_who_was_there_for_a_moment_is_not_the_one_who_stayed() -> None:
    stayed = {1: dict.fromkeys(range(25), LEFT)}
    assert same_faces(stayed, {9: {24: LEFT}}) == {}
    assert same_faces(stayed, {9: dict.fromkeys(range(20), LEFT)}) == {9: 1}


@given(st.tuples(*[st.floats(-50, 50)] * 4))
def test_iou_is_symmetric_and_bounded(shift: tuple[float, float, float, float]) -> None:
    moved = (LEFT[0] + shift[0], LEFT[1] + shift[1], LEFT[2] + abs(shift[2]) + shift[0], LEFT[3] + shift[1])
    value = box_iou(LEFT, moved)
    assert 0 <= value <= 1
    assert value == pytest.approx(box_iou(moved, LEFT))


corners = st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(1, 9)] * 2)


@given(corners, corners)
def test_iou_equals_counting_pixels(one: tuple[int, ...], two: tuple[int, ...]) -> None:
    cells = [{(x, y) for x in range(a, a + w) for y in range(b, b + h)} for a, b, w, h in (one, two)]
    boxes = [(a, b, a + w, b + h) for a, b, w, h in (one, two)]
    assert box_iou(*boxes) == pytest.approx(len(cells[0] & cells[1]) / len(cells[0] | cells[1]))


def test_events_that_only_touch_are_two() -> None:
    """Half-open intervals: the one's offset may be the other's onset, at the border, too."""
    apexes = [e.apex_ns / SECOND for e in merged([event(9.94)], [event(10.06)])]
    assert apexes == [9.94, 10.06]


@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=60),
    st.integers(1, 40),
    st.integers(10, 200),
)
def test_segments_share_all_the_time_and_every_frame(gaps: list[int], length_s: int, longest_ms: int) -> None:
    keys, rank = [KeyPicture(0, 0, 0)], 0
    for gap in gaps:
        rank += gap
        keys.append(KeyPicture(rank, rank * SECOND // 25, rank))
    frames = rank + 10
    segments = plan_segments(keys, frames, frames * SECOND // 25, length_s * SECOND, longest_ms * 1_000_000)
    assert sum(s.frames for s in segments) == frames
    assert [s.index for s in segments] == list(range(len(segments)))
    assert segments[0].start_ns == 0
    assert segments[-1].stop_ns is None
    for one, two in pairwise(segments):
        assert one.stop_ns == two.start_ns
        assert two.start_ns in {key.pts_ns for key in keys}
        assert two.start_ns - one.start_ns >= length_s * SECOND
        assert one.until_ns is not None
        assert one.until_ns - two.start_ns >= 500_000_000 + 3 * longest_ms * 1_000_000  # exceeds any window
        assert two.warm_ns < two.start_ns
        assert two.key is not None
        assert two.key.pts_ns <= two.warm_ns
    assert not any(one.owns(two.start_ns) for one, two in pairwise(segments))
    assert segments[0].key is None, "the first begins at the file's beginning, wherever its first key is"
    for key in keys:
        assert [s.index for s in segments if s.owns(key.pts_ns)] == [
            max(s.index for s in segments if s.start_ns <= key.pts_ns)
        ], "every time belongs to one segment"


def test_a_short_file_is_one_segment() -> None:
    keys = [KeyPicture(n, n * SECOND, n * 25) for n in range(400)]
    assert len(plan_segments(keys, 10_000, 400 * SECOND, 300 * SECOND, SECOND)) == 1
    assert len(plan_segments(keys, 11_500, 460 * SECOND, 300 * SECOND, SECOND)) == 2
    assert replace(TWO[0], stop_ns=None).owns(10**18)
