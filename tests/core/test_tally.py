"""The tally: coverage, effective frame rate, gaps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.core.tally import FORGET_FRAMES, KEPT_SPANS, Spans, Tally
from stream_mer.types import LABELS, Box, Event, FaceTrack, Frame, Result, Score, Similarity

PICTURE = np.zeros((2, 2, 3), np.uint8)


def result(index: int, pts_ns: int, *, epoch: int = 0, scores: tuple[Score, ...] = ()) -> Result:
    return Result(Frame(index, pts_ns, PICTURE, epoch), (), scores=scores)


def track(number: int) -> FaceTrack:
    return FaceTrack(number, 0, Box(0, 0, 92, 92), Similarity(1, 0, 0, 0), 92.0, 1.0)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 60)), max_size=40))
def test_spans_equal_the_union_in_any_order(rows: list[tuple[int, int]]) -> None:
    intervals = [(a, a + n) for a, n in sorted(rows, key=lambda r: r[0] + r[1] % 7 * 5)]
    spans = Spans()
    for interval in intervals:
        spans.add(interval)
    assert spans.length == len(set().union(*(range(*i) for i in intervals)))


def test_a_steady_stream() -> None:
    tally = Tally()
    for i in range(50):
        tally.push(result(i, i * 40_000_000))
    assert (tally.frames, tally.gaps) == (50, 0)
    assert tally.fps == pytest.approx(25)
    assert tally.duration_s == pytest.approx(2.0)
    assert tally.coverage == 0


def test_a_hole_is_a_gap_and_an_epoch_is_not() -> None:
    tally = Tally()
    for i in [*range(20), *range(25, 40)]:
        tally.push(result(i, i * 40_000_000))
    tally.push(result(41, 90 * 40_000_000, epoch=1))
    assert tally.gaps == 1


def test_coverage_counts_classified_time_once() -> None:
    tally = Tally()
    for i in range(25):
        scores = (Score(1, 0, 0, i * 40_000_000, 160_000_000, (0.0,) * 5),) if 5 <= i < 15 else ()
        tally.push(result(i, i * 40_000_000, scores=scores))
    assert tally.coverage == pytest.approx((9 * 0.04 + 0.16) / 1.0)


def test_a_repeated_result_adds_only_its_events() -> None:
    tally = Tally()
    tally.push(result(0, 0))
    tally.push(Result(Frame(0, 0, PICTURE), (), repeated=True))
    assert tally.frames == 1


def test_repeated_stamps_do_not_make_a_thousand_frames_a_second() -> None:
    tally = Tally()
    for i in range(60):
        tally.push(result(2 * i, i * 66_000_000))
        tally.push(result(2 * i + 1, i * 66_000_000 + 1_000_000))
    assert tally.fps == pytest.approx(1 / 0.065, rel=0.01)


def test_an_outage_between_epochs_is_not_streamed_time() -> None:
    tally = Tally()
    for i in range(25):
        tally.push(result(i, i * 40_000_000))
    for i in range(25):
        tally.push(result(25 + i, 600_000_000_000 + i * 40_000_000, epoch=1))
    assert tally.duration_s == pytest.approx(49 * 0.04, abs=0.05)


def test_faces_are_counted_once_and_not_remembered_for_weeks() -> None:
    tally = Tally()
    for i in range(FORGET_FRAMES + 500):
        shown = (track(i), track(i - 1)) if i < 400 else ()
        tally.push(Result(Frame(i, i * 40_000_000, PICTURE, 0), shown))
    assert tally.tracks == 401
    assert not tally._shown


def test_gaps_do_not_add_up_in_memory() -> None:
    spans = Spans()
    for i in range(20 * KEPT_SPANS):
        spans.add((10 * i, 10 * i + 4))
        spans.add((10 * i + 2, 10 * i + 5))
    assert spans.length == 5 * 20 * KEPT_SPANS
    assert len(spans.merged) <= KEPT_SPANS


def test_two_halves_counted_apart_add_up_to_the_whole() -> None:
    """An archive's segments are tallied apart; each is told the time of the frame before its first."""
    times = [i * 40_000_000 for i in range(30) if i not in (7, 8, 20)]
    whole = Tally()
    for i, t in enumerate(times):
        whole.push(result(i, t))
    first, second = Tally(), Tally()
    for i, t in enumerate(times[:15]):
        first.push(result(i, t))
    second.follow(result(14, times[14]))
    for i, t in enumerate(times[15:]):
        second.push(result(i, t))
    total = total_of(first, second)
    assert (total.streamed_ns, total.gaps) == (whole.streamed_ns, whole.gaps)
    assert total.distances == whole.distances
    assert total.fps == whole.fps


def total_of(*parts: Tally) -> Tally:
    total = Tally()
    for part in parts:
        total.add(part.streamed_ns, part.gaps, part.distances)
    return total


def test_events_are_counted_over_all_results() -> None:
    event = Event("", "s", 0, 1, 0, 1, 2, LABELS[0], 0.9, (0.9, 0, 0, 0, 0), 92.0, False)
    tally = Tally()
    for i, found in enumerate([(event,), (), (event, event)]):
        tally.push(replace(result(i, i * 40_000_000), events=found))
    assert tally.events == 3


def test_before_the_second_frame_there_is_no_rate_and_never_more_than_all_is_classified() -> None:
    tally = Tally()
    assert (tally.fps, tally.duration_s, tally.coverage) == (0.0, 0.0, 0.0)
    tally.push(result(0, 0))
    assert (tally.fps, tally.coverage) == (0.0, 0.0)
    beyond = (Score(1, 0, 0, 40_000_000, 400_000_000, (0.0,) * 5),)
    tally.push(result(1, 40_000_000, scores=beyond))
    assert tally.coverage == 1.0


def test_a_face_that_stays_is_one_face_however_long() -> None:
    tally = Tally()
    for i in range(FORGET_FRAMES + 10):
        tally.push(replace(result(i, i * 1_000_000), tracks=(track(1),)))
    assert tally.tracks == 1


def faces(seed: int, count: int = 90) -> list[Result]:
    """A face in camera noise; every third picture is shown twice."""
    rng, rgb, out = np.random.default_rng(seed), PICTURE, []
    for i in range(count):
        if i % 3 != 2:
            rgb = rng.integers(100, 110, (120, 120, 3), np.uint8)
        out.append(
            replace(result(i, i * 40_000_000), frame=Frame(i, i * 40_000_000, rgb), tracks=(track(1),))
        )
    return out


def test_repeated_pictures_of_the_largest_face_are_counted() -> None:
    tally = Tally()
    for one in faces(1):
        tally.push(one)
    assert (tally.compared, tally.repeats) == (89, 30)


def test_frames_without_a_face_are_not_compared() -> None:
    tally = Tally()
    for i, one in enumerate(faces(2)):
        tally.push(one if i % 2 else replace(one, tracks=()))
    assert (tally.compared, tally.repeats) == (0, 0)


def test_repeats_are_counted_across_the_border_of_two_segments() -> None:
    results, first, second = faces(3), Tally(), Tally()
    for one in results[:44]:  # number 44 repeats 43
        first.push(one)
    for one in results[30:44]:
        second.follow(one)
    for one in results[44:]:
        second.push(one)
    assert (first.compared + second.compared, first.repeats + second.repeats) == (89, 30)
