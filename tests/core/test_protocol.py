"""Protocol scores: against scikit-learn, and worked by hand from the protocols' definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.core.metrics import SpottingCount, confusion_matrix
from stream_mer.core.protocol import (
    Fold,
    VideoIntervals,
    analysis_f1,
    bootstrap,
    class_figures,
    honest_predictions,
    label_f1,
    leaked_predictions,
    macro_precision,
    spotting_by_kind,
    strs,
)

pairs = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60)


@given(pairs)
def test_class_figures_and_precision_equal_scikit_learn(rows: list[tuple[int, int]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    true, said = (np.array(c) for c in zip(*rows, strict=True))
    present = np.unique(true)
    found = class_figures(true, said, 3)
    options = {"average": "macro", "labels": present, "zero_division": 0}
    assert found.accuracy == pytest.approx(metrics.accuracy_score(true, said))
    assert found.uf1 == pytest.approx(metrics.f1_score(true, said, **options))
    assert found.uar == pytest.approx(metrics.recall_score(true, said, **options))
    precision = metrics.precision_score(true, said, **options)
    assert macro_precision(confusion_matrix(true, said, 3)) == pytest.approx(precision)


@given(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=30))
def test_label_f1_equals_scikit_learn(rows: list[list[bool]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    table = np.array(rows)
    true, said = table[:, :3], table[:, 3:]
    mean, each = label_f1(true, said)
    assert each == pytest.approx(metrics.f1_score(true, said, average=None, zero_division=0))
    assert mean == pytest.approx(metrics.f1_score(true, said, average="macro", zero_division=0))


def test_pooling_is_not_averaging() -> None:
    # Two subjects, two classes. Subject 1: 3 of 3 right (class 0). Subject 2: class 1 taken for 0.
    true, said = np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0])
    found = class_figures(true, said, 2)
    # Pooled by hand: class 0 has tp 3, fp 1 -> F1 6/7; class 1 has F1 0. A mean over folds: (1 + 0) / 2.
    assert found.uf1 == pytest.approx((6 / 7 + 0) / 2)
    assert (found.accuracy, found.uar, found.samples) == (0.75, 0.5, 4)


def test_spotting_by_kind_by_hand() -> None:
    videos = [
        # micro: one hit (IoU 8/10), one false; macro: the true one missed, the found one is a micro's place
        VideoIntervals(
            {"micro": [(0, 8), (100, 110)], "macro": [(0, 10)]}, {"micro": [(0, 10)], "macro": [(50, 90)]}
        ),
        VideoIntervals({"macro": [(5, 25)]}, {"micro": [(7, 9)], "macro": [(5, 30)]}),
    ]
    counts = spotting_by_kind(videos)
    assert counts["micro"] == SpottingCount(1, 1, 1)
    assert counts["macro"] == SpottingCount(1, 1, 1)
    assert counts["overall"] == SpottingCount(2, 2, 2)
    assert counts["overall"].f1 == 0.5


def test_half_overlap_is_enough_and_less_is_not() -> None:
    assert spotting_by_kind([VideoIntervals({"micro": [(0, 10)]}, {"micro": [(0, 20)]})])["micro"].tp == 1
    assert spotting_by_kind([VideoIntervals({"micro": [(0, 9)]}, {"micro": [(0, 20)]})])["micro"].tp == 0


def test_strs_reproduces_published_figures() -> None:
    # MEGC 2025, SAMM: 6 TP, 217 FP, 202 FN; F1 0.0278, and STRS 0.0062 with an analysis F1 of 0.2222.
    spotting = SpottingCount(6, 217, 202)
    assert spotting.f1 == pytest.approx(0.0278, abs=5e-5)
    # Three classes, of which the recalls are 1/2, 0, 0 and the precisions 1, 0, 0: means 1/6 and 1/3.
    confusion = np.array([[1, 1, 0], [0, 0, 2], [0, 2, 0]])
    assert macro_precision(confusion) == pytest.approx(1 / 3)
    assert analysis_f1(confusion) == pytest.approx(0.2222, abs=5e-5)
    assert strs(spotting, confusion) == pytest.approx(0.0062, abs=5e-5)


def test_strs_is_the_product() -> None:
    # MEAN on CASME II: 0.6516 * 0.5927 = 0.3862.
    count = SpottingCount(6516, 6968, 0)
    assert count.f1 == pytest.approx(0.6516, abs=1e-4)
    right = np.array([[5927, 4073], [4073, 5927]])
    assert analysis_f1(right) == pytest.approx(0.5927)
    assert strs(count, right) == pytest.approx(0.3862, abs=1e-4)
    assert strs(SpottingCount(0, 0, 5), np.zeros((3, 3), int)) == 0.0


def test_bootstrap_covers_and_narrows() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0.5, 0.1, 400)
    few = bootstrap(lambda i: float(values[i[i < 400]].mean()), [n // 40 for n in range(400)])
    many = bootstrap(lambda i: float(values[i].mean()), list(range(400)))
    assert few.low <= few.value <= few.high
    assert many.value == pytest.approx(values.mean())
    # Known: a mean's 95 % interval is +- 1.96 standard errors.
    assert many.high - many.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.15)


def test_bootstrap_draws_whole_people() -> None:
    # All samples of a person are equal: ten people, not four hundred samples.
    person = np.repeat(np.arange(10), 40)
    values = person.astype(float)
    by_person = bootstrap(lambda i: float(values[i].mean()), person.tolist())
    by_sample = bootstrap(lambda i: float(values[i].mean()), list(range(400)))
    assert by_person.high - by_person.low > 4 * (by_sample.high - by_sample.low)
    assert str(by_person) == f"{by_person.value:.3f} [{by_person.low:.3f}, {by_person.high:.3f}]"


FOLDS = [
    Fold((0, 1), np.array([[0, 0], [0, 1]]), np.array([0.9, 0.1])),
    Fold((2, 3), np.array([[1, 1], [1, 0]]), np.array([0.2, 0.8])),
]
TRUE = np.array([0, 1, 1, 1])


def test_honest_choice_looks_inside_only_and_leaking_looks_at_the_test() -> None:
    assert honest_predictions(FOLDS, 4).tolist() == [0, 0, 1, 0]
    assert leaked_predictions(FOLDS, TRUE).tolist() == [0, 1, 1, 1]


@given(st.integers(0, 10**6))
def test_leaking_never_looks_worse(seed: int) -> None:
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 3, 12)
    folds = [Fold((n, n + 1, n + 2), rng.integers(0, 3, (5, 3)), rng.random(5)) for n in (0, 3, 6, 9)]
    honest, leaked = honest_predictions(folds, 12), leaked_predictions(folds, true)
    assert (leaked == true).mean() >= (honest == true).mean()


def test_untested_samples_are_marked_and_shapes_checked() -> None:
    assert honest_predictions(FOLDS[:1], 4).tolist() == [0, 0, -1, -1]
    with pytest.raises(ValueError, match=r"must be \(epochs, samples\)"):
        Fold((0, 1), np.zeros((3, 1), int), np.zeros(3))
