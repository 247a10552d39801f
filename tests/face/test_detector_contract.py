"""What every FaceDetector promises, checked over all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from face_scenes import backdrop, paste, points_of, read_portraits

from stream_mer.core.geometry import pose_from_keypoints
from stream_mer.face.boxes import detection_at
from stream_mer.face.choose import FULL_RANGE, SHORT_RANGE
from stream_mer.face.mediapipe import MediaPipeDetector
from stream_mer.face.replay import ReplayDetector
from stream_mer.face.tiled import TiledDetector
from stream_mer.face.zoomed import ZoomedDetector
from stream_mer.protocols import FaceDetector
from stream_mer.types import Similarity

TRUE_POSE = Similarity(1.0, 0.0, 96.0, 56.0)
"""Where the face lies in the scene that all detectors look at: 92 px wide, 320 x 240."""


def _short(assets: Path) -> FaceDetector:
    return MediaPipeDetector(assets / SHORT_RANGE)


def _full(assets: Path) -> FaceDetector:
    return MediaPipeDetector(assets / FULL_RANGE)


def _tiled(assets: Path) -> FaceDetector:
    return TiledDetector(_full(assets), tile_px=200)


def _zoomed(assets: Path) -> FaceDetector:
    return ZoomedDetector(_short(assets), _short(assets))


def _zoomed_tiles(assets: Path) -> FaceDetector:
    coarse = MediaPipeDetector(assets / FULL_RANGE, min_score=0.3)
    return ZoomedDetector(TiledDetector(coarse, tile_px=200), _short(assets), trust=0.7)


def _replay(_assets: Path) -> FaceDetector:
    return ReplayDetector([[detection_at(TRUE_POSE)]], loop=True)


REAL: list[Callable[[Path], FaceDetector]] = [_short, _full, _tiled, _zoomed, _zoomed_tiles]


@pytest.fixture(params=[*REAL, _replay], ids=lambda build: build.__name__[1:])
def detector(request: pytest.FixtureRequest, assets_dir: Path) -> Iterator[FaceDetector]:
    built = request.param(assets_dir)
    yield built
    built.close()


@pytest.fixture(params=REAL, ids=lambda build: build.__name__[1:])
def real_detector(request: pytest.FixtureRequest, assets_dir: Path) -> Iterator[FaceDetector]:
    built = request.param(assets_dir)
    yield built
    built.close()


@pytest.fixture(scope="module")
def scene(faces: Path, assets_dir: Path) -> np.ndarray:
    finder = _short(assets_dir)
    portrait = read_portraits(faces, finder, "london", 1)[0]
    finder.close()
    canvas = backdrop(320, 240, seed=3)
    middle = TRUE_POSE.apply(np.array([[64.0, 64.0]]))[0]
    paste(canvas, portrait, (float(middle[0]), float(middle[1])), 92.0)
    return canvas


@pytest.mark.assets
@pytest.mark.data
def test_finds_the_face_where_it_is(detector: FaceDetector, scene: np.ndarray) -> None:
    found = detector.detect(scene)
    assert len(found) == 1
    error = np.linalg.norm(found[0].keypoints[:4] - points_of(TRUE_POSE), axis=1)
    assert error.max() < 6.0  # of a 92 px face; the nose of a real face is not quite at its mean place
    assert 0.8 < pose_from_keypoints(found[0].keypoints).scale < 1.25


@pytest.mark.assets
@pytest.mark.data
def test_key_points_are_in_our_order_and_keep_it_when_mirrored(
    real_detector: FaceDetector, scene: np.ndarray
) -> None:
    for picture in (scene, scene[:, ::-1]):
        eye_left, eye_right, nose, mouth, ear_left, ear_right = real_detector.detect(picture)[0].keypoints
        assert ear_left[0] < eye_left[0] < nose[0] < eye_right[0] < ear_right[0]
        assert max(eye_left[1], eye_right[1]) < nose[1] < mouth[1]


@pytest.mark.assets
@pytest.mark.data
def test_answers_do_not_depend_on_earlier_pictures(real_detector: FaceDetector, scene: np.ndarray) -> None:
    first = real_detector.detect(scene)
    real_detector.detect(np.ascontiguousarray(scene[::-1, ::2]))
    again = real_detector.detect(scene)
    assert [d.score for d in first] == [d.score for d in again]
    assert all(np.array_equal(a.keypoints, b.keypoints) for a, b in zip(first, again, strict=True))


@pytest.mark.assets
@pytest.mark.data
def test_memory_layout_does_not_matter(real_detector: FaceDetector, scene: np.ndarray) -> None:
    bgr = np.ascontiguousarray(scene[:, :, ::-1])
    strided = bgr[:, :, ::-1]
    assert not strided.flags.c_contiguous
    plain, other = real_detector.detect(scene), real_detector.detect(strided)
    assert np.array_equal(plain[0].keypoints, other[0].keypoints)
    frozen = scene.copy()
    frozen.setflags(write=False)
    assert len(real_detector.detect(frozen)) == 1


@pytest.mark.assets
@pytest.mark.data
@pytest.mark.parametrize("cut", [0.4, 0.7], ids=["half", "most"])
def test_boxes_lie_inside_the_picture(detector: FaceDetector, scene: np.ndarray, cut: float) -> None:
    left = int(96 + 128 * (1 - cut))  # cuts through the face
    picture = scene[:, left:]
    for seen in detector.detect(picture):
        assert 0 <= seen.box.x0 < seen.box.x1 <= picture.shape[1]
        assert 0 <= seen.box.y0 < seen.box.y1 <= picture.shape[0]
        assert 0 <= seen.score <= 1


@pytest.mark.assets
@pytest.mark.data
def test_strongest_first(real_detector: FaceDetector, scene: np.ndarray) -> None:
    pair = np.concatenate([scene, np.ascontiguousarray(scene[::1] // 3 + 20)], axis=1)
    scores = [seen.score for seen in real_detector.detect(pair)]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.assets
@pytest.mark.parametrize("seed", range(4))
def test_no_face_in_grey_and_noise(real_detector: FaceDetector, seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert real_detector.detect(np.full((240, 320, 3), 40 + 50 * seed, np.uint8)) == []
    grey = rng.integers(0, 256, (240, 320, 1)).astype(np.uint8)
    assert real_detector.detect(np.repeat(grey, 3, axis=2)) == []


@pytest.mark.assets
@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (3, 2), (17, 333), (0, 0), (0, 64), (64, 0)])
def test_odd_and_empty_pictures_are_no_error(detector: FaceDetector, shape: tuple[int, int]) -> None:
    for seen in detector.detect(np.full((*shape, 3), 120, np.uint8)):
        assert seen.box.x1 <= shape[1]
        assert seen.box.y1 <= shape[0]


@pytest.mark.assets
@pytest.mark.parametrize(
    "picture", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32)], ids=["grey", "f32"]
)
def test_other_arrays_are_refused(detector: FaceDetector, picture: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8"):
        detector.detect(picture)


@pytest.mark.assets
def test_close_twice(detector: FaceDetector) -> None:
    detector.close()
    detector.close()
