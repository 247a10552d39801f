"""The ladder of what is given up under overload, and the shares of a batch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.core.overload import Overload, OverloadSettings
from stream_mer.core.sharing import share

SECOND = 1_000_000_000
LEVELS = ("all", "cheaper", "bicubic", "fewer detections", "dropping")


def drive(ladder: Overload, start_s: float, seconds: float, backlog: float, lost: int = 0) -> list[int]:
    """Readings every 0.1 s; the levels that were reached."""
    levels = []
    for tick in range(round(seconds * 10)):
        change = ladder.push(round((start_s + tick / 10) * SECOND) + 1, backlog, lost)
        if change is not None:
            levels.append(change.level)
    return levels


def test_gives_up_one_thing_after_the_other_and_takes_all_back() -> None:
    ladder = Overload(LEVELS)
    assert drive(ladder, 0, 5, 1.0) == [1, 2, 3, 4]
    assert ladder.name == "dropping"
    assert drive(ladder, 5, 30, 0.0) == [3, 2, 1, 0]


def test_a_burst_changes_nothing() -> None:
    ladder = Overload(LEVELS)
    for second in range(20):
        assert drive(ladder, second, 0.3, 1.0) == []
        assert drive(ladder, second + 0.3, 0.7, 0.0) == []


def test_lost_frames_press_even_if_the_queue_looks_short() -> None:
    assert drive(Overload(LEVELS), 0, 1.0, 0.0, lost=1)[:1] == [1]


def test_between_high_and_low_nothing_moves() -> None:
    ladder = Overload(LEVELS)
    drive(ladder, 0, 1.0, 1.0)
    level = ladder.level
    assert drive(ladder, 1, 100, 0.4) == []
    assert ladder.level == level


def test_recovery_that_does_not_last_is_tried_again_later_and_later() -> None:
    ladder, now, waits = Overload(LEVELS[:2]), 0.0, []
    for _ in range(6):
        assert drive(ladder, now, 0.6, 1.0) == [1]
        now += 0.6
        start = now
        while ladder.level:
            drive(ladder, now, 0.1, 0.0)
            now += 0.1
        waits.append(now - start)
    assert waits == sorted(waits)
    assert waits[0] == pytest.approx(5, abs=0.3)
    assert waits[-1] == pytest.approx(60, abs=0.5), "bounded"


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3)), max_size=300))
def test_moves_one_level_at_a_time_and_stays_on_the_ladder(readings: list[tuple[float, int]]) -> None:
    ladder, level = Overload(LEVELS), 0
    for tick, (backlog, lost) in enumerate(readings):
        change = ladder.push(tick * SECOND // 5, backlog, lost)
        if change is not None:
            assert change.before == level
            assert abs(change.level - level) == 1
            assert change.name == LEVELS[change.level]
            assert (change.level > level) == (backlog >= 0.5 or lost > 0)
            level = change.level
        assert ladder.level == level


@pytest.mark.parametrize("wrong", [{"high": 0.2}, {"pressed_s": 0.0}, {"calm_s": 100.0}])
def test_settings_that_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="need"):
        OverloadSettings(**wrong)
    with pytest.raises(ValueError, match="two levels"):
        Overload(("all",))


@given(
    st.dictionaries(st.integers(0, 9), st.integers(0, 40), max_size=10),
    st.permutations(list(range(10))),
    st.integers(1, 33),
)
def test_shares_are_whole_fair_and_used(waiting: dict[int, int], turn: list[int], places: int) -> None:
    given_out = share(waiting, turn, places)
    assert sum(given_out.values()) == min(places, sum(waiting.values()))
    for number, count in given_out.items():
        assert 1 <= count <= waiting[number]
    for one, asked in waiting.items():
        if given_out.get(one, 0) < asked:  # still waits: nobody got two more
            assert all(count <= given_out.get(one, 0) + 1 for count in given_out.values())
