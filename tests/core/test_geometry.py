import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.core.geometry import (
    ANCHORS,
    FACE_WIDTH,
    compose,
    crop_box,
    fit_similarity,
    pose_from_keypoints,
)
from stream_mer.types import Similarity

poses = st.builds(
    lambda s, r, x, y: Similarity(s * np.cos(r), s * np.sin(r), x, y),
    st.floats(0.2, 8),
    st.floats(-3, 3),
    st.floats(-500, 2000),
    st.floats(-500, 2000),
)


@given(poses)
def test_fit_recovers_the_similarity_that_made_the_points(pose):
    found = fit_similarity(ANCHORS, pose.apply(ANCHORS))
    assert np.allclose(found.apply(ANCHORS), pose.apply(ANCHORS), atol=1e-6)


@given(poses, poses)
def test_compose_applies_the_inner_pose_first(outer, inner):
    expected = outer.apply(inner.apply(ANCHORS))
    assert np.allclose(compose(outer, inner).apply(ANCHORS), expected, atol=1e-6 * np.abs(expected).max())


@given(poses)
def test_inverse_undoes(pose):
    assert np.allclose(compose(pose, pose.inverse()).apply(ANCHORS), ANCHORS, atol=1e-6)


def test_weights_choose_which_points_count():
    target = ANCHORS + np.array([[0, 0], [0, 0], [0, 0], [0, 9.0]])
    found = fit_similarity(ANCHORS, target, np.array([1.0, 1, 1, 0]))
    assert np.allclose(found.apply(ANCHORS[:3]), ANCHORS[:3], atol=1e-9)


@pytest.mark.parametrize("points", [np.zeros((1, 2)), np.ones((4, 2))])
def test_points_without_extent_are_refused(points):
    with pytest.raises(ValueError, match="two"):
        fit_similarity(points, np.zeros((len(points), 2)))


def test_pose_puts_the_eyes_forty_canonical_px_apart():
    keypoints = np.array([[100.0, 80], [180, 80], [140, 126], [140, 166], [60, 90], [220, 90]])
    pose = pose_from_keypoints(keypoints)
    assert pose.scale == pytest.approx(2.0)
    assert np.allclose(pose.apply(ANCHORS), keypoints[:4])


def test_box_of_an_upright_pose_is_as_wide_as_the_face():
    box = crop_box(Similarity(2.0, 0.0, 10.0, 20.0))
    assert box.width == pytest.approx(2 * FACE_WIDTH)
    assert box.centre[0] == pytest.approx(10 + 2 * 64)
