"""A repeated picture is told from a new one, whatever the codec does to it and however little moves."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from stream_mer.core.repeats import Repeats
from stream_mer.types import ImageU8

LOW, HIGH = (20.0, 30.0), (100.0, 130.0)
RNG = np.random.default_rng(1)
SKIN = cv2.GaussianBlur(RNG.normal(120, 400, (200, 160, 3)), (0, 0), 6).clip(0, 255)


def picture(shift: float, noise: float = 0.0, seed: int = 0) -> ImageU8:
    """A face ``shift`` px further right, with a camera's noise."""
    way = np.array([[1, 0, shift], [0, 1, 0]], np.float64)
    moved = cv2.warpAffine(SKIN, way, (160, 200), borderMode=cv2.BORDER_REFLECT)
    noisy = moved + np.random.default_rng(seed).normal(0, noise, moved.shape) if noise else moved
    return np.rint(noisy).clip(0, 255).astype(np.uint8)


def said(pictures: list[ImageU8]) -> list[bool]:
    repeats = Repeats()
    return [bool(repeats.push(p, LOW, HIGH)) for p in pictures]


def mended(before: ImageU8, seed: int) -> ImageU8:
    """The same picture, as a codec gives it again: a few pixels off by one."""
    rng = np.random.default_rng(seed)
    off = (rng.random(before.shape[:2]) < 0.08) * rng.choice([-1, 1], before.shape[:2])
    return (before.astype(int) + off[:, :, None]).clip(0, 255).astype(np.uint8)


def test_exact_copies_are_repeats_and_the_first_is_not() -> None:
    one, two = picture(0, 1, 1), picture(0, 1, 2)
    assert said([one, one, two, two, two, one]) == [False, True, False, True, True, False]


def test_mended_copies_of_a_moving_face_are_repeats() -> None:
    pictures, truth = [picture(0, 0.5, 0)], [False]
    for i in range(1, 60):
        again = i % 4 == 3
        pictures.append(mended(pictures[-1], i) if again else picture(0.7 * i, 0.5, i))
        truth.append(again)
    assert said(pictures)[4:] == truth[4:]


@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0])
def test_a_resting_face_in_camera_noise_is_new_in_every_frame(noise: float) -> None:
    assert not any(said([picture(0, noise, i) for i in range(40)]))


def test_a_face_that_comes_to_rest_is_not_repeated() -> None:
    """What usually changes is large until then; but half a grey level of noise is no codec's mending."""
    moving, resting = (
        [picture(3 * i, 0.5, i) for i in range(20)],
        [picture(60, 0.5, i) for i in range(20, 40)],
    )
    assert not any(said(moving + resting))


def test_only_the_face_counts() -> None:
    """A still background is none of its business, and neither is a busy one."""
    new, again = [], []
    for i in range(10):
        frame = picture(0, 1, i)
        frame[:25] = 0
        new.append(frame)
        busy = new[0].copy()
        busy[140:] = RNG.integers(0, 255, busy[140:].shape)
        again.append(busy)
    assert not any(said(new))
    assert said(again) == [False] + [True] * 9


def test_a_pause_in_a_denoised_stream_is_taken_for_repeats_for_three_frames_at_most() -> None:
    """The codec has taken the noise, and what usually changes is still large."""
    pictures = [picture(1.5 * i) for i in range(20)]
    pictures += [mended(picture(30 + 0.03 * i), i) for i in range(20)]
    paused = said(pictures)[20:]
    assert all(sum(paused[k : k + 4]) <= 3 for k in range(17))
    assert not any(paused[12:])


def test_what_cannot_be_compared_says_nothing() -> None:
    repeats, frame = Repeats(), picture(0)
    assert repeats.push(frame, LOW, HIGH) is None
    assert repeats.push(frame[:150], LOW, HIGH) is None
    assert repeats.push(frame[:150], (500.0, 10.0), (600.0, 80.0)) is None
    assert repeats.push(frame[:150], (float("nan"), 0.0), HIGH) is None
    assert repeats.push(frame[:150], (-30.0, -10.0), (400.0, 400.0))
    assert repeats.push(frame[:, :, 0], LOW, HIGH) is None
    assert repeats.push(frame[:, :, 0], LOW, HIGH) is None
