"""The baseline measures known motions and finds a clear short one, once, in a still face."""

from __future__ import annotations

import numpy as np
import pytest

from stream_mer.core.flow_spotting import REGIONS, FlowSpotter, region_motion
from stream_mer.types import Box, FaceCrop, FaceTrack, Similarity

MS = 1_000_000
RNG = np.random.default_rng(0)


def smooth(side: int) -> np.ndarray:
    spectrum = np.fft.rfft2(RNG.normal(size=(side, side)))
    fy, fx = np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij")
    picture = np.fft.irfft2(spectrum * np.exp(-((fx**2 + fy**2) / 0.004)), (side, side))
    return 128 + 40 * picture / picture.std()


FACE = smooth(128)


def shifted(amount: float, rows: slice, columns: slice) -> np.ndarray:
    """The face with a patch moved down by ``amount`` px (linear)."""
    out, whole = FACE.copy(), int(np.floor(amount))
    share = amount - whole
    moved = (1 - share) * np.roll(FACE, whole, 0) + share * np.roll(FACE, whole + 1, 0)
    out[rows, columns] = moved[rows, columns]
    return out


def grey(picture: np.ndarray) -> np.ndarray:
    return picture.reshape(64, 2, 64, 2).mean((1, 3)).astype(np.float32)


@pytest.mark.parametrize("amount", [0.5, 1.0])
def test_a_moved_mouth_corner_is_measured_there_and_head_motion_nowhere(amount: float) -> None:
    motion = dict(
        zip(
            REGIONS,
            region_motion(grey(FACE), grey(shifted(amount, slice(70, 108), slice(28, 64)))),
            strict=True,
        )
    )
    assert motion["left mouth corner"] == pytest.approx(amount / 2, rel=0.35)
    assert motion["right inner brow"] < 0.1 * amount
    whole = region_motion(grey(FACE), grey(shifted(amount, slice(None), slice(None))))
    assert np.median(whole) < 0.15 * amount


def run(course, seconds: float = 4.0, fps: int = 50):
    spotter, found = FlowSpotter("s", 40 * MS, 200 * MS), []
    rng = np.random.default_rng(1)
    track = FaceTrack(1, 0, Box(0, 0, 92, 92), Similarity(1, 0, 0, 0), 92.0, 1.0)
    for i in range(round(seconds * fps)):
        t = i / fps
        picture = shifted(course(t), slice(70, 108), slice(28, 64)) + rng.normal(0, 1, FACE.shape)
        rgb = np.repeat(np.clip(picture, 0, 255).astype(np.uint8)[:, :, None], 3, 2)
        found += spotter.push([FaceCrop(track, i, round(t * 1e9), 0, rgb[:32, :32].copy(), rgb)])
    return found


def test_a_clear_short_motion_is_the_strongest_find_at_its_place() -> None:
    found = run(lambda t: 1.5 * float(np.sin(np.pi * np.clip((t - 2.0) / 0.18, 0, 1)) ** 2))
    best = max(found, key=lambda e: e.probability)
    assert abs(best.apex_ns / 1e9 - 2.09) < 0.05
    assert 40 * MS <= best.offset_ns - best.onset_ns <= 200 * MS
    assert best.probability > 0.5


def test_a_slow_motion_and_a_still_face_are_nothing_strong() -> None:
    slow = run(lambda t: 1.5 * float(np.sin(np.pi * np.clip((t - 1.0) / 2.0, 0, 1)) ** 2))
    still = run(lambda t: 0.0)
    assert all(e.probability < 0.5 for e in [*slow, *still])


def test_a_skewed_hump_keeps_its_times_in_order() -> None:
    """A quick rise and a slow fall: clipping to the longest length must not pass the apex."""

    def course(t: float) -> float:
        return 2.0 * float(np.clip((t - 2.0) / 0.01, 0, 1) * np.clip((2.36 - t) / 0.35, 0, 1))

    found = run(course, fps=100)
    assert found
    for e in found:
        assert e.onset_ns <= e.apex_ns < e.offset_ns
