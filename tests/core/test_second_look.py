"""The second look: windows about measured limits, what the classifier says of them, what comes of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stream_mer.core.baseline import log_odds
from stream_mer.core.decision import Candidate, Judge, seen_again
from stream_mer.core.second_look import BESIDE, SLACK_NS, SecondLook
from stream_mer.core.window_pictures import REFERENCE_NS, window_pictures
from stream_mer.types import (
    LABELS,
    SECOND_LOOK,
    Box,
    Event,
    FaceCrop,
    FaceTrack,
    Score,
    Similarity,
    Window,
)

MS = 1_000_000
LONGEST = 200 * MS
APART = 100 * MS


def crop(t_ms: int, *, segment: int = 0, epoch: int = 0, sr: bool = False, track: int = 1) -> FaceCrop:
    face = FaceTrack(track, segment, Box(0, 0, 92, 92), Similarity(1, 0, 0, 0), 92.0, 1.0)
    picture = np.full((128, 128, 3), (t_ms // 10 * 7) % 256, np.uint8)
    return FaceCrop(face, 0, t_ms * MS, epoch, picture[:32, :32], picture, sr)


def event(onset_ms: int, offset_ms: int, p: float = 0.8, *, epoch: int = 0, track: int = 1) -> Event:
    times = onset_ms * MS, (onset_ms + offset_ms) * MS // 2, offset_ms * MS
    shares = (p, 0.0, 0.0, 0.0, 0.0)
    return Event("", "s", epoch, track, *times, LABELS[0], p, shares, 92.0, False)


def seen(times_ms: range, **how: int) -> SecondLook:
    look = SecondLook(LONGEST, APART)
    for t in times_ms:
        look.push([crop(t, **how)], t * MS)
    return look


def limits(window: Window) -> tuple[int, int]:
    return window.centre_ns, window.duration_ns


def test_the_first_window_shows_the_event_within_its_own_limits_the_others_lie_beside_it() -> None:
    look, times = seen(range(0, 1000, 10)), np.arange(0, 1000, 10)
    first, *beside = look.windows(event(700, 840))
    assert limits(first) == (770 * MS, 140 * MS)
    wanted = window_pictures(times * MS, [crop(int(t)).picture for t in times], 770 * MS, 140 * MS)  # type: ignore[misc]
    assert wanted is not None
    assert (first.pictures == wanted).all()
    sixth = round(140 * MS / 6)
    assert [limits(w) for w in beside] == [
        (770 * MS, 112 * MS),
        (770 * MS, 175 * MS),
        (770 * MS - sixth, 140 * MS),
        (770 * MS + sixth, 140 * MS),
    ]


def test_windows_beside_it_whose_pictures_have_not_come_are_left_out() -> None:
    """Last pictures are due at 980 ms, that of the longer window at 990, of the later one at 1000."""
    asked = event(800, 900)
    assert [limits(w)[1] // MS for w in seen(range(0, 1000, 10)).windows(asked)] == [100, 80, 125, 100]
    late = seen(range(0, 1010, 10)).windows(asked)
    assert len(late) == len(BESIDE)
    assert seen(range(0, 970, 10)).windows(asked) == ()


@pytest.mark.parametrize("fps", [25, 30, 50, 60, 120])
def test_only_frames_close_together_get_a_second_look(fps: int) -> None:
    look = SecondLook(LONGEST, 1e9 / 45)
    for i in range(fps):
        t = i / fps
        look.push([replace(crop(0), pts_ns=round(t * 1e9))], round(t * 1e9))
    assert bool(look.windows(event(500, 660))) is (fps > 45)


@pytest.mark.parametrize("where", [(800, 920), (910, 995), (0, 80), (280, 400), (2000, 2100)])
def test_without_all_pictures_before_and_after_there_is_no_window(where: tuple[int, int]) -> None:
    assert seen(range(0, 1000, 10)).windows(event(*where)) == ()


def test_pictures_from_before_a_loss_or_of_another_kind_show_nothing() -> None:
    for how in ({"segment": 1}, {"epoch": 1}, {"sr": True}):
        look = seen(range(0, 500, 10))
        for t in range(500, 1000, 10):
            look.push([crop(t, **how)], t * MS)  # type: ignore[arg-type]
        assert look.windows(event(450, 550)) == ()
        assert look.windows(event(700, 800, epoch=how.get("epoch", 0)))
    assert look.windows(event(700, 800, epoch=5)) == ()
    assert look.windows(event(700, 800, track=2)) == ()


def test_no_window_spans_a_gap() -> None:
    look = SecondLook(LONGEST, APART)
    for t in (*range(0, 700, 10), *range(740, 1000, 10)):
        look.push([crop(t)], t * MS)
    assert look.windows(event(690, 800)) == ()
    assert look.windows(event(860, 900))


@pytest.mark.parametrize(("during_ms", "later_ms"), [(8, 4), (4, 8)])
def test_what_counts_as_a_gap_is_known_from_the_pictures_of_the_event(during_ms: int, later_ms: int) -> None:
    """A camera may change its frame rate after an event, before it is decided."""
    for missing in (False, True):
        look = SecondLook(LONGEST, APART)
        times = [*range(0, 880, during_ms), *range(880, 1030, later_ms)]
        for t in times:
            if not (missing and 728 <= t < 728 + 2 * during_ms):
                look.push([crop(t)], t * MS)
        assert (look.windows(event(700, 800)) == ()) is missing


@pytest.mark.parametrize("longest_ms", [200, 500, 1000])
@pytest.mark.parametrize("fps", [15, 60, 240])
def test_the_longest_event_is_still_remembered_when_it_is_decided(longest_ms: int, fps: int) -> None:
    """Decided 150 ms after the offset that the first look supposed, which may be 80 ms after the measured."""
    look, step = SecondLook(longest_ms * MS, APART), 1000 / fps
    times = [i * step for i in range(int(3 * fps))]
    onset = times[fps] - 1
    for t in times:
        face = replace(crop(0), pts_ns=round(t * MS))
        look.push([face], face.pts_ns)
        if t >= onset + longest_ms + 230:
            break
    windows = look.windows(event(round(onset), round(onset) + longest_ms))
    assert len(windows) >= len(BESIDE) - (longest_ms == 1000), "the later one's last pictures have not come"
    last = look._lanes[1][0].pts_ns
    earliest = min(w.centre_ns - w.duration_ns // 2 for w in windows)
    assert last <= earliest - REFERENCE_NS, "whole pictures before each"


def test_only_the_last_pictures_are_kept_and_of_faces_that_left_none() -> None:
    look = seen(range(0, 3000, 10))
    (lane,) = look._lanes.values()
    assert len(lane) <= (LONGEST * 7 / 6 + SLACK_NS) / MS / 10 + 1
    look.push([crop(5000, track=2)], 5000 * MS)
    assert set(look._lanes) == {2}
    look.push([crop(10, epoch=1, track=3)], 10 * MS)  # the clock starts again
    assert set(look._lanes) == {3}


def score(p: float, label: int = 0) -> Score:
    shares = [0.0] * len(LABELS)
    shares[label] = p
    return Score(1, 0, 0, 770 * MS, 140 * MS, tuple(shares), 92.0, False)


def candidate(p: float, usual: float = 0.0) -> Candidate:
    return Candidate(event(700, 840, p), None, 1000 * MS, usual)


def test_the_mean_log_odds_of_the_second_look_count_and_its_classes() -> None:
    windows = seen(range(0, 1000, 10)).windows(event(700, 840))
    again = seen_again(
        replace(candidate(0.3, usual=1.0), windows=windows), [score(0.9, 3), score(0.6, 3), score(0.2, 1)]
    )
    assert again.windows == (), "its pictures would be kept"
    assert again.event.label == LABELS[3]
    mean = (log_odds(0.9) + log_odds(0.6) + log_odds(0.2)) / 3
    assert log_odds(again.event.probability) == pytest.approx(mean), "and nothing is taken off"
    assert again.usual == 0
    p = again.event.probability
    assert again.event.probabilities == pytest.approx((0, p * 0.2 / 1.7, 0, p * 1.5 / 1.7, 0))
    assert log_odds(again.first) == pytest.approx(log_odds(0.3) + 1.0)  # type: ignore[arg-type]
    assert (again.event.onset_ns, again.event.offset_ns) == (700 * MS, 840 * MS)


def test_a_certain_second_look_stays_a_probability() -> None:
    for p in (0.0, 1.0):
        again = seen_again(candidate(0.3), [score(p)])
        assert again.event.probability == pytest.approx(p, abs=1e-6)
        assert sum(again.event.probabilities) == pytest.approx(again.event.probability, abs=1e-6)


def test_what_only_one_of_the_looks_sees() -> None:
    doubted, late = seen_again(candidate(0.8), [score(0.2)]), seen_again(candidate(0.2), [score(0.8)])
    events, (rejected,) = Judge(0.5, "d").judge([doubted])
    assert events == ()
    assert (rejected.reason, rejected.detail) == (SECOND_LOOK, "p 0.80 is 0.20 within its measured limits")
    (found,), rest = Judge(0.5, "d").judge([late])
    assert rest == ()
    assert found.probability == pytest.approx(0.8)
    assert Judge(0.9, "d").judge([doubted, late]) == ((), ())
    (found,), _ = Judge(0.5, "d").judge([seen_again(candidate(0.2, usual=2.0), [score(0.8)])])
    assert found.probability == pytest.approx(0.8), "what is usual belongs to the first look"


def test_without_a_second_look_the_first_one_counts() -> None:
    (found,), _ = Judge(0.5, "d").judge([candidate(0.8)])
    assert found.probability == 0.8
