from __future__ import annotations

import json
import threading

import pytest
from web_samples import Hands, event, result

from stream_mer.types import Result
from stream_mer.web.live_state import EVENTS, LiveState

SECOND = 1_000_000_000


def test_snapshot_says_what_was_published_in_jsons_own_types() -> None:
    hands = Hands()
    state = LiveState("door", threshold=0.4, clock_ns=hands)
    for index in range(50):
        hands.ns = index * SECOND // 20
        state.publish(
            result(index, scores=((index * 40, 0.5),), events=(event(),) if index == 9 else ()),
            {"coverage": 0.9, "dropped": 3, "latency_ms": 41.5},
        )
    hands.ns += SECOND // 2
    got = json.loads(json.dumps(state.snapshot()))
    assert got["phase"] == "running"
    assert got["frames"] == 50
    assert got["fps"] == 20.0, "of the wall clock: what really arrives"
    assert got["age_ms"] == 500
    assert got["time_s"] == pytest.approx(1.96)
    assert (got["width"], got["height"]) == (64, 48)
    assert (got["coverage"], got["dropped"], got["latency_ms"], got["threshold"]) == (0.9, 3, 41.5, 0.4)
    assert got["tracks"] == [{"id": 1, "face_px": 30.0}]
    assert got["scores"]["1"][:2] == [[0.0, 0.5], [0.04, 0.5]]
    assert got["events"][0]["label"] == "surprise"
    assert got["events"][0]["onset_s"] == 1.0


def test_before_the_first_frame_nothing_is_invented() -> None:
    got = LiveState("door").snapshot()
    assert got["phase"] == "waiting"
    assert got["fps"] is None
    assert got["age_ms"] is None
    assert got["events"] == []


def test_why_there_were_no_pictures_is_not_told_any_more_when_they_come() -> None:
    state = LiveState("door")
    state.say("nothing listens at this host and port; trying again in 27.0 s")
    state.publish(result(0))
    assert state.snapshot()["note"] == ""
    state.say("no data in time; trying again in 0.5 s")
    state.publish(result(1))
    assert state.snapshot()["note"], "during an outage late results say nothing about the camera"
    state.finish(failed=True)
    state.publish(result(2))
    assert state.snapshot()["note"] == "", "its pipeline was started again"


def test_memory_stays_bounded() -> None:
    state = LiveState("door", clock_ns=Hands())
    for index in range(3000):
        state.publish(result(index, scores=((index * 40, 0.2),), events=(event(index * 40),)))
    got = state.snapshot()
    assert len(got["events"]) == EVENTS
    assert got["events_total"] == 3000
    assert len(got["scores"]["1"]) <= 12 * 25 + 1


def test_new_epoch_starts_an_empty_score_line() -> None:
    state = LiveState("door", clock_ns=Hands())
    state.publish(result(100, scores=((4000, 0.7),)))
    state.publish(result(0, epoch=1))
    assert state.snapshot()["scores"] == {}


def test_a_pipeline_started_again_starts_an_empty_score_line() -> None:
    """Its times begin at 0 again: what the run before drew at 100 s must not be seen there once more."""
    state = LiveState("door", clock_ns=Hands())
    state.publish(result(2500, scores=((100_000, 0.7),), events=(event(99_000),)))
    state.finish(failed=True)
    state.publish(result(2))
    got = state.snapshot()
    assert got["scores"] == {}
    assert got["events"][0]["run"] != got["run"]
    state.publish(result(3, events=(event(80),)))
    assert state.snapshot()["events"][1]["run"] == got["run"]


def test_events_of_all_cameras_are_ordered_by_when_they_were_decided() -> None:
    hands = Hands()
    first, second = LiveState("door", clock_ns=hands), LiveState("hall", clock_ns=hands)
    for state, index in ((first, 9000), (second, 5)):
        hands.ns += SECOND
        state.publish(result(index, events=(event(index * 40),)))
    assert [s.snapshot()["events"][0]["decided_s"] for s in (first, second)] == [1.0, 2.0]


def test_repeated_result_is_no_frame_but_its_events_count() -> None:
    state = LiveState("door", clock_ns=Hands())
    state.publish(result(5))
    state.publish(Result(result(5).frame, (), events=(event(),), repeated=True))
    assert state.snapshot()["frames"] == 1
    assert state.snapshot()["events_total"] == 1


def test_ready_only_while_results_come() -> None:
    hands = Hands()
    state = LiveState("door", clock_ns=hands)
    assert state.ready() == "no frame yet"
    state.publish(result(0))
    assert state.ready() is None
    hands.ns += 6 * SECOND
    assert state.ready() == "silent for 6 s"
    state.finish(failed=True)
    assert state.ready() == "failed"


def test_watched_only_for_a_while_after_somebody_looked() -> None:
    hands = Hands()
    state = LiveState("door", clock_ns=hands)
    assert not state.watched
    assert state.picture() == (0, b"")
    assert state.watched
    hands.ns += 3 * SECOND
    assert not state.watched
    state.publish_picture(b"x")
    assert state.picture() == (1, b"x")


def test_readers_and_the_writer_do_not_disturb_each_other() -> None:
    state, stop, seen = LiveState("door"), threading.Event(), []

    def read() -> None:
        over = False
        while not over:  # at least once, however late this thread comes to its turn
            over = stop.is_set()
            got = state.snapshot()
            # Frames and events are published together: a torn read would show one without the other.
            seen.append(got["events_total"] == got["frames"])

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for index in range(400):
        state.publish(result(index, events=(event(index),)))
    stop.set()
    for reader in readers:
        reader.join(10)
    assert len(seen) >= len(readers)
    assert all(seen)
