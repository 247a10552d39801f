"""Nobody is on both sides of a split, except where that is the point."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.core.splits import Split, aside, frame_random, inner_folds, leave_one_out, subject_disjoint

people = st.lists(st.integers(0, 9), min_size=4, max_size=60)


@given(people.filter(lambda g: len(set(g)) >= 2))
def test_leave_one_out_tests_everybody_once(groups: list[int]) -> None:
    splits = leave_one_out(groups)
    assert sorted(i for split in splits for i in split.test) == list(range(len(groups)))
    for split in splits:
        assert {groups[i] for i in split.test}.isdisjoint(groups[i] for i in split.train)
        assert len(split.train) + len(split.test) == len(groups)


@given(people.filter(lambda g: len(set(g)) >= 2), st.integers(2, 6))
def test_inner_folds_never_see_the_outer_test(groups: list[int], count: int) -> None:
    for outer in leave_one_out(groups):
        for inner in inner_folds(outer, groups, count):
            assert set(inner.train) | set(inner.test) <= set(outer.train)
            assert groups[outer.test[0]] not in {groups[i] for i in (*inner.train, *inner.test)}
            if len({groups[i] for i in outer.train}) > 1:
                assert {groups[i] for i in inner.test}.isdisjoint(groups[i] for i in inner.train)


def test_inner_folds_test_every_training_sample_once() -> None:
    groups = [i // 3 for i in range(21)]
    outer = leave_one_out(groups)[2]
    tested = sorted(i for inner in inner_folds(outer, groups) for i in inner.test)
    assert tested == sorted(outer.train)


@given(st.integers(10, 500), st.integers(0, 99))
def test_frame_random_deals_out_everything(count: int, seed: int) -> None:
    split = frame_random(count, seed)
    assert sorted((*split.train, *split.test, *split.validation)) == list(range(count))
    assert len(split.train) == round(0.7 * count)
    assert abs(len(split.test) - 0.2 * count) <= 1


def test_frame_random_is_seeded_and_mixes_people() -> None:
    groups = [i // 20 for i in range(100)]
    split = frame_random(100, 1)
    assert split == frame_random(100, 1) != frame_random(100, 2)
    assert not {groups[i] for i in split.test}.isdisjoint(groups[i] for i in split.train)


@given(people.filter(lambda g: len(set(g)) >= 3), st.integers(0, 9))
def test_subject_disjoint(groups: list[int], seed: int) -> None:
    split = subject_disjoint(groups, seed)
    sides = [{groups[i] for i in part} for part in (split.train, split.test, split.validation)]
    assert all(sides)
    assert sum(map(len, sides)) == len(set(groups)), "each subject on one side"
    assert sorted((*split.train, *split.test, *split.validation)) == list(range(len(groups)))


def test_subject_disjoint_comes_near_the_shares() -> None:
    split = subject_disjoint([i // 10 for i in range(260)], 3)
    assert [len(part) / 260 for part in (split.train, split.test, split.validation)] == pytest.approx(
        [0.7, 0.2, 0.1], abs=0.03
    )


@given(st.integers(2, 30))
def test_inner_folds_of_one_person_are_two_halves(count: int) -> None:
    """Nothing better is there: somebody must be chosen by, and it is never the outer test."""
    outer = Split("x", tuple(range(1, count + 1)), (0,))
    (inner,) = inner_folds(outer, ["test"] + ["a"] * count)
    assert sorted((*inner.train, *inner.test)) == sorted(outer.train)
    assert abs(len(inner.train) - len(inner.test)) <= 1


@given(people.filter(lambda g: len(set(g)) >= 2), st.integers(0, 9))
def test_a_part_without_a_share_gets_nobody(groups: list[int], seed: int) -> None:
    split = subject_disjoint(groups, seed, (0.8, 0.2, 0.0))
    assert split.validation == ()
    assert split.train
    assert split.test


def test_who_is_set_aside_never_changes() -> None:
    """The shipped classifier never learnt from these: another answer would test it on people it knows."""
    assert [k for k in range(30) if aside(f"person{k}")] == [1, 5, 13, 16, 24]
    assert sum(aside(f"p{k}") for k in range(2000)) / 2000 == pytest.approx(0.15, abs=0.02)


def test_refusals() -> None:
    with pytest.raises(ValueError, match="two groups or more, got 1"):
        leave_one_out(["a", "a"])
    with pytest.raises(ValueError, match="as many subjects or more, got 2"):
        subject_disjoint(["a", "b"], 0)
    with pytest.raises(ValueError, match="sum to 1"):
        frame_random(10, 0, (0.7, 0.2, 0.2))
    for shares in ((0.7, 0.2, 0.2), (1.2, -0.2, 0.0), (1.0, 0.0, 0.0), (0.0, 0.9, 0.1)):
        with pytest.raises(ValueError, match="sum to 1"):
            subject_disjoint(["a", "b", "c"], 0, shares)
    with pytest.raises(ValueError, match="a sample is in two parts"):
        Split("x", (1, 2), (2,))
