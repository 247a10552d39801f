"""Tiles: where they lie, how what they show is put together, and that they find small faces."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from face_scenes import crowd, points_of, read_portraits
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_mer.errors import ConfigError
from stream_mer.face.choose import COARSE_MIN_SCORE, FULL_RANGE, SHORT_RANGE, TRUST, plan_detection
from stream_mer.face.mediapipe import MediaPipeDetector
from stream_mer.face.tiled import TiledDetector, tile_starts
from stream_mer.face.zoomed import ZoomedDetector
from stream_mer.types import Box, Detection, ImageU8, Similarity


@given(st.integers(1, 5000), st.integers(32, 900), st.floats(0, 0.75))
def test_tiles_cover_the_side_and_overlap_enough(length: int, tile: int, overlap: float) -> None:
    starts = tile_starts(length, tile, overlap)
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    if length <= tile:
        assert starts == [0]
        return
    assert starts[-1] + tile == length
    for left, right in pairwise(starts):
        assert left + tile - right >= overlap * tile - 1  # one px for rounding to whole pixels


class MarkDetector:
    """Sees every marked pixel: red gives the box's half side, green the score in percent."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []
        self.closed = 0

    def detect(self, rgb: ImageU8) -> list[Detection]:
        height, width = rgb.shape[:2]
        self.sizes.append((width, height))
        found = []
        for y, x in np.argwhere(rgb[..., 2] == 255):
            half = float(rgb[y, x, 0])
            box = Box(max(x - half, 0), max(y - half, 0), min(x + half, width), min(y + half, height))
            found.append(Detection(box, rgb[y, x, 1] / 100, np.full((6, 2), [x, y], np.float64)))
        return sorted(found, key=lambda d: -d.score)

    def close(self) -> None:
        self.closed += 1


def _picture(width: int, height: int, *marks: tuple[int, int, int, int]) -> ImageU8:
    picture = np.zeros((height, width, 3), np.uint8)
    for x, y, half, percent in marks:
        picture[y, x] = half, percent, 255
    return picture


@settings(max_examples=50, deadline=None)
@given(st.integers(300, 700), st.integers(200, 500), st.data())
def test_each_mark_is_seen_once_and_in_its_place(width: int, height: int, data: st.DataObject) -> None:
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    tiled = TiledDetector(MarkDetector(), tile_px=160, min_face_px=0)
    found = tiled.detect(_picture(width, height, (x, y, 20, 70)))
    assert len(found) == 1
    assert found[0].keypoints == pytest.approx(np.full((6, 2), [x, y]))
    expected = Box(max(x - 20, 0), max(y - 20, 0), min(x + 20, width), min(y + 20, height))
    assert found[0].box == expected  # the uncut one, although a tile's edge may cut it


def test_small_pictures_take_one_pass_and_large_ones_the_planned_number() -> None:
    for width, height in ((640, 480), (640, 640), (1920, 1080)):
        inner = MarkDetector()
        plan = plan_detection(width, height, min_face_px=32)
        TiledDetector(inner, tile_px=plan.tile_px or 640).detect(_picture(width, height))
        assert len(inner.sizes) == plan.passes
        assert inner.sizes[0] == (width, height)


def test_a_whole_face_beats_a_cut_one_of_higher_score() -> None:
    class CutIsStronger(MarkDetector):
        def detect(self, rgb: ImageU8) -> list[Detection]:
            whole = rgb.shape[1] == 600
            return [Detection(d.box, 0.4 if whole else 0.95, d.keypoints) for d in super().detect(rgb)]

    picture = _picture(600, 100, (150, 50, 90, 50))  # 180 px wide: cut by every 160 px tile
    found = TiledDetector(CutIsStronger(), tile_px=160, min_face_px=0).detect(picture)
    assert [d.score for d in found] == [0.4]
    assert found[0].box == Box(60, 0, 240, 100)


def test_narrow_faces_are_left_out() -> None:
    picture = _picture(600, 400, (100, 100, 8, 90), (300, 300, 16, 80))
    assert [d.score for d in TiledDetector(MarkDetector(), tile_px=320).detect(picture)] == [0.8]


def test_close_closes_the_detector_inside() -> None:
    inner = MarkDetector()
    TiledDetector(inner).close()
    assert inner.closed == 1


@pytest.mark.parametrize(
    ("tile", "overlap", "face"), [(31, 0.25, 32), (640, 0.8, 32), (640, -0.1, 32), (640, 0.2, -1)]
)
def test_arguments_are_checked(tile: int, overlap: float, face: float) -> None:
    with pytest.raises(ConfigError, match="tiles need"):
        TiledDetector(MarkDetector(), tile_px=tile, overlap=overlap, min_face_px=face)


@pytest.mark.assets
@pytest.mark.data
def test_32_px_faces_are_found_in_1080p(assets_dir: Path, faces: Path) -> None:
    plan = plan_detection(1920, 1080, min_face_px=32)
    assert plan.tile_px is not None
    coarse = MediaPipeDetector(assets_dir / FULL_RANGE, min_score=COARSE_MIN_SCORE)
    fine = MediaPipeDetector(assets_dir / SHORT_RANGE)
    detector = ZoomedDetector(TiledDetector(coarse, tile_px=plan.tile_px), fine, trust=TRUST)
    portraits = [
        p for source in ("london", "canada", "congress") for p in read_portraits(faces, fine, source, 12)
    ]
    hits, surplus = 0, 0
    for seed in range(5):
        picture, poses = crowd(portraits, 32.0, seed)
        found = detector.detect(picture)
        near = [any(_shows(seen, pose) for seen in found) for pose in poses]
        hits += sum(near)
        surplus += sum(not any(_shows(seen, pose) for pose in poses) for seen in found)
    detector.close()
    assert hits >= 27, f"{hits} of 30 found"
    assert surplus <= 1, f"{surplus} false faces"


def _shows(seen: Detection, pose: Similarity) -> bool:
    """Whether all key points are right to within 12 canonical px, 4 px of a 32 px face."""
    return float(np.abs(seen.keypoints[:4] - points_of(pose)).max()) < 12 * pose.scale
