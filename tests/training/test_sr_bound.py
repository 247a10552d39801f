"""The bound on stillness: right for a picture whose answer is known, and no reader of noise beats it."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data

from stream_mer.core.degradation import area
from stream_mer.training import sr_bound


def test_twice_the_noise_is_twice_the_bound_and_colour_tells_more() -> None:
    lr = area(np.ascontiguousarray(skimage.data.astronaut()[40:168, 150:278]))[None]
    once, twice = (sr_bound.least_floor(lr, noise) for noise in (1.0, 2.0))
    assert twice == pytest.approx(2 * once)
    assert 0 < sr_bound.least_floor(lr, 1.0, colour=True) < once


def test_equals_the_best_estimate_of_a_known_picture() -> None:
    """Least squares on many noisy copies of a picture: the estimate that reaches the bound."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32] / 3.0
    clean = 128 + 30 * np.sin(x) * np.cos(y)
    lr = np.repeat(np.rint(clean)[..., None], 3, 2).astype(np.uint8)
    place, noise = np.array([62.0, 66.0]), 1.5
    grey = lr.astype(float) @ sr_bound.LUMA
    down, right = np.gradient(grey)
    weight = np.outer(*(sr_bound._overlap(c / 4) for c in (place[1], place[0]))) > 0.999
    design = np.stack([right[weight], down[weight]], 1)
    sigma = noise * np.sqrt((0.5 + 0.5 * grey[weight] / 128) * (sr_bound.LUMA**2).sum())
    read = [
        np.linalg.lstsq(design / sigma[:, None], (rng.normal(0, sigma) - rng.normal(0, sigma)) / sigma)[0]
        for _ in range(3000)
    ]
    measured = float(np.sqrt(np.mean(np.square(read))))
    bound = sr_bound.least_displacement(lr, place, noise, colour=False)
    assert bound < measured < 1.35 * bound  # pixels that are seen in part are left out here
