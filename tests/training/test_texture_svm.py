"""The SVM baseline learns motions it can see and nothing from noise; people never cross its folds."""

from __future__ import annotations

import numpy as np
import pytest

from stream_mer.training.texture_svm import FEATURES, classify_by_texture

SIDE, LENGTH = 32, 9


def clip(kind: int, seed: int) -> np.ndarray:
    """A textured square that drifts right (0), down (1) or stays (2)."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(40, 215, (SIDE + LENGTH, SIDE + LENGTH))
    base = (base + np.roll(base, 1, 0) + np.roll(base, 1, 1) + np.roll(base, (1, 1), (0, 1))) / 4
    frames = [
        base[(t if kind == 1 else 0) :, (t if kind == 0 else 0) :][:SIDE, :SIDE]
        + rng.normal(0, 1, (SIDE, SIDE))
        for t in range(LENGTH)
    ]
    return np.clip(np.stack(frames), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", FEATURES)
def test_drifts_are_told_apart_on_unseen_people(name: str) -> None:
    labels = np.arange(24) % 3
    known = [clip(int(k), i) for i, k in enumerate(labels)]
    people = [f"p{i // 6}" for i in range(24)]
    asked = np.arange(9) % 3
    unseen = [clip(int(k), 100 + i) for i, k in enumerate(asked)]
    said = classify_by_texture(name, known, labels, people, unseen)
    assert said.shape == (9,)
    assert (said == asked).mean() >= 0.75


def test_shuffled_labels_teach_nothing() -> None:
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(24) % 3)
    known = [clip(2, i) for i in range(24)]
    said = classify_by_texture(
        "LBP-TOP", known, labels, [f"p{i // 6}" for i in range(24)], [clip(2, 200 + i) for i in range(30)]
    )
    assert (said == np.arange(30) % 3).mean() < 0.7
