"""The pictures are made, small, and show what they were given."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from stream_mer.core.operating import THRESHOLDS, CountTable
from stream_mer.training.spotting_figures import (
    Curve,
    draw_confusion,
    draw_operating_curves,
    draw_precision_recall,
    draw_recall,
    draw_reliability,
)


def table(recall: float) -> CountTable:
    k = len(THRESHOLDS)
    found = np.round(20 * recall * np.linspace(1, 0, k))
    false = np.round(30 * np.linspace(1, 0, k) ** 3)
    one = np.stack([found, false, 20 - found, found], 1)
    return CountTable(THRESHOLDS, np.stack([one, one]), np.full(2, 1.5), ("a", "b"))


def ink(path: Path) -> int:
    picture = cv2.imread(str(path))
    assert picture is not None
    assert path.stat().st_size < 200_000
    return int((picture.min(2) < 200).sum())


def test_curves_with_and_without_a_shipped_point(tmp_path: Path) -> None:
    plain, shipped = tmp_path / "a.png", tmp_path / "b.png"
    draw_operating_curves(plain, {"native": Curve(table(0.8))}, "title")
    draw_operating_curves(shipped, {"native": Curve(table(0.8), 0.9)}, "title")
    assert ink(shipped) != ink(plain)
    draw_precision_recall(tmp_path / "c.png", {"native": Curve(table(0.8), 0.9)}, "title")
    assert ink(tmp_path / "c.png") > 500


def test_reliability_confusion_and_observability(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0.3, 1, 400)
    draw_reliability(tmp_path / "r.png", {"native": (p, rng.random(400) < p)}, "title")
    draw_confusion(tmp_path / "m.png", np.diag([5, 4, 3, 2, 1]), "title")
    shares = np.array([[np.nan, 0.5], [0.9, 1.0]])
    draw_recall(
        tmp_path / "o.png", shares, np.full((2, 2), 8), ["50 ms", "0.1 s"], ["30", "200"], "title", ("a", "b")
    )
    for name in "rmo":
        assert ink(tmp_path / f"{name}.png") > 500


def test_the_same_numbers_give_the_same_file(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        draw_confusion(tmp_path / name, np.diag([5, 4, 3, 2, 1]), "title")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
