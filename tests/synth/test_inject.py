"""Events injected into real frames are where the truth says, and nothing else changes."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

from stream_mer.synth.demo import demo_portrait
from stream_mer.synth.inject import Injector, draw_injections, injected
from stream_mer.synth.spec import EventSpec
from stream_mer.types import Frame

PORTRAIT, MESH = demo_portrait()
_NOISE = cv2.GaussianBlur(np.random.default_rng(1).normal(0, 1, (512, 512, 1)), (0, 0), 2.0)[:, :, None]
FRAME = np.repeat((128 + 110 * np.tanh(_NOISE / _NOISE.std())).astype(np.uint8), 3, 2)
FACE = 2 * MESH
EVENT = EventSpec(1.0, 0.2, "surprise", ("1", "2"), 0.02, 0.5)


def test_apex_moves_the_brows_by_the_peak() -> None:
    injector = Injector([EVENT], seed=2)  # moves by the table: wide enough for this estimator
    (event,) = injector.events
    rest = injector.apply(FRAME, event.onset_ns, FACE)
    apex = injector.apply(FRAME, event.apex_ns, FACE)
    grey = [cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) for p in (rest, apex)]
    flow = cv2.calcOpticalFlowFarneback(grey[0], grey[1], None, 0.5, 4, 17, 6, 7, 1.5, 0)
    size = np.hypot(flow[..., 0], flow[..., 1])
    width = 2.3 * np.hypot(*(FACE[[33, 133], :2].mean(0) - FACE[[263, 362], :2].mean(0)))
    assert size.max() == pytest.approx(0.02 * width, rel=0.15)
    y, x = np.unravel_index(int(size.argmax()), size.shape)
    assert np.hypot(*(FACE[[105, 334, 107, 336], :2] - [x, y]).T).min() < 0.15 * width


def test_frames_without_event_are_all_alike_and_the_rest_of_the_picture_is_untouched() -> None:
    injector = Injector([EVENT], seed=3)
    early, late = injector.apply(FRAME, 0, FACE), injector.apply(FRAME, 1_200_000_000, FACE)
    np.testing.assert_array_equal(early, late)
    for pts_ns in (0, 1_100_000_000):
        out = injector.apply(FRAME, pts_ns, FACE)
        np.testing.assert_array_equal(out[:60], FRAME[:60])
        np.testing.assert_array_equal(out[:, :60], FRAME[:, :60])


def test_event_does_not_change_the_sharpness() -> None:
    """Resampling softens; it must soften frames with and without an event alike."""
    injector = Injector([EVENT], seed=3)
    rest, apex = (injector.apply(FRAME, t, FACE) for t in (0, injector.events[0].apex_ns))
    x, y = FACE[107, :2].astype(int)
    piece = (slice(y - 25, y + 25), slice(x - 25, x + 25))
    sharpness = [cv2.Laplacian(p[piece].astype(np.float32), cv2.CV_32F).std() for p in (rest, apex)]
    assert sharpness[1] == pytest.approx(sharpness[0], rel=0.08)


def test_same_seed_injects_the_same_and_another_differs() -> None:
    one, two, other = (Injector([EVENT], seed=s) for s in (1, 1, 2))
    assert one.events == two.events
    t = one.events[0].apex_ns
    np.testing.assert_array_equal(one.apply(FRAME, t, FACE), two.apply(FRAME, t, FACE))
    assert (one.apply(FRAME, t, FACE) != other.apply(FRAME, t, FACE)).any()


def test_face_at_the_border_or_outside_is_harmless() -> None:
    injector = Injector([EVENT], seed=3)
    for shift in ((-300.0, 0.0, 0.0), (0.0, 250.0, 0.0), (2000.0, 0.0, 0.0)):
        out = injector.apply(FRAME, injector.events[0].apex_ns, FACE + shift)
        assert out.shape == FRAME.shape
        assert out is not FRAME


def test_drawn_injections_keep_clear_of_what_must_be_avoided() -> None:
    avoid = ((5.0, 15.0), (40.0, 45.0))
    events = draw_injections(4, 60.0, 20.0, avoid_s=avoid)
    assert 8 < len(events) < 35
    for event in events:
        assert all(event.onset_s + event.duration_s < a or event.onset_s > b for a, b in avoid)
    assert events == draw_injections(4, 60.0, 20.0, avoid_s=avoid)


@pytest.mark.parametrize("hours", [2.5, 1e-5])
def test_a_video_of_any_length_can_be_injected_into(hours: float) -> None:
    """A morning of film gets its events over all of it, a single frame none; neither is an error."""
    events = draw_injections(4, 3600 * hours, 1.0)
    assert abs(len(events) - 60 * hours) < 40
    assert hours < 1 or events[-1].onset_s > 3600 * (hours - 0.3)


def test_events_can_be_one_sided_and_stay_the_same_otherwise() -> None:
    both, one = (draw_injections(5, 300.0, 20.0, one_sided=share) for share in (0.0, 1.0))
    assert not any(unit in ("L4", "R4", "L14", "R15") for e in both for unit in e.action_units)
    units = {unit for e in one for unit in e.action_units}
    assert {"L4", "R4", "L14", "R14", "L15", "R15"} <= units
    assert "4" not in {e.action_units[0] for e in one if len(e.action_units) == 1}
    assert ("4", "7") in {e.action_units for e in one}


def test_events_stand_still_where_the_camera_repeats_its_picture() -> None:
    injector, rng, picture, frames = Injector([EVENT], seed=3), np.random.default_rng(2), FRAME, []
    for number in range(12):  # 40 fps around the event; every third picture is shown twice
        if number % 3 != 2:
            picture = (FRAME + rng.normal(0, 1.5, FRAME.shape)).clip(0, 255).astype(np.uint8)
        frames.append(Frame(number, 975_000_000 + number * 25_000_000, picture))
    pairs = list(injected(((frame, FACE) for frame in frames), injector))
    again = [number % 3 == 2 for number in range(1, 12)]
    assert [bool((a.rgb == b.rgb).all()) for (a, _), (b, _) in pairwise(pairs)] == again
    assert [a == b for (_, a), (_, b) in pairwise(pairs)] == again
    assert [frame.pts_ns for frame, _ in pairs] == [frame.pts_ns for frame in frames]
    x, y = FACE[105, :2].astype(int)
    piece = (slice(y - 40, y + 40), slice(x - 40, x + 40))
    moved = [np.abs(frame.rgb[piece].astype(float) - pairs[0][0].rgb[piece]).mean() for frame, _ in pairs]
    assert max(moved[4:7]) > 2 * moved[1]


def test_frames_without_a_face_come_as_they_are_and_nothing_is_held_across_them() -> None:
    injector = Injector([EVENT], seed=3)
    frames = [Frame(n, 1_000_000_000 + n * 30_000_000, FRAME) for n in range(4)]
    meshes = [FACE, None, FACE, FACE]
    pairs = list(injected(zip(frames, meshes, strict=True), injector))
    assert pairs[1] == (frames[1], None)
    assert [taken for _, taken in pairs] == [frames[0].pts_ns, None, frames[2].pts_ns, frames[2].pts_ns]


def test_events_between_the_pictures_are_not_shown() -> None:
    injector = Injector([EVENT], seed=3)
    assert injector.shown([900_000_000, 1_000_000_000, 1_300_000_000]) == ()
    assert injector.shown([900_000_000, 1_100_000_000]) == injector.events
