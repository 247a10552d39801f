"""A paced file keeps its own time, and can be stopped while it waits."""

from __future__ import annotations

import threading
import time

from steered import MS, S, ScriptedSource, SteeredClock

from stream_mer.capture.clock import MonotonicClock
from stream_mer.capture.paced import PacedSource


def test_frames_come_when_they_are_due() -> None:
    clock = SteeredClock(now_ns=7 * S)
    source = PacedSource(ScriptedSource([0, 40, 50, 2000]), clock)
    due = [(frame.pts_ns, clock.now - 7 * S) for frame in source]
    assert due == [(0, 0), (40 * MS, 40 * MS), (50 * MS, 50 * MS), (2 * S, 2 * S)]


def test_late_consumer_catches_up_without_loss() -> None:
    clock = SteeredClock()
    source = PacedSource(ScriptedSource([0, 40, 80, 120, 160]), clock)
    seen = []
    for frame in source:
        seen.append(clock.now - 5 * S)
        if frame.index == 0:
            clock.now += 100 * MS
    assert seen == [0, 100 * MS, 100 * MS, 120 * MS, 160 * MS]


def test_info_says_live_and_the_rest_is_passed_on() -> None:
    inner = ScriptedSource([0, 40], losses={"corrupt": 2}, warnings=["odd"])
    source = PacedSource(inner, SteeredClock())
    assert source.info.live
    assert source.info.frames is None
    assert source.info.duration_s is None
    assert source.info.digest == inner.info.digest
    assert source.losses == {"corrupt": 2}
    assert list(source.warnings) == ["odd"]
    source.close()
    assert inner.closed == 1


def test_interrupted_while_waiting() -> None:
    inner = ScriptedSource([0, 3_600_000])
    source = PacedSource(inner, MonotonicClock())
    timer = threading.Timer(0.05, source.interrupt)
    timer.start()
    began = time.monotonic()
    assert [frame.pts_ns for frame in source] == [0]
    timer.join()
    assert time.monotonic() - began < 60
    assert inner.interrupted == 1


def test_monotonic_clock() -> None:
    clock = MonotonicClock()
    start = clock.now_ns()
    assert clock.wait_until(start)
    assert clock.wait_until(start + 5 * MS)
    assert clock.now_ns() >= start + 5 * MS
    clock.interrupt()
    assert not clock.wait_until(clock.now_ns() + 3600 * S)
    assert not clock.wait_until(start)
