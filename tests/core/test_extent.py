"""An event's limits are measured from the pictures: pulses of known course, noise, light, no motion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.core import extent
from stream_mer.core.extent import EARLIEST_NS, Extents, measure_extent, motion_course
from stream_mer.core.memory import FaceMemory
from stream_mer.core.metrics import interval_iou
from stream_mer.types import LABELS, Box, Event, FaceCrop, FaceTrack, Similarity

MS = 1_000_000
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


@given(st.sampled_from([30.0, 60.0, 120.0, 200.0]), st.floats(0.1, 0.2), st.floats(-0.02, 0.02))
def test_a_known_pulse_is_measured(fps: float, length_s: float, error_s: float) -> None:
    onset, offset = 500 - 500 * length_s, 500 + 500 * length_s
    times, pictures, _ = film(fps, onset, offset, noise=1.0, drift=5.0)
    measured = measure_extent(times, pictures, round((0.5 + error_s) * 1e9), 200 * MS)
    assert measured is not None
    found = (measured[0], measured[2])
    assert interval_iou(found, (round(onset * MS), round(offset * MS))) >= 0.6
    assert abs(measured[1] - 500 * MS) <= 1e9 / fps + 8 * MS


def test_the_course_follows_the_pulse_and_ignores_drifting_light() -> None:
    times, pictures, course = film(120, 420, 580, drift=20.0)
    near = np.abs(times - 500 * MS) < 250 * MS
    measured = motion_course(
        times[near], [p for p, n in zip(pictures, near, strict=True) if n], 500 * MS, 200 * MS
    )
    assert measured is not None
    # Height is relative to the mean around the apex, so compare shapes.
    assert np.corrcoef(measured, course[near])[0, 1] > 0.98


def test_a_still_face_and_too_few_pictures_have_no_extent() -> None:
    times = np.arange(0, 1000, 10.0) * MS
    assert measure_extent(times, [FACE] * len(times), 500 * MS, 200 * MS) is None
    assert measure_extent(times[:3], [FACE] * 3, 10 * MS, 200 * MS) is None


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


def refined(times: np.ndarray, pictures: list[np.ndarray], guess: Event, shortest_ms: int = 40) -> Event:
    """What becomes of a guess when these pictures are remembered."""
    memory = FaceMemory()
    track = FaceTrack(1, 0, Box(0, 0, 92, 92), Similarity(1, 0, 0, 0), 92.0, 1.0)
    for t, picture in zip(times, pictures, strict=True):
        big = np.repeat(np.repeat(np.clip(picture, 0, 255).astype(np.uint8), 2, 0), 2, 1)
        rgb = np.repeat(big[:, :, None], 3, 2)
        memory.push([FaceCrop(track, 0, round(t), 0, rgb[:32, :32].copy(), rgb)], (128, 128), round(t))
    return Extents(memory, shortest_ms * MS, 200 * MS).refine(guess)


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


@pytest.mark.parametrize(
    "measured",
    [
        (-400, 300, 310),
        (400, 650, 1500),
        (-400, 690, 1500),
        (490, 500, 510),
        (100, 110, 120),
        (990, 1000, 1010),
    ],
)
@pytest.mark.parametrize("guess", [(20, 220), (300, 340), (660, 700), (500, 600)])
@pytest.mark.parametrize("shortest_ms", [40, 200])
def test_whatever_is_measured_the_limits_stay_in_the_band_and_in_what_was_seen(
    monkeypatch: pytest.MonkeyPatch, measured: tuple[int, int, int], guess: tuple[int, int], shortest_ms: int
) -> None:
    monkeypatch.setattr(extent, "measure_extent", lambda *_: tuple(t * MS for t in measured))
    times = np.arange(0, NOW + 1, 20.0) * MS
    found = refined(times, [FACE] * len(times), event(*guess), shortest_ms)
    assert 0 <= found.onset_ns <= found.apex_ns < found.offset_ns <= NOW * MS
    assert shortest_ms * MS <= found.offset_ns - found.onset_ns <= 200 * MS
    assert found.offset_ns >= guess[1] * MS - 40 * MS


def peaks(fps: float, *pulses: tuple[float, float, float]) -> tuple[np.ndarray, list[np.ndarray]]:
    """One second of a face with triangular pulses: middle and half-width in ms, height."""
    times = np.arange(0, 1000, 1000 / fps)
    course = sum(h * np.clip(1 - np.abs(times - middle) / half, 0, 1) for middle, half, h in pulses)
    return times * MS, [(FACE + c * CHANGE).astype(np.float32) for c in course]


@pytest.mark.parametrize("error_ms", [-30, 0, 30])
def test_the_crossing_is_a_share_of_the_peak_wherever_the_classifier_saw_it(error_ms: int) -> None:
    """A triangle falls to 0.4 of its height at 0.6 of its half-width: the foot is said at 1.6 times that."""
    times, pictures = peaks(200, (500, 80, 1.0))
    measured = measure_extent(times, pictures, (500 + error_ms) * MS, 240 * MS)
    assert measured is not None
    foot = 1.6 * 0.6 * 80
    assert [t / MS for t in measured] == pytest.approx([500 - foot, 500, 500 + foot], abs=1.5)


def test_a_stronger_motion_elsewhere_is_not_taken_for_the_event() -> None:
    times, pictures = peaks(200, (500, 60, 1.0), (830, 60, 3.0))
    measured = measure_extent(times, pictures, 500 * MS, 200 * MS)
    assert measured is not None
    assert abs(measured[1] - 500 * MS) <= 5 * MS


@pytest.mark.parametrize("centre_ms", [40, 960])
def test_without_rest_on_either_side_there_is_no_extent(centre_ms: int) -> None:
    times, pictures = peaks(200, (centre_ms, 60, 1.0))
    assert measure_extent(times, pictures, centre_ms * MS, 200 * MS) is None
