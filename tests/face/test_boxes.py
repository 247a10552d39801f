"""Sums on detections: clipping, duplicates, key points that cannot be right."""

from __future__ import annotations

from math import cos, sin

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.core.geometry import FACE_WIDTH, pose_from_keypoints
from stream_mer.face.boxes import clipped, detection_at, face_width, plausible, same_face, without_duplicates
from stream_mer.types import Box, Detection, Similarity

coordinates = st.floats(-200, 200)
lengths = st.floats(1, 200)
boxes = st.builds(lambda x, y, w, h: Box(x, y, x + w, y + h), coordinates, coordinates, lengths, lengths)
detections = st.builds(lambda box, score: Detection(box, score, np.zeros((6, 2))), boxes, st.floats(0, 1))


@given(boxes, st.integers(1, 300), st.integers(1, 300))
def test_clipping_gives_what_lies_inside(box: Box, width: int, height: int) -> None:
    inside = clipped(box, width, height)
    meets = box.x0 < width and box.x1 > 0 and box.y0 < height and box.y1 > 0
    assert (inside is not None) == meets
    if inside is not None:
        assert 0 <= inside.x0 < inside.x1 <= width
        assert 0 <= inside.y0 < inside.y1 <= height
        assert inside.x0 >= box.x0
        assert inside.y1 <= box.y1
        assert clipped(inside, width, height) == inside


@given(boxes, boxes)
def test_same_face_is_symmetric_and_reflexive(first: Box, second: Box) -> None:
    assert same_face(first, first)
    assert same_face(first, second) == same_face(second, first)


@given(st.lists(detections, max_size=12))
def test_duplicates_go_and_nothing_else(found: list[Detection]) -> None:
    kept = without_duplicates(found)
    assert [d.score for d in kept] == sorted((d.score for d in kept), reverse=True)
    for i, one in enumerate(kept):
        assert any(one is d for d in found)
        assert not any(same_face(one.box, other.box) for other in kept[i + 1 :])
    for gone in found:
        assert any(same_face(gone.box, d.box) for d in kept)


def test_the_preferred_one_stays_and_a_part_of_a_face_goes() -> None:
    whole = Detection(Box(0, 0, 100, 100), 0.6, np.zeros((6, 2)))
    part = Detection(Box(60, 10, 110, 60), 0.9, np.zeros((6, 2)))
    neighbour = Detection(Box(95, 0, 195, 100), 0.7, np.zeros((6, 2)))
    assert without_duplicates([whole, part, neighbour]) == [neighbour, whole]
    assert without_duplicates([part, whole]) == [part]


@given(st.floats(0.2, 4), st.floats(-0.5, 0.5))
def test_key_points_that_agree_with_the_box_are_kept(scale: float, angle: float) -> None:
    pose = Similarity(scale * cos(angle), scale * sin(angle), 500.0, 500.0)
    seen = detection_at(pose)
    x, y = seen.box.centre
    half = 0.525 * FACE_WIDTH * scale
    square = Detection(Box(x - half, y - half, x + half, y + half), 0.5, seen.keypoints)
    assert plausible(square, 5000, 5000) is square


@pytest.mark.parametrize("shrunk", [0.0, 0.1, 0.5, 3.0])
def test_key_points_at_odds_with_the_box_give_way_to_an_upright_face(shrunk: float) -> None:
    keypoints = np.full((6, 2), 100.0) + shrunk * (detection_at(Similarity(1, 0, 0, 0)).keypoints - 64)
    wrong = Detection(Box(50, 60, 150, 160), 0.4, keypoints)
    righted = plausible(wrong, 1000, 1000)
    pose = pose_from_keypoints(righted.keypoints)
    assert (righted.box, righted.score) == (wrong.box, wrong.score)
    assert pose.b == pytest.approx(0)
    assert FACE_WIDTH * pose.scale == pytest.approx(face_width(wrong)) == pytest.approx(100 / 1.05)
    assert righted.keypoints[2, 0] == pytest.approx(100)  # the nose lies in the middle


def test_a_box_clipped_by_the_picture_does_not_overrule_larger_key_points() -> None:
    seen = detection_at(Similarity(1.0, 0.0, -70.0, 0.0))
    cut = Detection(Box(0, 30, 40, 70), 0.5, seen.keypoints)
    assert plausible(cut, 1000, 1000) is cut
    assert plausible(cut, 40, 1000) is cut
    inside = Detection(Box(1, 30, 41, 70), 0.5, seen.keypoints)
    assert plausible(inside, 1000, 1000) is not inside


@given(st.floats(0.1, 5), coordinates, coordinates)
def test_detection_at_is_seen_at_its_pose(scale: float, x: float, y: float) -> None:
    pose = pose_from_keypoints(detection_at(Similarity(scale, 0.0, x, y)).keypoints)
    assert (pose.a, pose.tx, pose.ty) == pytest.approx((scale, x, y), abs=1e-6)
    assert pose.b == pytest.approx(0, abs=1e-9)
