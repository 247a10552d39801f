"""Times only go forward, no picture is dropped, and good stamps are left alone."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.capture.timeline import NUDGE_NS, Stamp, Timeline, round_ns

MS = 1_000_000
STAMPS = st.lists(st.none() | st.fractions(min_value=-100, max_value=100_000), min_size=1, max_size=60)


def place_all(raw: list[Fraction | None], *, live: bool = False, step_ms: int = 40) -> list[Stamp]:
    timeline = Timeline(step_ms * MS, live=live)
    return [timeline.place(stamp) for stamp in raw]


def ms(*values: float | None) -> list[Fraction | None]:
    return [None if value is None else Fraction(value) / 1000 for value in values]


@given(STAMPS, st.booleans())
def test_strictly_forward_from_zero(raw: list[Fraction | None], live: bool) -> None:
    stamps = place_all(raw, live=live)
    assert len(stamps) == len(raw)
    assert stamps[0].pts_ns == 0
    assert stamps[0].epoch == 0
    for before, after in itertools.pairwise(stamps):
        assert after.pts_ns > before.pts_ns
        assert after.epoch - before.epoch == (after.mended == "break")


@given(
    st.lists(st.integers(1, 10**7), min_size=1, max_size=80),
    st.integers(-(10**9), 10**9),
    st.sampled_from([Fraction(1, 25), Fraction(1001, 30000), Fraction(1, 90000), Fraction(1, 15360)]),
)
def test_good_stamps_are_exact_and_only_rebased(steps: list[int], start: int, base: Fraction) -> None:
    ticks = [start]
    for step in steps:
        ticks.append(ticks[-1] + step)
    stamps = place_all([tick * base for tick in ticks])
    exact = [(tick - start) * base * 10**9 for tick in ticks]
    assert all(
        abs(stamp.pts_ns - value) <= Fraction(1, 2) for stamp, value in zip(stamps, exact, strict=True)
    )
    assert all(stamp.mended == "" for stamp in stamps)


def test_gap_in_a_file_stays_visible() -> None:
    stamps = place_all(ms(0, 40, 3_600_040, 3_600_080))
    assert [s.pts_ns // MS for s in stamps] == [0, 40, 3_600_040, 3_600_080]
    assert {s.epoch for s in stamps} == {0}


def test_negative_start_is_rebased() -> None:
    assert [s.pts_ns // MS for s in place_all(ms(-80, -40, 0))] == [0, 40, 80]


def test_repeated_stamp_is_nudged_and_the_next_keeps_its_time() -> None:
    stamps = place_all(ms(0, 40, 40, 80))
    assert [s.pts_ns for s in stamps] == [0, 40 * MS, 40 * MS + NUDGE_NS, 80 * MS]
    assert [s.mended for s in stamps] == ["", "", "repeated", ""]


def test_swapped_pictures_are_nudged() -> None:
    stamps = place_all(ms(0, 80, 40, 120))
    assert [s.pts_ns for s in stamps] == [0, 80 * MS, 80 * MS + NUDGE_NS, 120 * MS]
    assert stamps[2].mended == "backward"


def test_constant_stamps_fall_back_to_the_rate() -> None:
    stamps = place_all(ms(*[7] * 30))
    assert stamps[-1].pts_ns - stamps[-2].pts_ns == 40 * MS


def test_missing_stamps_follow_the_rate_and_meet_the_next_good_one() -> None:
    stamps = place_all(ms(None, None, 500, 540, None, 620))
    assert [s.pts_ns // MS for s in stamps] == [0, 40, 80, 120, 160, 200]
    assert [s.mended for s in stamps] == ["missing", "missing", "", "", "missing", ""]


def test_big_step_back_is_a_new_epoch() -> None:
    stamps = place_all(ms(0, 40, 80, 0, 40))
    assert [s.pts_ns // MS for s in stamps] == [0, 40, 80, 81, 82]  # a small one is nudged
    stamps = place_all(ms(0, 400, 800, 0, 400))
    assert [(s.pts_ns // MS, s.epoch) for s in stamps] == [(0, 0), (400, 0), (800, 0), (840, 1), (1240, 1)]


def test_live_jump_against_the_wall_clock_is_a_new_epoch() -> None:
    timeline = Timeline(40 * MS, live=True)
    arrivals = [0, 40, 80, 120]
    stamps = [
        timeline.place(raw, at * MS) for raw, at in zip(ms(0, 40, 90_000, 90_040), arrivals, strict=True)
    ]
    assert [(s.pts_ns // MS, s.epoch) for s in stamps] == [(0, 0), (40, 0), (80, 1), (120, 1)]


def test_live_outage_that_the_clock_saw_too_stays_a_gap() -> None:
    timeline = Timeline(40 * MS, live=True)
    stamps = [timeline.place(raw, at * MS) for raw, at in zip(ms(0, 15_000), [0, 15_100], strict=True)]
    assert [(s.pts_ns // MS, s.epoch) for s in stamps] == [(0, 0), (15_000, 0)]


def test_step_must_be_positive() -> None:
    with pytest.raises(ValueError, match="step_ns"):
        Timeline(0)


@given(st.fractions(min_value=-1000, max_value=1000))
def test_rounding_is_to_the_nearest(value: Fraction) -> None:
    assert abs(round_ns(value) - value * 10**9) <= Fraction(1, 2)
