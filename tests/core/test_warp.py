from functools import cache

import numpy as np
import pytest
from exact_warp import exact_sample
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import astronaut
from skimage.transform import resize

from stream_mer.core.warp import cut, sample, sample_f32
from stream_mer.types import Similarity


def upright(face_px, x, y, roll=0.0):
    """Pose of a face ``face_px`` wide whose canonical middle lies at (x, y)."""
    a, b = face_px / 92 * np.cos(roll), face_px / 92 * np.sin(roll)
    return Similarity(a, b, x - 64 * a + 64 * b, y - 64 * b - 64 * a)


@cache
def picture(face_px):
    """The astronaut enlarged or shrunk so that her face (about 88 px) is ``face_px`` wide."""
    side = round(512 * face_px / 88)
    rgb = np.rint(255 * resize(astronaut(), (side, side), anti_aliasing=True)).astype(np.uint8)
    rgb.setflags(write=False)
    return rgb


def ramp(h=300, w=400):
    """Grey = 0.5 x + 0.25 y at pixel centres, exact in uint8 within rounding."""
    y, x = np.mgrid[:h, :w] + 0.5
    return x, y


@pytest.mark.parametrize("face_px", [48, 96, 160, 400])
@pytest.mark.parametrize("roll", [0.0, 0.06])
@pytest.mark.parametrize("size", [32, 128])
def test_agrees_with_the_exact_sampler(face_px, roll, size):
    rgb = picture(face_px)
    pose = upright(face_px, 0.433 * rgb.shape[1] + 0.3, 0.25 * rgb.shape[0] + 0.6, roll)
    step = 128 / size * pose.scale
    exact = exact_sample(
        rgb, pose, size, 1 if size == 128 and step <= 1.2 else max(4, int(np.ceil(1.5 * step)))
    )
    found = sample_f32(rgb, pose, size)
    error = found - exact
    # apparent displacement: least squares on the gradients
    slopes = np.stack([np.gradient(exact, axis=1).ravel(), np.gradient(exact, axis=0).ravel()], 1)
    shift = np.linalg.lstsq(slopes, error.ravel(), rcond=None)[0]
    assert error.std() < 1.3
    assert np.abs(shift).max() < 0.005  # output px


@pytest.mark.parametrize("face_px", [40, 62, 96, 130, 185, 250, 420])
def test_a_ramp_stays_a_ramp_at_every_phase(face_px):
    """Linear precision: no displacement with the period of one pixel (cv2's cubic has 0.047 px)."""
    x, y = ramp(700, 800)
    rgb = np.repeat(np.rint(0.16 * x + 0.12 * y)[..., None], 3, axis=2).astype(np.uint8)
    for phase in np.arange(0, 1, 0.125):
        pose = upright(face_px, 400 + phase, 350 + phase)
        u = (np.arange(32) + 0.5) * 4
        expected = 0.16 * (pose.a * u[None, :] + pose.tx) + 0.12 * (pose.a * u[:, None] + pose.ty)
        error = sample_f32(rgb, pose, 32)[..., 0] - expected
        assert abs(error.mean()) < 0.02 * 0.2 * pose.scale * 4 + 0.03


def test_crop_is_the_area_mean_of_what_lies_under_each_pixel():
    """Stripes finer than an LR pixel vanish instead of folding into patterns."""
    rgb = np.zeros((600, 600, 3), np.uint8)
    rgb[:, ::2] = 255
    for face_px in (96, 150, 400):
        crop = sample_f32(rgb, upright(face_px, 300.2, 300.7), 32)
        assert np.abs(crop - 127.5).max() < 32  # a quarter of what single samples would show


@given(
    st.floats(20, 900),
    st.floats(-300, 700),
    st.floats(-300, 700),
    st.floats(-3.2, 3.2),
    st.sampled_from([16, 32, 64, 128, 192]),
)
@settings(max_examples=60, deadline=None)
def test_any_pose_gives_a_picture_within_the_frame_s_range(face_px, x, y, roll, size):
    rgb = np.full((240, 320, 3), 77, np.uint8)
    crop = sample(rgb, upright(face_px, x, y, roll), size)
    assert crop.shape == (size, size, 3)
    assert crop.dtype == np.uint8
    assert (crop == 77).all()


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 500, 3), (480, 1, 3)])
def test_tiny_frames_are_cut_too(shape):
    assert sample(np.full(shape, 9, np.uint8), upright(300, 5, 5), 32).mean() == 9


def test_caller_owns_the_crop_and_the_frame_is_left_alone():
    rgb = picture(96)
    before = rgb.copy()
    crop = sample(rgb, upright(96, 200, 120), 32)
    crop[:] = 0
    assert (rgb == before).all()


def test_blocks_of_a_large_face_lie_on_a_grid_fixed_to_the_frame():
    rgb = picture(400)
    for x in (900.0, 901.0, 902.5, 903.0):
        patch = cut(rgb, upright(400, x, 580), reduce=4)
        assert (patch.x0 - 2) % 4 == 0
        assert (patch.y0 - 2) % 4 == 0


def test_lr_is_the_native_picture_shrunk_by_areas():
    rgb = picture(96)
    pose = upright(96, 240.3, 140.2, 0.05)
    native = sample_f32(rgb, pose, 128).reshape(32, 4, 32, 4, 3).mean((1, 3))
    assert np.abs(native - sample_f32(rgb, pose, 32)).std() < 0.5
