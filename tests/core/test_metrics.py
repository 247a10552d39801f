"""Metrics against hand-worked cases and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.core.metrics import (
    SpottingCount,
    confusion_matrix,
    count_spotting,
    excused,
    interval_iou,
    match_intervals,
    match_spotting,
    mse,
    psnr,
    uar,
    uf1,
)

intervals = st.tuples(st.integers(0, 100), st.integers(1, 40)).map(lambda p: (p[0], p[0] + p[1]))


@given(intervals, intervals)
def test_iou_equals_counting_integers(a: tuple[int, int], b: tuple[int, int]) -> None:
    sa, sb = set(range(*a)), set(range(*b))
    assert interval_iou(a, b) == pytest.approx(len(sa & sb) / len(sa | sb))


def test_spotting_by_hand() -> None:
    # found 1 matches true 1 (IoU 0.8); found 2 overlaps true 2 by 0.25 only; true 3 is missed.
    count = count_spotting([(0, 8), (20, 30)], [(0, 10), (26, 36), (50, 60)])
    assert count == SpottingCount(1, 1, 2)
    assert count.f1 == pytest.approx(0.4)
    assert (count + SpottingCount(1, 0, 0)).recall == pytest.approx(0.5)


@given(st.lists(intervals, max_size=12), st.lists(intervals, max_size=12))
def test_matches_are_one_to_one_and_good_enough(found: list, true: list) -> None:
    pairs = match_intervals(found, true)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(interval_iou(found[i], true[j]) >= 0.5 for i, j in pairs)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=80))
def test_uf1_and_uar_equal_scikit_learn(rows: list[tuple[int, int]]) -> None:
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    true, predicted = (np.array(c) for c in zip(*rows, strict=True))
    matrix = confusion_matrix(true, predicted, 5)
    present = np.unique(true)
    f1 = sklearn_metrics.f1_score(true, predicted, average="macro", labels=present, zero_division=0)
    recall = sklearn_metrics.recall_score(true, predicted, average="macro", labels=present, zero_division=0)
    assert uf1(matrix) == pytest.approx(f1)
    assert uar(matrix) == pytest.approx(recall)


def test_counts_add_up_before_any_ratio() -> None:
    total = SpottingCount(3, 1, 2) + SpottingCount(1, 4, 0)
    assert total == SpottingCount(4, 5, 2)
    assert (total.precision, total.recall, total.f1) == pytest.approx((4 / 9, 4 / 6, 8 / 15))
    nothing = SpottingCount(0, 0, 0)
    assert (nothing.precision, nothing.recall, nothing.f1) == (0, 0, 0)
    none = np.zeros((2, 2), np.int64)
    assert (uf1(none), uar(none)) == (0, 0)


def test_the_better_overlap_gets_the_truth_and_equal_ones_go_in_order() -> None:
    assert match_intervals([(0, 10), (1, 10)], [(1, 10)]) == [(1, 0)]
    assert match_intervals([(0, 10), (0, 10)], [(0, 10), (0, 10)]) == [(0, 0), (1, 1)]
    assert match_intervals([(0, 5)], [(0, 10)]) == [(0, 0)]
    assert match_intervals([(0, 49)], [(0, 100)]) == []


@pytest.mark.parametrize(("true", "predicted"), [([0, -1], [0, 1]), ([0, 1], [0, -1]), ([0, 2], [0, 1])])
def test_a_sample_without_a_class_is_not_counted_as_one_of_the_last(
    true: list[int], predicted: list[int]
) -> None:
    with pytest.raises(ValueError, match="classes must be 0 to 1"):
        confusion_matrix(np.array(true, np.intp), np.array(predicted, np.intp), 2)


def test_psnr_equals_scikit_image() -> None:
    skimage_metrics = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    assert psnr(a, b) == pytest.approx(skimage_metrics.peak_signal_noise_ratio(a, b, data_range=255))
    assert psnr(a, a) == float("inf")
    assert mse(a, a) == 0


@pytest.mark.parametrize(
    ("found", "true", "unclear", "wanted"),
    [
        ([(100, 200)], [], [(120, 160)], {0}),  # covers it
        ([(100, 200)], [], [(60, 300)], {0}),  # lies in it
        ([(100, 200)], [], [(150, 250)], {0}),  # half of it
        ([(100, 200)], [], [(151, 251)], set()),
        ([(100, 200)], [], [(200, 300)], set()),
        ([(100, 200)], [(190, 290)], [(120, 160)], set()),  # meets what can be asked for
        ([(100, 150), (160, 200)], [], [(100, 200)], {0}),  # one report each
        ([(100, 150), (160, 200)], [], [(90, 152), (158, 210)], {0, 1}),
        ([], [(1, 2)], [(3, 4)], set()),
    ],
)
def test_only_what_meets_something_unclear_alone_and_by_half_is_excused(
    found: list[tuple[int, int]],
    true: list[tuple[int, int]],
    unclear: list[tuple[int, int]],
    wanted: set[int],
) -> None:
    assert excused(found, true, unclear) == wanted


@given(*[st.lists(intervals, max_size=10)] * 3)
def test_everything_found_or_true_is_counted_once_or_excused(found: list, true: list, unclear: list) -> None:
    matching = match_spotting(found, true, unclear)
    hit = [i for i, _ in matching.hits]
    rest = [i for i in range(len(found)) if i not in hit]
    excuses = {rest[k] for k in excused([found[i] for i in rest], true, unclear)}
    assert sorted([*hit, *matching.false, *excuses]) == list(range(len(found)))
    assert sorted([*(j for _, j in matching.hits), *matching.missed]) == list(range(len(true)))
    assert matching.hits == match_intervals(found, true)
