"""Parity: what counts as the same numbers, at the edges of each tolerance."""

from __future__ import annotations

from math import inf, tanh
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tiny_networks import install, pictures, super_resolver

from stream_mer.runtime.open import open_engine
from stream_mer.runtime.parity import (
    BF16_LOGITS,
    BF16_PICTURES,
    F32_LOGITS,
    F32_PICTURES,
    compare_engines,
    compare_logits,
    compare_outputs,
    compare_pictures,
)

GREY = np.full((2, 50, 50, 2), 128, dtype=np.uint8)  # 10,000 values


def nudged(count: int, levels: int) -> np.ndarray:
    changed = GREY.copy()
    changed.reshape(-1)[:count] += np.uint8(levels)
    return changed


def test_identical_pictures() -> None:
    verdict = compare_pictures(GREY, GREY.copy(), F32_PICTURES)
    assert verdict.ok
    assert (verdict.max_abs, verdict.share, verdict.psnr_db) == (0, 0.0, inf)
    assert verdict.reason == "identical"


@pytest.mark.parametrize(
    ("count", "levels", "ok", "told"),
    [(10, 1, True, "78.1 dB"), (11, 1, False, "0.11% of values"), (1, 2, False, "largest difference 2 > 1")],
)
def test_f32_pictures_may_differ_by_a_level_in_a_thousand(
    count: int, levels: int, ok: bool, told: str
) -> None:
    verdict = compare_pictures(GREY, nudged(count, levels), F32_PICTURES)
    assert verdict.ok is ok
    assert told in verdict.reason


def test_the_difference_does_not_wrap_around() -> None:
    dark, light = np.zeros((1, 4, 4, 3), np.uint8), np.full((1, 4, 4, 3), 255, np.uint8)
    assert compare_pictures(dark, light, F32_PICTURES).max_abs == 255
    assert compare_pictures(light, dark, F32_PICTURES).max_abs == 255


def test_bf16_pictures_need_45_db() -> None:
    assert compare_pictures(GREY, nudged(10_000, 1), BF16_PICTURES).ok  # 48.1 dB
    coarse = compare_pictures(GREY, nudged(10_000, 2), BF16_PICTURES)  # 42.1 dB
    assert not coarse.ok
    assert coarse.psnr_db == pytest.approx(10 * np.log10(255**2 / 4))
    assert compare_pictures(GREY, nudged(1, 16), BF16_PICTURES).ok
    assert not compare_pictures(GREY, nudged(1, 17), BF16_PICTURES).ok


LOGITS = np.array([[3.0, 1.0, 0.0], [0.05, 0.0, -2.0]], dtype=np.float32)


def test_logits_within_and_beyond() -> None:
    assert compare_logits(LOGITS, LOGITS + np.float32(5e-4), F32_LOGITS).ok
    beyond = compare_logits(LOGITS, LOGITS + np.float32(2e-3), F32_LOGITS)
    assert not beyond.ok
    assert "largest difference" in beyond.reason


def test_every_flipped_decision_counts_and_one_in_a_hundred_may() -> None:
    near = np.tile(LOGITS[1], (100, 1))  # the two best are .05 apart, less than bf16 may move them
    one, two = near.copy(), near.copy()
    one[:1, :2] = two[:2, :2] = 0.0, 0.05
    passed, refused = compare_logits(near, one, BF16_LOGITS), compare_logits(near, two, BF16_LOGITS)
    assert (passed.ok, passed.agreement) == (True, 0.99)
    assert (refused.ok, refused.agreement) == (False, 0.98)
    assert refused.max_abs <= BF16_LOGITS.max_abs


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_a_number_is_never_parity(bad: float) -> None:
    broken = LOGITS.copy()
    broken[0, 0] = bad
    assert not compare_logits(LOGITS, broken, BF16_LOGITS).ok


def test_other_shapes_types_or_counts_are_not_parity() -> None:
    assert not compare_pictures(GREY, GREY[:1], BF16_PICTURES).ok
    assert not compare_logits(LOGITS, LOGITS.astype(np.float64), BF16_LOGITS).ok
    assert not compare_outputs((GREY,), (GREY, GREY), "f32").ok
    assert not compare_outputs((), (), "f32").ok


def test_the_worst_output_speaks() -> None:
    verdict = compare_outputs((GREY, LOGITS), (GREY, LOGITS + np.float32(1)), "bf16")
    assert not verdict.ok
    assert verdict.max_abs == pytest.approx(1.0)
    assert compare_outputs((LOGITS,), (LOGITS + np.float32(0.05),), "bf16").ok
    assert not compare_outputs((LOGITS,), (LOGITS + np.float32(0.05),), "f32").ok


@given(
    hnp.arrays(np.float64, (6,), elements=st.floats(-8, 8)),
    hnp.arrays(np.float64, (6,), elements=st.floats(-1, 1)),
    st.sampled_from([F32_LOGITS, BF16_LOGITS]),
)
def test_the_tolerance_bounds_the_probabilities_as_it_says(
    logits: np.ndarray, noise: np.ndarray, tolerance: object
) -> None:
    largest = tolerance.max_abs  # type: ignore[attr-defined]

    def probabilities(values: np.ndarray) -> np.ndarray:
        return np.exp(values) / np.exp(values).sum()

    moved = np.abs(probabilities(logits + largest * noise) - probabilities(logits)).max()
    assert moved <= tanh(largest) / 2 + 1e-12


def test_engines_that_differ_are_told_apart(tmp_path: Path) -> None:
    reference = open_engine(install(tmp_path, "a", super_resolver()), backend="onnxruntime", threads=1)
    brighter = open_engine(install(tmp_path, "b", super_resolver(shift=2.0)), threads=1)
    verdict = compare_engines(reference, brighter, pictures(2))
    assert not verdict.ok
    assert verdict.max_abs == pytest.approx(2, abs=1)
