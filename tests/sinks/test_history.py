from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sink_samples import MS, crop, event, result, score, track

from stream_mer.sinks.history import DrawSettings, History, Status


def test_frame_rate_comes_from_the_streams_own_clock() -> None:
    history = History()
    for index in range(60):
        history.push(result(index, fps=29.97))
    assert history.fps == pytest.approx(29.97, abs=0.01)


def test_no_frame_rate_before_three_frames() -> None:
    history = History()
    history.push(result(0))
    assert history.fps is None


def test_banner_stays_its_time_and_at_least_a_second() -> None:
    history = History(DrawSettings(banner_s=1.2))
    history.push(result(0, events=(event(0),)))
    up = 0
    for index in range(1, 60):
        history.push(result(index))
        up += bool(history.banners)
    assert 1.0 <= up / 25 <= 1.2
    with pytest.raises(ValueError, match="banner_s"):
        DrawSettings(banner_s=0.5)


def test_banners_keep_their_place_while_others_come_and_go() -> None:
    history = History(DrawSettings(banner_s=1))
    history.push(result(0, events=(event(0, track_id=1),)))
    history.push(result(10, events=(event(0, track_id=2),)))
    assert {m.event.track_id: m.slot for m in history.banners} == {1: 0, 2: 1}
    history.push(result(26))
    assert {m.event.track_id: m.slot for m in history.banners} == {2: 1}
    history.push(result(27, events=(event(0, track_id=3),)))
    assert {m.event.track_id: m.slot for m in history.banners} == {3: 0, 2: 1}


def test_best_of_several_durations_is_the_score_of_a_moment() -> None:
    history = History()
    history.push(result(50, scores=(score(1000, 0.2), score(1000, 0.7), score(1000, 0.4))))
    assert [(t / MS, round(p, 6)) for t, p in history.curve(1)] == [(1000, 0.7)]


def test_old_scores_marks_and_faces_are_forgotten() -> None:
    history = History(DrawSettings(strip_s=2))
    face = track()
    history.push(
        result(0, tracks=(face,), crops=(crop(face, 0, 0),), scores=(score(0, 0.5),), events=(event(0),))
    )
    assert history.faces[0].crop is not None
    for index in range(1, 20):
        history.push(result(index))
    assert history.faces[0].crop is None, "a crop half a second old is not shown any more"
    for index in range(20, 100):
        history.push(result(index))
    assert history.curve(1) == []
    assert history.marks == []
    assert history.faces == []


@pytest.mark.parametrize("restart", [True, False])
def test_time_goes_on_over_a_reconnect(restart: bool) -> None:
    history = History()
    for index in range(50):
        history.push(result(index))
    before = history.now_ns
    history.push(result(0 if restart else 500, epoch=1, scores=(score(1900, 0.9, epoch=0),)))
    assert history.now_ns == before + 40 * MS
    assert history.curve(1)[0][0] == 1900 * MS, "a late score of the old epoch stays where it was"


def test_status_is_kept_until_replaced() -> None:
    history = History()
    history.push(result(0), status=Status(coverage=0.5))
    history.push(result(1))
    assert history.status.coverage == 0.5


def test_insets_go_where_they_hide_no_face() -> None:
    history = History()
    size = (640, 480)
    history.push(result(0, size=size, tracks=(track(x=520, y=60, width=100),)))
    assert history.place != "right"
    place = history.place
    for index in range(1, 20):  # a short visit does not move them
        history.push(result(index, size=size, tracks=(track(x=20, y=60, width=100),)))
    assert history.place == place
    for index in range(20, 60):
        history.push(result(index, size=size, tracks=(track(x=20, y=60, width=100),)))
    assert history.place == "right"


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10_000)), max_size=40))
def test_display_time_never_goes_back(frames: list[tuple[int, int]]) -> None:
    history, last = History(), 0
    for epoch, index in frames:
        history.push(result(index, epoch=epoch))
        assert history.now_ns >= last
        last = history.now_ns
