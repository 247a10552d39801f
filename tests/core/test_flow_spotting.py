"""The baseline measures known motions and finds a clear short one, once, in a still or moving face."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_mer.core.dense_flow import dense_flow
from stream_mer.core.flow_spotting import DELAY_NS, REGIONS, RIGID, FlowSpotter, region_motion
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


MOUTH = slice(70, 108), slice(28, 64)
WHOLE = slice(None), slice(None)


@pytest.mark.parametrize("amount", [0.2, 0.5, 1.0, 2.0])
def test_a_moved_mouth_corner_is_measured_there_and_head_motion_nowhere(amount: float) -> None:
    moved = region_motion(grey(FACE), grey(shifted(amount, *MOUTH)))
    motion = dict(zip(REGIONS, np.hypot(*moved.T), strict=True))
    assert motion["left mouth corner"] == pytest.approx(amount / 2, rel=0.2)
    assert motion["right inner brow"] < 0.1 * amount
    whole = region_motion(grey(FACE), grey(shifted(amount, *WHOLE)))
    assert np.hypot(*whole.T).max() < 0.15 * amount


@pytest.mark.parametrize("amount", [-5.0, -1.3, 0.4, 4.0])
def test_dense_flow_follows_the_whole_face(amount: float) -> None:
    flow = dense_flow(grey(FACE), grey(shifted(amount, *WHOLE)), RIGID)[:, 8:-8, 8:-8]
    assert np.median(flow[1]) == pytest.approx(amount / 2, abs=0.05)
    assert np.median(flow[0]) == pytest.approx(0, abs=0.05)


def run(course, seconds: float = 3.0, fps: float = 50, where=MOUTH, until: float = 99.0):
    """Events of a face that moves by ``course`` (px); and the time of the frame that gave each."""
    spotter, found = FlowSpotter("s", 40 * MS, 200 * MS), []
    rng = np.random.default_rng(1)
    track = FaceTrack(1, 0, Box(0, 0, 92, 92), Similarity(1, 0, 0, 0), 92.0, 1.0)
    for i in range(round(seconds * fps)):
        t = i / fps
        picture = shifted(course(t) if t < until else 3.0, *where) + rng.normal(0, 1, FACE.shape)
        rgb = np.repeat(np.clip(picture, 0, 255).astype(np.uint8)[:, :, None], 3, 2)
        crop = FaceCrop(track, i, round(t * 1e9), 0, rgb[:32, :32].copy(), rgb)
        found += [(event, crop.pts_ns) for event in spotter.push([crop])]
    return found


def bump(start: float, length: float, height: float = 1.5):
    return lambda t: height * float(np.sin(np.pi * np.clip((t - start) / length, 0, 1)) ** 2)


def strong(found) -> list:
    return [event for event, _ in found if event.probability > 0.7]


@settings(max_examples=6, deadline=None)
@given(st.floats(1.6, 2.0), st.floats(0.1, 0.2), st.sampled_from([30.0, 50.0, 100.0]))
def test_a_clear_short_motion_is_one_event_at_its_place(start: float, length: float, fps: float) -> None:
    found = run(bump(start, length), fps=fps)
    best, decided = max(found, key=lambda pair: pair[0].probability)
    assert [best] == strong(found)
    assert abs(best.apex_ns / 1e9 - start - length / 2) < 0.6 / fps + 0.01
    inside = min(best.offset_ns / 1e9, start + length) - max(best.onset_ns / 1e9, start)
    around = max(best.offset_ns / 1e9, start + length) - min(best.onset_ns / 1e9, start)
    assert inside / around > 0.5
    assert decided - best.apex_ns <= 500 * MS


def test_a_stronger_motion_is_more_probable() -> None:
    weak, mid, high = (max(e.probability for e, _ in run(bump(1.8, 0.16, h))) for h in (0.3, 0.6, 1.5))
    assert weak < mid < high < 1


@pytest.mark.parametrize(
    ("course", "where"),
    [
        (lambda t: 0.0, MOUTH),
        (bump(0.8, 2.0), MOUTH),
        (bump(1.8, 0.18), WHOLE),
        (lambda t: 3.0 * t, WHOLE),
    ],
    ids=["still", "slow", "a nod", "a turning head"],
)
def test_no_short_motion_against_the_nose_is_nothing_strong(course, where) -> None:
    assert not strong(run(course, where=where))


def test_what_comes_later_than_the_delay_changes_nothing() -> None:
    course = bump(1.6, 0.16)
    whole, cut = run(course), run(course, until=2.3)
    before = [pair for pair in whole if pair[1] < 2_300 * MS]
    assert strong(before)
    assert [pair for pair in cut if pair[1] < 2_300 * MS] == before
    assert all(decided - event.apex_ns >= DELAY_NS for event, decided in whole)


def test_a_skewed_hump_keeps_its_times_in_order() -> None:
    """A quick rise and a slow fall: clipping to the longest length must not pass the apex."""

    def course(t: float) -> float:
        return 2.0 * float(np.clip((t - 1.8) / 0.01, 0, 1) * np.clip((2.1 - t) / 0.28, 0, 1))

    found = run(course, fps=100)
    assert found
    for e, _ in found:
        assert e.onset_ns <= e.apex_ns < e.offset_ns
