"""What is said of a frame rate is what the windows do at it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.app.observability import observe, observed, uneven
from stream_mer.config import Settings
from stream_mer.core.tally import Tally
from stream_mer.core.windowing import duration_ladder, observable_rungs


@pytest.mark.parametrize(
    ("fps", "words"),
    [
        (12, "cannot show events of 0.2 s or less (shortest: 0.25 s); nothing was classified"),
        (14.9, "shows events of 0.200 s and longer"),
        (15, "shows events of 0.200 s and longer"),
        (25, "shows events of 0.120 s and longer"),
        (60, "shows events of 0.050 s and longer"),
        (75, "ok"),
        (200, "ok"),
    ],
)
def test_three_frames_make_an_event(fps: float, words: str) -> None:
    assert words in str(observe(fps, Settings())["verdict"])


@pytest.mark.parametrize(("length", "fps"), [(0.2, 12), (0.2, 14), (0.1, 25), (0.04, 60)])
def test_a_band_of_one_length_is_not_looked_for_where_three_frames_last_longer(
    length: float, fps: float
) -> None:
    only = Settings(min_duration_s=length, max_duration_s=length)
    assert "nothing was classified" in str(observe(fps, only)["verdict"])
    assert observe(3 / length, only)["verdict"] == "ok"


@given(st.floats(1, 300), st.floats(0.03, 0.5), st.floats(1, 8))
def test_what_is_said_is_what_is_done(fps: float, low: float, ratio: float) -> None:
    high = min(1.0, low * ratio)
    said = str(observe(fps, Settings(min_duration_s=low, max_duration_s=high))["verdict"])
    tried = observable_rungs(duration_ladder(low, high), 1e9 / fps, 1e9 * high)
    assert ("nothing was classified" in said) == (not tried)
    if high * fps >= 3.001:
        assert tried, "an event of the longest length has three frames"
    if said == "ok":
        assert low * fps >= 2.9


def test_one_gap_is_said_in_good_english() -> None:
    tally = Tally(frames=20, gaps=1)
    assert "(gaps: 1, frames: 20)" in str(uneven({"verdict": "ok"}, tally)["verdict"])


def test_what_was_classified_while_frames_came_faster_is_not_denied() -> None:
    slow = observe(10, Settings())
    tally = Tally(frames=300, streamed_ns=30_000_000_000)
    assert uneven(slow, tally) == slow
    tally.classified.add((0, 9_000_000_000))
    said = str(uneven(slow, tally)["verdict"])
    assert said.startswith(
        "10 fps cannot show events of 0.2 s or less (shortest: 0.30 s); 30% of the time was"
    )
    assert "nothing" not in said


def counted(fps: float, repeats: int, compared: int = 100) -> Tally:
    tally = Tally(frames=100, compared=compared, repeats=repeats)
    tally.add(round(99e9 / fps), 0, {round(1e9 / fps) // 1_000_000: (99, round(99e9 / fps))})
    return tally


@pytest.mark.parametrize(
    ("fps", "repeats", "shortest", "words"),
    [
        (60, 50, 0.1, "50% of 60 frames a second only repeat the face's last picture; events of 0.100 s"),
        (25, 25, 0.16, "25% of 25 frames a second only repeat the face's last picture; events of 0.160 s"),
        (25, 60, 0.3, "too few new ones for events of 0.2 s; many will be missed"),
        (25, 100, None, "too few new ones for events of 0.2 s; many will be missed"),
        (25, 9, 0.12, "25 fps shows events of 0.120 s and longer"),
        (240, 50, 0.0125, "ok"),
    ],
)
def test_repeated_pictures_show_nothing_new(
    fps: float, repeats: int, shortest: float | None, words: str
) -> None:
    said = observed(counted(fps, repeats), Settings())
    assert words in str(said["verdict"])
    assert said["shortest_event_s"] == pytest.approx(shortest, abs=1e-4)


def test_a_few_frames_with_a_face_are_not_judged_by() -> None:
    assert observed(counted(60, 9, 19), Settings()) == observe(60, Settings())


def test_what_frame_rates_cannot_show_at_all_is_said_of_them() -> None:
    assert "nothing was classified" in str(observed(counted(10, 50), Settings())["verdict"])
