"""An event's limits are measured from the pictures: pulses of known course, noise, light, no motion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.core import extent
from stream_mer.core.extent import Extents, measure_extent, motion_course
from stream_mer.core.memory import FaceMemory
from stream_mer.core.metrics import interval_iou
from stream_mer.core.spotting import EARLIEST_NS
from stream_mer.synth.pulse import SHAPES, Pulse
from stream_mer.types import LABELS, Box, Event, FaceCrop, FaceTrack, Similarity

MS = 1_000_000
BAND = (40 * MS, 200 * MS)
RNG = np.random.default_rng(3)
FACE = RNG.normal(128, 30, (64, 64)).astype(np.float32)
CHANGE = np.zeros((64, 64), np.float32)
CHANGE[40:50, 20:44] = RNG.normal(0, 6, (10, 24))


def film(fps: float, onset_ms: float, offset_ms: float, *, noise: float = 0.0, drift: float = 0.0):
    """One second of a face that changes by a raised-cosine pulse; light drifts by ``drift`` levels."""
    times = np.arange(0, 1000, 1000 / fps)
    phase = np.clip((times - onset_ms) / (offset_ms - onset_ms), 0, 1)
    course = 0.5 * (1 - np.cos(2 * np.pi * phase))
    rng = np.random.default_rng(0)
    pictures = [
        FACE + c * CHANGE + drift * t / 1000 + rng.normal(0, noise, FACE.shape).astype(np.float32)
        for c, t in zip(course, times, strict=True)
    ]
    return times * MS, [p.astype(np.float32) for p in pictures], course


def measured(times: np.ndarray, pictures: list[np.ndarray], onset_ms: float, offset_ms: float):
    """Limits in ms, measured from the pictures near a supposed event."""
    near = (times >= (onset_ms - 100) * MS) & (times <= (offset_ms + 100) * MS)
    seen = [p for p, n in zip(pictures, near, strict=True) if n]
    found = measure_extent(times[near], seen, round(onset_ms * MS), round(offset_ms * MS), BAND)
    return None if found is None else tuple(t / MS for t in found)


@given(
    st.sampled_from([30.0, 60.0, 120.0, 200.0]),
    st.floats(100, 200),
    st.floats(-20, 20),
    st.sampled_from([0.7, 1.0, 1.4]),
)
def test_a_known_pulse_is_measured(fps: float, length: float, error: float, factor: float) -> None:
    onset, offset = 500 - 0.5 * length, 500 + 0.5 * length
    times, pictures, _ = film(fps, onset, offset, noise=1.0, drift=5.0)
    half = 0.5 * min(200, factor * length)
    found = measured(times, pictures, 500 + error - half, 500 + error + half)
    assert found is not None
    assert interval_iou((found[0], found[2]), (onset, offset)) >= 0.65
    assert abs(found[1] - 500) <= 1000 / fps + 8


def pulsing(pulse: Pulse, fps: float, noise: float, seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """One second of a face that changes by this pulse, in noise."""
    times = np.arange(0, 1000, 1000 / fps) * MS
    rng = np.random.default_rng(seed)
    heights = pulse.heights(times.astype(np.int64))
    return times, [(FACE + h * CHANGE + rng.normal(0, noise, FACE.shape)).astype(np.float32) for h in heights]


@pytest.mark.parametrize("shape", SHAPES["train"] + SHAPES["test"])
@pytest.mark.parametrize("fps", [60.0, 120.0, 200.0])
@pytest.mark.parametrize("length", [70, 110, 190])
@pytest.mark.parametrize("supposed", [0.75, 1.3])
def test_limits_of_cusps_and_long_tails_are_found(
    shape: str, fps: float, length: int, supposed: float
) -> None:
    """Five draws of the noise each: no limits are as wrong as those supposed, the mean is near the truth."""
    onset, rise = 430, 0.35 * length
    pulse = Pulse(shape, onset * MS, round((onset + rise) * MS), (onset + length) * MS)
    middle, half = onset + 0.5 * length, 0.5 * min(200.0, supposed * length)
    truth, ious = (onset, onset + length), []
    for seed in range(5):
        found = measured(*pulsing(pulse, fps, 1.0, seed), middle - half, middle + half)
        assert found is not None
        ious.append(interval_iou((found[0], found[2]), truth))
    assert np.mean(ious) > 0.7
    assert min(ious) > 0.6


def test_the_course_follows_the_pulse_and_ignores_light() -> None:
    times, pictures, course = film(120, 420, 580, drift=20.0)
    flicker = 1 + 0.1 * np.sin(times / MS / 12)
    near = np.abs(times - 500 * MS) < 190 * MS
    lit = [f * p for p, f, n in zip(pictures, flicker.astype(np.float32), near, strict=True) if n]
    found = motion_course((times[near] - 420 * MS) / (160 * MS), lit)
    assert found is not None
    assert np.corrcoef(found, course[near])[0, 1] > 0.98


def test_a_slow_motion_of_something_else_does_not_lengthen_a_short_event() -> None:
    times, pictures, _ = film(120, 475, 525, noise=1.0)
    slow = np.zeros((64, 64), np.float32)
    slow[10:24, 14:50] = RNG.normal(0, 6, (14, 36))
    turn = 2.0 - 2.0 * ((times / MS - 500) / 150) ** 2
    moved = [p + np.float32(t) * slow for p, t in zip(pictures, turn, strict=True)]
    found = measured(times, moved, 445, 555)
    assert found is not None
    assert interval_iou((found[0], found[2]), (475, 525)) >= 0.6


def test_the_noise_of_the_pictures_at_the_apex_does_not_look_like_motion() -> None:
    times, _, _ = film(120, 420, 580)
    way = (times - 450 * MS) / (100 * MS)
    near = (way > -1) & (way < 2)
    rng = np.random.default_rng(1)
    tops = []
    for _ in range(40):
        found = motion_course(
            way[near], [(FACE + rng.normal(0, 2, FACE.shape)).astype(np.float32) for _ in way[near]]
        )
        assert found is not None
        tops.append(found[np.argmin(np.abs(way[near] - 0.5))] / found.std())
    assert abs(np.mean(tops)) < 1  # 2.8 with its own noise


def test_what_moves_the_whole_face_does_not_hide_the_course() -> None:
    times, pictures, course = film(120, 420, 580)
    down, right = np.gradient(FACE)
    y, x = np.mgrid[:64, :64] - 31.5
    rng = np.random.default_rng(4)
    near = np.abs(times - 500 * MS) < 190 * MS
    way = (times[near] - 420 * MS) / (160 * MS)
    for whole, size in (
        (right, 0.05),
        (down, 0.05),
        (down * x - right * y, 0.003),
        (right * x + down * y, 0.003),
    ):
        shaken = [
            (p + size * rng.normal() * whole).astype(np.float32)
            for p, n in zip(pictures, near, strict=True)
            if n
        ]
        found = motion_course(way, shaken)
        assert found is not None
        assert np.corrcoef(found, course[near])[0, 1] > 0.97


def test_stronger_motion_elsewhere_in_time_does_not_draw_the_limits_there() -> None:
    times, pictures, _ = film(60, 440, 560, noise=0.5)
    phase = np.clip((times / MS - 570) / 80, 0, 1)
    other = 2.0 * 0.5 * (1 - np.cos(2 * np.pi * phase))
    moved = [(p + c * CHANGE).astype(np.float32) for p, c in zip(pictures, other, strict=True)]
    found = measured(times, moved, 450, 550)
    assert found is not None
    assert interval_iou((found[0], found[2]), (440, 560)) >= 0.7


def test_in_noise_alone_what_was_supposed_remains() -> None:
    rng = np.random.default_rng(2)
    times = np.arange(0, 1000, 1000 / 60) * MS
    ious = []
    for _ in range(20):
        found = measured(
            times, [(FACE + rng.normal(0, 2, FACE.shape)).astype(np.float32) for _ in times], 450, 550
        )
        assert found is not None
        ious.append(interval_iou((found[0], found[2]), (450, 550)))
    assert np.mean(ious) > 0.65


def test_a_still_face_and_too_few_pictures_have_no_extent() -> None:
    times = np.arange(0, 1000, 10.0) * MS
    still = [np.full((64, 64), 128, np.float32)] * len(times)
    assert measured(times, still, 450, 550) is None
    assert measure_extent(times[:4], still[:4], 5 * MS, 25 * MS, BAND) is None


def event(onset_ms: int, offset_ms: int) -> Event:
    middle = (onset_ms + offset_ms) // 2
    return Event(
        "id",
        "s",
        0,
        1,
        onset_ms * MS,
        middle * MS,
        offset_ms * MS,
        LABELS[0],
        0.9,
        (0.9, 0, 0, 0, 0),
        92.0,
        False,
    )


def remembered(times: np.ndarray, pictures: list[np.ndarray]) -> FaceMemory:
    """A memory of these pictures."""
    memory = FaceMemory()
    track = FaceTrack(1, 0, Box(0, 0, 92, 92), Similarity(1, 0, 0, 0), 92.0, 1.0)
    for t, picture in zip(times, pictures, strict=True):
        big = np.repeat(np.repeat(np.clip(picture, 0, 255).astype(np.uint8), 2, 0), 2, 1)
        rgb = np.repeat(big[:, :, None], 3, 2)
        memory.push([FaceCrop(track, 0, round(t), 0, rgb[:32, :32].copy(), rgb)], (128, 128), round(t))
    return memory


def refined(times: np.ndarray, pictures: list[np.ndarray], guess: Event, shortest_ms: int = 40) -> Event:
    """What becomes of a guess when these pictures are remembered."""
    return Extents(remembered(times, pictures), shortest_ms * MS, 200 * MS).refine(guess)


def test_what_moves_soon_after_a_short_event_does_not_lengthen_it() -> None:
    times, pictures, _ = film(200, 475, 525)
    swell = np.clip((times / MS - 560) / 60, 0, 1) - np.clip((times / MS - 380) / 60, 0, 1) + 1
    moved = [p + 0.8 * w * CHANGE for p, w in zip(pictures, swell, strict=True)]
    found = refined(times, moved, event(465, 535))
    assert interval_iou((found.onset_ns, found.offset_ns), (475 * MS, 525 * MS)) >= 0.6


@pytest.mark.parametrize(("onset", "offset"), [(410, 590), (450, 550)])
def test_refining_brings_a_wrong_guess_nearer_and_stays_in_the_band(onset: int, offset: int) -> None:
    times, pictures, _ = film(60, onset, offset)
    guess = event(460, 530) if offset - onset > 120 else event(410, 590)
    found = refined(times, pictures, guess)
    truth = (onset * MS, offset * MS)
    before = interval_iou((guess.onset_ns, guess.offset_ns), truth)
    after = interval_iou((found.onset_ns, found.offset_ns), truth)
    assert after > before + 0.1
    assert found.offset_ns >= guess.offset_ns - EARLIEST_NS
    assert 40 * MS <= found.offset_ns - found.onset_ns <= 200 * MS
    assert found.onset_ns <= found.apex_ns < found.offset_ns


def test_an_event_of_an_unknown_track_stays_as_it_is() -> None:
    guess = event(400, 500)
    assert Extents(FaceMemory(), 40 * MS, 200 * MS).refine(guess) == guess


NOW = 900
NOISY = np.random.default_rng(5).normal(0, 1, (46, 64, 64)).astype(np.float32)


@given(
    st.integers(1, 25).map(lambda n: 20 * n),
    st.integers(20, 100).map(lambda n: 2 * n),
    st.integers(0, 800),
    st.integers(40, 200),
    st.sampled_from([40, 120, 200]),
    st.integers(0, 100),
)
def test_limits_stay_ordered_in_the_band_and_in_what_was_seen(
    guessed: int, lasts: int, onset: int, length: int, shortest: int, later: int
) -> None:
    """Events are decided after their offset, with as many pictures as have come by then."""
    lasts = max(lasts, shortest)
    guess = event(guessed, guessed + lasts)
    now = guessed + lasts + later
    times = np.arange(0, now + 1, 20.0) * MS
    heights = Pulse("sharp", onset * MS, (onset + length // 3) * MS, (onset + length) * MS).heights(
        times.astype(np.int64)
    )
    memory = remembered(times, [FACE + h * CHANGE + n for h, n in zip(heights, NOISY, strict=False)])
    memory.now_ns = now * MS
    found = Extents(memory, shortest * MS, 200 * MS).refine(guess)
    assert 0 <= found.onset_ns <= found.apex_ns < found.offset_ns <= now * MS
    assert shortest * MS <= found.offset_ns - found.onset_ns <= 200 * MS
    assert found.offset_ns >= guess.offset_ns - EARLIEST_NS


@pytest.mark.parametrize(
    "said", [(-150, -100, 40), (800, 900, 1000), (490, 495, 690), (100, 110, 300), (985, 990, 1185)]
)
@pytest.mark.parametrize("guess", [(20, 220), (300, 340), (660, 700), (500, 600)])
def test_whatever_is_measured_the_limits_stay_in_what_was_seen(
    monkeypatch: pytest.MonkeyPatch, said: tuple[int, int, int], guess: tuple[int, int]
) -> None:
    monkeypatch.setattr(extent, "measure_extent", lambda *_: tuple(t * MS for t in said))
    times = np.arange(0, NOW + 1, 20.0) * MS
    found = refined(times, [FACE] * len(times), event(*guess))
    assert 0 <= found.onset_ns <= found.apex_ns < found.offset_ns <= NOW * MS
    assert found.offset_ns - found.onset_ns == (said[2] - said[0]) * MS
    assert found.offset_ns >= guess[1] * MS - EARLIEST_NS


def peaks(fps: float, *pulses: tuple[float, float, float]) -> tuple[np.ndarray, list[np.ndarray]]:
    """One second of a face with triangular pulses: middle and half-width in ms, height."""
    times = np.arange(0, 1000, 1000 / fps)
    course = sum(h * np.clip(1 - np.abs(times - middle) / half, 0, 1) for middle, half, h in pulses)
    return times * MS, [(FACE + c * CHANGE).astype(np.float32) for c in course]


@pytest.mark.parametrize("error_ms", [-30, 0, 30])
@pytest.mark.parametrize("half_ms", [55, 80])
def test_a_clear_triangle_is_found_wherever_the_classifier_saw_it(error_ms: int, half_ms: int) -> None:
    times, pictures = peaks(200, (500, half_ms, 1.0))
    found = measured(times, pictures, 500 + error_ms - 70, 500 + error_ms + 70)
    assert found is not None
    assert found == pytest.approx([500 - half_ms, 500, 500 + half_ms], abs=10)


def test_a_stronger_motion_elsewhere_is_not_taken_for_the_event() -> None:
    times, pictures = peaks(200, (500, 60, 1.0), (830, 60, 3.0))
    found = measured(times, pictures, 430, 570)
    assert found is not None
    assert abs(found[1] - 500) <= 5


@pytest.mark.parametrize("centre_ms", [40, 960])
def test_without_rest_on_either_side_there_is_no_extent(centre_ms: int) -> None:
    times, pictures = peaks(200, (centre_ms, 60, 1.0))
    assert measured(times, pictures, centre_ms - 60, centre_ms + 60) is None
