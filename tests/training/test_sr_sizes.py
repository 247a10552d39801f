"""Faces of every size reach both roads from one frame, and a small face is worse off on both."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data

from stream_mer.core.degradation import area
from stream_mer.core.geometry import FACE_WIDTH
from stream_mer.training import sr_sizes
from stream_mer.training.sr_evaluate import BASELINES

CUBIC = {"bicubic": BASELINES["bicubic"]}


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    return np.ascontiguousarray(skimage.data.astronaut()[40:168, 150:278])


def shown(face: np.ndarray, face_px: float) -> dict[str, np.ndarray]:
    frame = sr_sizes.camera(face_px)(face, np.random.default_rng(0))
    assert frame.shape[0] == pytest.approx(128 * face_px / FACE_WIDTH, abs=0.5)
    return {name: road(frame[None])[0] for name, road in sr_sizes.roads(face_px, CUBIC).items()}


def test_a_face_as_wide_as_the_crop_is_the_crop_itself(face: np.ndarray) -> None:
    seen = shown(face, FACE_WIDTH)
    assert np.abs(seen["native crop"].astype(int) - face).mean() < 1.5
    through = BASELINES["bicubic"](area(face)[None])[0]
    assert np.abs(seen["bicubic"].astype(int) - through).mean() < 1.5


def test_small_faces_keep_less_and_own_pixels_keep_more(face: np.ndarray) -> None:
    lost = {px: np.abs(shown(face, px)["native crop"].astype(int) - face).mean() for px in (48, 64, 92)}
    assert lost[48] > lost[64] > lost[92]
    assert np.abs(shown(face, 48)["bicubic"].astype(int) - face).mean() > lost[48]


def test_both_roads_line_up(face: np.ndarray) -> None:
    seen = shown(face, 160)
    middle = (slice(20, 108), slice(20, 108))
    errors = {
        shift: np.abs(
            np.roll(seen["bicubic"], shift, 1)[middle].astype(int) - seen["native crop"][middle]
        ).mean()
        for shift in (-2, -1, 0, 1, 2)
    }
    assert min(errors, key=lambda shift: errors[shift]) == 0


def test_motion_is_measured_for_every_size_and_road(face: np.ndarray) -> None:
    found = sr_sizes.motion_by_size(face[None], (48.0, 160.0), CUBIC)
    assert [list(rows) for rows in found.values()] == [["native crop", "bicubic"]] * 2
    assert found[160.0]["native crop"].floor < found[48.0]["native crop"].floor
    assert 0.3 < found[160.0]["native crop"].slope < 1.2
