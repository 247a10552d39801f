"""The motion gate: cheap when nothing happens, and nobody who walks in is missed."""

from __future__ import annotations

import numpy as np
import pytest

from stream_mer.face.boxes import detection_at
from stream_mer.face.gated import AFTER_A_CHANGE, AFTER_A_FACE, AT_LEAST_EVERY, GatedDetector
from stream_mer.types import Detection, ImageU8, Similarity

HEIGHT, WIDTH = 480, 640


class SeesTheBright:
    """Finds a "face" wherever a 32 px square is bright; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def detect(self, rgb: ImageU8) -> list[Detection]:
        self.asked += 1
        rows, columns = np.nonzero(rgb[..., 1] > 150)
        if len(rows) < 300:
            return []
        scale = 32 / 92
        x, y = columns.mean() - 64 * scale, rows.mean() - 64 * scale
        return [detection_at(Similarity(scale, 0.0, float(x), float(y)))]

    def close(self) -> None:
        """Nothing to free."""


def corridor(rng: np.random.Generator, noise: float = 4.0) -> ImageU8:
    scene = np.full((HEIGHT, WIDTH, 3), 90.0) + rng.normal(0, noise, (HEIGHT, WIDTH, 3))
    return scene.clip(0, 255).astype(np.uint8)


def with_face(rgb: ImageU8, x: int, y: int, level: int = 170) -> ImageU8:
    rgb = rgb.copy()
    rgb[max(y, 0) : max(y + 32, 0), max(x, 0) : max(x + 32, 0)] = level
    return rgb


def test_an_empty_noisy_scene_is_looked_at_rarely() -> None:
    rng, inner = np.random.default_rng(1), SeesTheBright()
    gate = GatedDetector(inner)
    for _ in range(200):
        assert gate.detect(corridor(rng)) == []
    assert inner.asked == gate.looked <= AFTER_A_CHANGE + 200 // AT_LEAST_EVERY


@pytest.mark.parametrize("speed_px", [1, 3, 12], ids=["creeping", "walking", "running"])
def test_who_walks_in_is_found_when_the_detector_could_find_them(speed_px: int) -> None:
    rng, inner = np.random.default_rng(2), SeesTheBright()
    gate = GatedDetector(inner)
    for _ in range(37):
        gate.detect(corridor(rng))
    for call in range(60):
        picture = with_face(corridor(rng), -32 + speed_px * call, 200)
        assert bool(gate.detect(picture)) == bool(SeesTheBright().detect(picture)), call


def test_a_face_that_appears_between_two_calls_is_found_at_once() -> None:
    rng = np.random.default_rng(3)
    gate = GatedDetector(SeesTheBright())
    for _ in range(23):
        gate.detect(corridor(rng))
    assert gate.detect(with_face(corridor(rng), 300, 200))


def test_a_still_face_is_never_left_out_and_one_missed_is_looked_for() -> None:
    rng, inner = np.random.default_rng(4), SeesTheBright()
    gate = GatedDetector(inner)
    still = with_face(corridor(rng, noise=0), 300, 200)
    for _ in range(50):
        assert gate.detect(still)
    dim = with_face(corridor(rng, noise=0), 300, 200, level=148)  # the detector misses it for a while
    before = inner.asked
    for _ in range(AFTER_A_FACE):
        gate.detect(dim)
    assert inner.asked - before == AFTER_A_FACE


def test_light_that_changes_slowly_makes_it_look_again() -> None:
    inner = SeesTheBright()
    gate = GatedDetector(inner)
    for level in range(60, 90):
        gate.detect(np.full((HEIGHT, WIDTH, 3), level, np.uint8))
    assert inner.asked >= 30 // 7


@pytest.mark.parametrize("size", [(480, 640), (7, 5), (17, 200), (1080, 1920)])
def test_any_size_and_a_change_of_size(size: tuple[int, int]) -> None:
    inner = SeesTheBright()
    gate = GatedDetector(inner)
    for _ in range(AFTER_A_CHANGE + 3):
        gate.detect(np.zeros((*size, 3), np.uint8))
    assert inner.asked == AFTER_A_CHANGE
    gate.detect(np.zeros((100, 100, 3), np.uint8))
    assert inner.asked == AFTER_A_CHANGE + 1


def test_it_adds_nothing_of_its_own() -> None:
    picture = with_face(np.full((HEIGHT, WIDTH, 3), 90, np.uint8), 100, 100)
    (one,), (two,) = GatedDetector(SeesTheBright()).detect(picture), SeesTheBright().detect(picture)
    assert one.box == two.box
