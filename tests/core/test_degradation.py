"""The degradation equals OpenCV's to the last bit, and its random variants keep their promises."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_mer.core import degradation as d
from stream_mer.core.h264 import h264_loss
from stream_mer.core.jpeg import jpeg_loss


def picture(seed: int, smooth: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (128, 128, 3), dtype=np.uint8)
    if smooth < 0.3:
        return noise
    soft = cv2.GaussianBlur(noise, (0, 0), smooth).astype(np.float64)
    return np.clip((soft - soft.mean()) * (1 + 3 * smooth) + 128, 0, 255).astype(np.uint8)


def portrait() -> np.ndarray:
    return np.ascontiguousarray(skimage.data.astronaut()[40:168, 160:288])


pictures = st.builds(picture, st.integers(0, 2**32 - 1), st.floats(0, 8))


def opencv_area(hr: np.ndarray) -> np.ndarray:
    return cv2.resize(hr, (32, 32), interpolation=cv2.INTER_AREA)


@settings(max_examples=60, deadline=None)
@given(pictures)
def test_equals_opencv_to_the_bit(hr: np.ndarray) -> None:
    low = opencv_area(hr)
    blurred = cv2.GaussianBlur(low, (3, 3), 0)
    np.testing.assert_array_equal(d.area(hr), low)
    np.testing.assert_array_equal(d.paper(hr), blurred)
    np.testing.assert_array_equal(d.paper(hr, median=True), cv2.medianBlur(blurred, 3))


def test_opencv_default_sigma_is_the_kernel_we_use() -> None:
    np.testing.assert_allclose(cv2.getGaussianKernel(3, 0).ravel(), [0.25, 0.5, 0.25])


@settings(max_examples=20, deadline=None)
@given(pictures, st.integers(0, 255))
def test_keeps_flat_pictures_and_range(hr: np.ndarray, level: int) -> None:
    flat = np.full((128, 128, 3), level, np.uint8)
    assert (d.paper(flat, median=True) == level).all()
    lr = d.paper(hr)
    assert lr.dtype == np.uint8
    assert lr.shape == (32, 32, 3)
    assert lr.min() >= hr.min()
    assert lr.max() <= hr.max()


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_commutes_with_quarter_turns_and_mirrors(turn: int) -> None:
    hr = picture(5, 2.0)
    np.testing.assert_array_equal(d.paper(np.rot90(hr, turn)), np.rot90(d.paper(hr), turn))
    np.testing.assert_array_equal(d.paper(hr[:, ::-1], median=True), d.paper(hr, median=True)[:, ::-1])


@pytest.mark.parametrize("bad", [np.zeros((64, 64, 3), np.uint8), np.zeros((128, 128, 3), np.float32)])
def test_refuses_what_is_not_a_canonical_crop(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="hr must be"):
        d.paper(bad)
    with pytest.raises(ValueError, match="hr must be"):
        d.real(bad, np.random.default_rng(0))


@settings(max_examples=25, deadline=None)
@given(pictures, st.integers(0, 2**32 - 1))
def test_real_is_a_function_of_its_generator(hr: np.ndarray, seed: int) -> None:
    once, again = (d.real(hr, np.random.default_rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert once.shape == (32, 32, 3)


def test_real_stays_near_the_clean_picture_and_differs_between_draws() -> None:
    hr = portrait()
    draws = [d.real(hr, np.random.default_rng(s)) for s in range(40)]
    away = [np.abs(x.astype(int) - d.area(hr)).mean() for x in draws]
    assert max(away) < 20
    assert len({x.tobytes() for x in draws}) > 30
    off = d.RealSettings(0, 0, 0, 0, (100, 100))
    still = [
        np.abs(d.real(hr, np.random.default_rng(s), off).astype(int) - d.area(hr)).max() for s in range(20)
    ]
    assert max(still) <= 3


@pytest.mark.parametrize("sigma", [0.6, 1.5])
def test_float_gaussian_equals_opencv(sigma: float) -> None:
    x = picture(9, 1.0).astype(np.float64)
    size = 2 * max(1, round(3 * sigma)) + 1
    np.testing.assert_allclose(d.gaussian(x, sigma), cv2.GaussianBlur(x, (size, size), sigma), atol=1e-9)
    assert d.gaussian(x, 0.0) is x


def test_noise_has_the_asked_strength() -> None:
    grey = np.full((256, 256, 3), 128.0)
    noisy = d.sensor_noise(grey, 5.0, np.random.default_rng(1))
    assert (noisy - grey).std() == pytest.approx(5.0, rel=0.02)
    dark = d.sensor_noise(np.zeros((256, 256, 3)), 5.0, np.random.default_rng(1))
    assert dark.std() == pytest.approx(5.0 / np.sqrt(2), rel=0.02)


def test_mixture_draws_every_part_in_its_share() -> None:
    hr = picture(2, 2.0)
    rng = np.random.default_rng(0)
    mixture = d.Mixture(0.5, 0.2, 0.3, 0.0)
    known = {d.paper(hr).tobytes(): 0, d.paper(hr, median=True).tobytes(): 0, d.area(hr).tobytes(): 0}
    for _ in range(600):
        known[mixture(hr, rng).tobytes()] += 1
    np.testing.assert_allclose(np.array(list(known.values())) / 600, [0.5, 0.2, 0.3], atol=0.08)


@pytest.mark.parametrize(
    "shares", [(0.5, 0.5, 0.5, 0.0), (1.5, -0.5, 0.0, 0.0), (float("nan"), 0.5, 0.5, 0.0)]
)
def test_mixture_refuses_wrong_shares(shares: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        d.Mixture(*shares)


@pytest.mark.parametrize("quality", [20, 50, 90])
def test_jpeg_loss_is_as_large_as_a_real_codec(quality: int) -> None:
    rgb = portrait()
    ok, code = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert ok
    theirs = cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1].astype(int)
    ours = jpeg_loss(rgb, quality).astype(int)
    assert np.abs(ours - theirs).mean() < 2.0
    errors = [np.sqrt(((x - rgb.astype(int)) ** 2).mean()) for x in (ours, theirs)]
    assert errors[0] == pytest.approx(errors[1], rel=0.25)


@pytest.mark.parametrize(("side", "quality"), [(100, 50), (128, 0), (128, 101)])
def test_jpeg_loss_refuses(side: int, quality: int) -> None:
    with pytest.raises(ValueError, match="jpeg_loss needs"):
        jpeg_loss(np.zeros((side, side, 3), np.uint8), quality)


def test_video_adds_codecs_orders_and_exposure_and_stays_a_function_of_its_generator() -> None:
    hr = portrait()
    once, again = (d.real(hr, np.random.default_rng(7), d.VIDEO) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    far = [np.abs(d.real(hr, np.random.default_rng(k), d.VIDEO).astype(int) - d.area(hr)) for k in range(30)]
    assert len({x.tobytes() for x in far}) > 20
    assert np.median([x.mean() for x in far]) < 12


def test_each_coding_is_the_one_that_was_asked_for() -> None:
    """One strength each, so that a picture tells which codec made it."""
    hr = portrait()
    strength = {"jpeg_quality": (50, 50), "h264_qp": (40, 40)}
    jpeg, h264 = jpeg_loss(hr, 50), h264_loss(hr, 40)
    assert not np.array_equal(jpeg, h264)
    for coding, possible in (("jpeg", [jpeg]), ("h264", [h264]), ("either", [jpeg, h264])):
        settings = d.RealSettings(coding=coding, **strength)
        made = [d.coded(hr, settings, np.random.default_rng(k)) for k in range(12)]
        for one in possible:
            assert any(np.array_equal(picture, one) for picture in made), coding
        assert all(any(np.array_equal(picture, one) for one in possible) for picture in made), coding


def test_order_of_effects_matters_only_when_it_is_random() -> None:
    hr, fixed = portrait(), d.RealSettings()
    free = d.RealSettings(random_order=True)
    same = [
        np.array_equal(
            d.real(hr, np.random.default_rng(k), fixed), d.real(hr, np.random.default_rng(k), free)
        )
        for k in range(40)
    ]
    assert 0 < sum(same) < 40  # equal where no two effects meet


@pytest.mark.parametrize(("stops", "lost"), [(-1.0, 3.0), (1.0, 60.0)])
def test_wrong_exposure_loses_levels_or_highlights_and_keeps_brightness(stops: float, lost: float) -> None:
    ramp = np.linspace(0, 255, 128)[None, :, None].repeat(3, 2)
    seen = d.exposed(ramp, stops)
    assert seen.max() <= 255 * max(1.0, 2**-stops)
    np.testing.assert_allclose(seen[:, :60], ramp[:, :60], atol=lost)
    assert (np.abs(seen - ramp).max() > 100) == (stops > 0)


def test_settings_of_real_refuse_nonsense() -> None:
    with pytest.raises(ValueError, match="mpeg2"):
        d.RealSettings(coding="mpeg2")
    for wrong in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="ranges"):
            d.RealSettings(exposure=wrong)
    for quality, qp in (
        ((90, 30), (20, 30)),
        ((0, 50), (20, 30)),
        ((50, 90), (40, 60)),
        ((50, 90), (30, 20)),
    ):
        with pytest.raises(ValueError, match="must rise within"):
            d.RealSettings(jpeg_quality=quality, h264_qp=qp)


@pytest.mark.parametrize(("height", "width"), [(128, 128), (8, 16), (96, 160)])
@pytest.mark.parametrize("median", [False, True])
def test_whole_frames_are_degraded_as_crops_are(height: int, width: int, median: bool) -> None:
    rgb = picture(4, 1.0)[:height].repeat(2, 1)[:, :width]
    low = cv2.resize(rgb, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(low, (3, 3), 0)
    np.testing.assert_array_equal(
        d.paper_frame(rgb, median=median), cv2.medianBlur(blurred, 3) if median else blurred
    )
    with pytest.raises(ValueError, match="divisible by 4"):
        d.paper_frame(rgb[1:])
