"""Detecting again on an enlarged face: coordinates, doubts, and how much quieter key points become."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from face_scenes import backdrop, paste, read_portraits
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_mer.core.geometry import ANCHORS, FACE_WIDTH, crop_box
from stream_mer.errors import ConfigError
from stream_mer.face.boxes import detection_at
from stream_mer.face.choose import FULL_RANGE, SHORT_RANGE
from stream_mer.face.mediapipe import MediaPipeDetector
from stream_mer.face.replay import ReplayDetector
from stream_mer.face.zoomed import ZoomedDetector
from stream_mer.protocols import FaceDetector
from stream_mer.types import Box, Detection, ImageU8, Similarity

PICTURE = np.full((400, 600, 3), 80, np.uint8)
POSE = Similarity(0.5, 0.05, 200.0, 150.0)


def _at_centre(score: float = 0.9, shift: float = 0.0, size: float = 1.0) -> Detection:
    """What ``fine`` answers for a face just where the coarse detection said, or ``shift`` px off."""
    points = (ANCHORS - 64) * 0.75 * size + 96 + np.array([shift, 0.0])  # 192 px show 256 canonical px
    keypoints = np.concatenate([points, points[:2]])
    return Detection(Box(40, 40, 150, 150), score, keypoints)


class ScriptedFine:
    """Answers one list for every enlarged picture and remembers how often it was asked."""

    def __init__(self, *answers: Detection) -> None:
        self.answers, self.sizes, self.closed = list(answers), [], 0

    def detect(self, rgb: ImageU8) -> list[Detection]:
        self.sizes.append(rgb.shape)
        return self.answers

    def close(self) -> None:
        self.closed += 1


def _zoomed(coarse: Detection, fine: FaceDetector, **options: float) -> list[Detection]:
    passes, trust = int(options.get("passes", 2)), options.get("trust", 0.5)
    return ZoomedDetector(ReplayDetector([[coarse]]), fine, passes=passes, trust=trust).detect(PICTURE)


poses = st.builds(
    lambda scale, angle, x, y: Similarity(scale * np.cos(angle), scale * np.sin(angle), x, y),
    st.floats(0.2, 1.5),
    st.floats(-0.6, 0.6),
    st.floats(150, 250),
    st.floats(80, 120),
)


@settings(max_examples=30, deadline=None)
@given(poses)
def test_a_face_in_the_centre_of_the_enlarged_picture_is_where_it_was(pose: Similarity) -> None:
    half = 0.525 * FACE_WIDTH * pose.scale
    x, y = pose.apply(np.array([[64.0, 68.0]]))[0]
    coarse = Detection(Box(x - half, y - half, x + half, y + half), 0.8, detection_at(pose).keypoints)
    found = ZoomedDetector(ReplayDetector([[coarse]]), ScriptedFine(_at_centre())).detect(PICTURE)
    assert found[0].keypoints[:4] == pytest.approx(pose.apply(ANCHORS), abs=1e-6)


def test_the_refined_box_and_the_better_score_are_reported() -> None:
    found = _zoomed(detection_at(POSE, 0.6), ScriptedFine(_at_centre(0.9)))
    assert found[0].score == 0.9
    expected = crop_box(POSE)
    assert (found[0].box.x0, found[0].box.y1) == pytest.approx((expected.x0, expected.y1))


def test_each_pass_asks_once_at_192_px() -> None:
    for passes in (1, 2, 3):
        fine = ScriptedFine(_at_centre())
        _zoomed(detection_at(POSE), fine, passes=passes)
        assert fine.sizes == [(192, 192, 3)] * passes


def test_the_face_nearest_the_centre_is_taken_not_the_strongest() -> None:
    fine = ScriptedFine(_at_centre(0.95, shift=30), _at_centre(0.6))
    found = _zoomed(detection_at(POSE, 0.5), fine, passes=1)
    assert found[0].keypoints[:4] == pytest.approx(POSE.apply(ANCHORS), abs=1e-6)


@pytest.mark.parametrize(
    "fine",
    [
        ScriptedFine(),
        ScriptedFine(_at_centre(shift=60)),
        ScriptedFine(_at_centre(size=0.3)),
        ScriptedFine(_at_centre(size=3)),
    ],
    ids=["nothing", "elsewhere", "tiny", "huge"],
)
def test_what_fine_does_not_confirm_stands_only_if_trusted(fine: ScriptedFine) -> None:
    coarse = detection_at(POSE, 0.6)
    assert _zoomed(coarse, fine, trust=0.5) == [coarse]
    assert _zoomed(coarse, fine, trust=0.7) == []


def test_a_weak_confirmation_is_none() -> None:
    coarse = detection_at(POSE, 0.4)
    assert _zoomed(coarse, ScriptedFine(_at_centre(0.5)), trust=0.5) == []
    assert len(_zoomed(coarse, ScriptedFine(_at_centre(0.75)), trust=0.5)) == 1


def test_two_coarse_detections_of_one_face_become_one() -> None:
    shifted = detection_at(Similarity(0.5, 0.05, 201.0, 150.0), 0.7)
    detector = ZoomedDetector(ReplayDetector([[detection_at(POSE), shifted]]), ScriptedFine(_at_centre()))
    assert len(detector.detect(PICTURE)) == 1


def test_a_face_outside_the_picture_is_no_error() -> None:
    away = Detection(Box(0, 0, 5, 5), 0.9, np.full((6, 2), -400.0))
    assert len(_zoomed(away, ScriptedFine(_at_centre()))) == 1


def test_close_closes_both_and_passes_are_checked() -> None:
    coarse, fine = ScriptedFine(), ScriptedFine()
    ZoomedDetector(coarse, fine).close()
    assert (coarse.closed, fine.closed) == (1, 1)
    with pytest.raises(ConfigError, match="at least one pass"):
        ZoomedDetector(coarse, fine, passes=0)


def _noise(detector: FaceDetector, faces: Path, fine: FaceDetector, face_px: float) -> float:
    """rms deviation of the key points from their mean over shifts, turns and sizes, canonical px."""
    squares = []
    for portrait in read_portraits(faces, fine, "london", 3):
        rng, places = np.random.default_rng(7), []
        for _ in range(10):
            canvas = backdrop(400, 300, seed=1)
            centre = (200 + rng.uniform(-9, 9), 150 + rng.uniform(-9, 9))
            pose = paste(canvas, portrait, centre, face_px * rng.uniform(0.95, 1.05), rng.uniform(-6, 6))
            found = detector.detect(canvas)
            assert len(found) == 1
            places.append(pose.inverse().apply(found[0].keypoints[:4]))
        squares.append(((places - np.mean(places, axis=0)) ** 2).sum(-1).mean())
    return float(np.sqrt(np.mean(squares)))


@pytest.mark.assets
@pytest.mark.data
@pytest.mark.parametrize("face_px", [48.0, 96.0])
def test_key_points_become_quiet(assets_dir: Path, faces: Path, face_px: float) -> None:
    fine = MediaPipeDetector(assets_dir / SHORT_RANGE)
    coarse = MediaPipeDetector(assets_dir / FULL_RANGE)
    before = _noise(coarse, faces, fine, face_px)
    after = _noise(ZoomedDetector(coarse, fine), faces, fine, face_px)
    coarse.close()
    fine.close()
    assert after < 0.8  # measured 0.5
    assert after < before / 2


@pytest.mark.assets
@pytest.mark.data
def test_small_faces_get_the_right_size(assets_dir: Path, faces: Path) -> None:
    """Raw key points of 32 px faces are up to five times too close together; the refined ones are not."""
    fine = MediaPipeDetector(assets_dir / SHORT_RANGE)
    detector = ZoomedDetector(MediaPipeDetector(assets_dir / FULL_RANGE, min_score=0.3), fine, trust=0.7)
    portraits = read_portraits(faces, fine, "congress", 12)
    errors: list[float] = []
    for index, portrait in enumerate(portraits):
        canvas = backdrop(480, 480, seed=index)
        pose = paste(canvas, portrait, (150 + 15 * index, 320 - 12 * index), 32.0)
        true = pose.apply(ANCHORS)
        errors += [np.abs(seen.keypoints[:4] - true).max() / pose.scale for seen in detector.detect(canvas)]
    detector.close()
    assert len(errors) >= 11
    assert max(errors) < FACE_WIDTH / 10
