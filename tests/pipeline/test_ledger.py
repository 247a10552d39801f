"""The ledger's equation, against a plain list of what happened."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from stream_mer.pipeline.ledger import REMEMBERED, Ledger
from stream_mer.pipeline.timing import BOUNDS_S, StageTimes


@given(st.lists(st.tuples(st.sampled_from(["capture", "drop", "process"]), st.integers(0, 20))))
def test_every_frame_is_in_exactly_one_place(steps: list[tuple[str, int]]) -> None:
    ledger, where, seen = Ledger(), dict[int, str](), set[int]()
    for step, index in steps:
        if step == "capture":
            if index in seen:
                continue
            seen.add(index)
            ledger.capture(index)
            where[index] = "in flight"
        elif step == "drop":
            ledger.drop(index, "overload")
            if where.get(index) == "in flight":
                where[index] = "dropped"
        else:
            ledger.process(index)
            if where.get(index) == "in flight":
                where[index] = "processed"
        flow = ledger.read()
        places = list(where.values())
        assert flow.captured == len(places)
        assert flow.in_flight == places.count("in flight")
        assert flow.processed == places.count("processed")
        assert sum(flow.dropped.values()) == places.count("dropped")


def test_what_is_left_at_the_end_has_a_cause() -> None:
    ledger = Ledger()
    for index in range(5):
        ledger.capture(index)
    ledger.process(0)
    ledger.settle("aborted")
    flow = ledger.read()
    assert (flow.processed, flow.dropped, flow.in_flight) == (1, {"aborted": 4}, 0)


def test_ages_are_kept_for_a_while_after_the_frame_is_done() -> None:
    ledger = Ledger()
    for index in range(REMEMBERED + 10):
        ledger.capture(index)
        ledger.process(index)
    assert ledger.age_ns(5) is None
    age = ledger.age_ns(REMEMBERED)
    assert age is not None
    assert 0 <= age < 60e9


def test_readings_are_consistent_while_frames_move() -> None:
    ledger, stop, wrong = Ledger(), threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            flow = ledger.read()
            if flow.captured != flow.processed + sum(flow.dropped.values()) + flow.in_flight:
                wrong.append(flow)

    reader = threading.Thread(target=look)
    reader.start()
    for index in range(20_000):
        ledger.capture(index)
        (ledger.process if index % 3 else lambda i: ledger.drop(i, "overload"))(index)
    stop.set()
    reader.join()
    assert not wrong


@given(st.lists(st.integers(0, 20_000_000_000), max_size=60))
def test_histogram_counts_every_duration(durations: list[int]) -> None:
    times = StageTimes()
    for duration in durations:
        times.add(duration)
    histogram = times.histogram()
    for bound, count in zip(BOUNDS_S, histogram.counts, strict=False):
        assert count == sum(d / 1e9 <= bound for d in durations)
    assert histogram.counts[-1] == len(durations)
    assert abs(histogram.sum_s - sum(durations) / 1e9) < 1e-6
