"""tOF and warping error: nothing for the truth itself, more for flicker, more for motion that is bent."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data

from stream_mer.core.degradation import area
from stream_mer.training import sr_temporal


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    return np.ascontiguousarray(skimage.data.astronaut()[40:168, 150:278])


def sequence(face: np.ndarray, noise: float = 0.0, seed: int = 0) -> sr_temporal.Sequence:
    return sr_temporal.moving(face, lambda hr, _: area(hr), noise, np.random.default_rng(seed))


def test_the_truth_follows_itself(face: np.ndarray) -> None:
    film = sequence(face)
    assert film.hr.shape == (sr_temporal.FRAMES, 128, 128, 3)
    assert film.lr.shape == (sr_temporal.FRAMES, 32, 32, 3)
    assert sr_temporal.flow_difference(film.hr, film.hr) == 0
    unmoved = sr_temporal.warping_error(film.hr, np.zeros_like(film.steps))
    assert sr_temporal.warping_error(film.hr, film.steps) < 0.5 * unmoved


def test_the_known_steps_are_the_motion_that_is_there(face: np.ndarray) -> None:
    film = sequence(face, seed=3)
    wrong_way = sr_temporal.warping_error(film.hr, -film.steps)
    assert wrong_way > 2 * sr_temporal.warping_error(film.hr, film.steps)


def test_flicker_and_frozen_frames_are_seen(face: np.ndarray) -> None:
    film, rng = sequence(face, seed=1), np.random.default_rng(2)
    noisy = np.clip(film.hr + rng.normal(0, 6, film.hr.shape), 0, 255).astype(np.uint8)
    frozen = np.repeat(film.hr[:1], len(film.hr), 0)
    for bad in (noisy, frozen):
        assert sr_temporal.flow_difference(bad, film.hr) > 0.05
        assert sr_temporal.warping_error(bad, film.steps) > sr_temporal.warping_error(film.hr, film.steps)


def test_follow_scores_an_upscaler(face: np.ndarray) -> None:
    films = [sequence(face, noise, 7) for noise in (0.0, 4.0)]

    def bicubic(lr: np.ndarray) -> np.ndarray:
        return np.stack([cv2.resize(p, (128, 128), interpolation=cv2.INTER_CUBIC) for p in lr])

    (flow, warping), (noisy_flow, noisy_warping) = (sr_temporal.follow(bicubic, [film]) for film in films)
    assert 0 < flow < noisy_flow
    assert 0 < warping < noisy_warping
