"""What is remembered of one face: where it will be, how it moves, and when its motion is not believed."""

from __future__ import annotations

import numpy as np
import pytest

from stream_mer.core.keyframes import KeyFrameSettings, between
from stream_mer.core.track import Track, appearance, distance, face_centre
from stream_mer.types import Frame, Similarity

MS = 1_000_000
RGB = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
HERE = Similarity(1, 0, 60, 40)


@pytest.fixture
def track() -> Track:
    frame = Frame(0, 0, RGB, 0)
    return Track(1, frame, HERE, appearance(frame, HERE), KeyFrameSettings())


def shifted(x: float, y: float = 0.0) -> Similarity:
    return Similarity(1, 0, 60 + x, 40 + y)


def test_a_seen_face_goes_on_as_it_moved_but_for_a_tenth_of_a_second_only(track: Track) -> None:
    track.state = "seen"
    track.moved(shifted(4), 40 * MS)  # 100 px a second
    assert track.seen_ns == 40 * MS
    assert track.predicted(80 * MS).tx == pytest.approx(68)
    assert track.predicted(140 * MS).tx == pytest.approx(74)
    assert track.predicted(5000 * MS).tx == pytest.approx(74)
    assert track.predicted(0).tx == pytest.approx(64), "the past is not foretold"


def test_a_held_face_drifts_on_as_it_did_over_a_longer_time(track: Track) -> None:
    for step in range(1, 101):
        track.moved(shifted(2 * step, -step), 20 * step * MS)
    track.state = "held"
    x, y = track.drift
    assert (x, y) == pytest.approx((100, -50), rel=0.01)
    assert track.predicted(2500 * MS).tx == pytest.approx(260 + x / 2)
    assert track.predicted(2500 * MS).ty == pytest.approx(-60 + y / 2)


def test_a_face_half_covered_does_not_take_over_the_motion_of_what_covers_it(track: Track) -> None:
    track.moved(shifted(4), 40 * MS)
    before = track.drift.copy()
    assert before[0] == pytest.approx(100 * 0.04 / 0.25)
    track.crowded = True
    track.moved(shifted(40), 80 * MS)
    track.crowded, track.quality = False, 0.3
    track.moved(shifted(80), 120 * MS)
    assert np.array_equal(track.drift, before)
    assert track.pose == shifted(80)


def test_a_face_that_stops_loses_its_speed_by_halves(track: Track) -> None:
    track.moved(shifted(4), 40 * MS)
    speed = track.velocity.copy()
    assert speed == pytest.approx(between(HERE, shifted(4)) / 0.04)
    track.moved(shifted(4.001), 80 * MS)
    assert track.velocity == pytest.approx(speed / 2)
    track.moved(shifted(9), 80 * MS)
    assert track.velocity == pytest.approx(speed / 2), "no time has passed"
    assert track.pose == shifted(9)


def test_what_is_shown_is_the_pose_and_its_size(track: Track) -> None:
    track.quality = 1.7
    shown = track.shown()
    assert (shown.track_id, shown.segment, shown.pose, shown.quality) == (1, 0, HERE, 1.0)
    assert shown.face_px == pytest.approx(92)
    assert shown.box.x0 < face_centre(HERE)[0] < shown.box.x1


def test_the_middle_of_a_turned_face_is_where_its_pose_puts_it() -> None:
    turned = Similarity(0.8, 0.6, 10, 20)
    assert face_centre(turned) == pytest.approx(tuple(turned.apply(np.array([[64.0, 60.0]]))[0]))


def test_a_look_has_no_brightness_and_unit_length() -> None:
    soft = (RGB // 2).astype(np.uint8)
    looks = [appearance(Frame(0, 0, picture, 0), HERE) for picture in (soft, soft + 40)]
    assert np.allclose(looks[0], looks[1], atol=1e-3)
    assert np.linalg.norm(looks[0]) == pytest.approx(1, abs=1e-4)
    assert looks[0].mean() == pytest.approx(0, abs=1e-4)


def test_distance_is_in_widths_of_the_larger_face() -> None:
    big = Similarity(2, 0, 0, 0)
    small = Similarity(1, 0, 128 - 64 + 92, 120 - 60)  # its middle lies 92 px beside the big one's
    assert distance(big, small) == distance(small, big) == pytest.approx(0.5)
