"""A lost connection is made again, with time going on and nothing hidden."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steered import MS, S, ScriptedSource, SteeredClock

from stream_mer.capture.clock import MonotonicClock
from stream_mer.capture.faults import SourceRefused
from stream_mer.capture.reconnect import ReconnectingSource
from stream_mer.errors import SourceDamaged, SourceError, SourceNotFound
from stream_mer.types import Frame

BROKE = SourceError("the line broke\ntry again")
Script = list[ScriptedSource | SourceError]


def connector(script: Script) -> Callable[[], ScriptedSource]:
    def connect() -> ScriptedSource:
        step = script.pop(0)
        if isinstance(step, SourceError):
            raise step
        return step

    return connect


def build(clock: SteeredClock, script: Script) -> ReconnectingSource:
    return ReconnectingSource(connector(script), clock, chance=lambda: 0.0)


def end() -> SourceRefused:
    """Ends a script: the only way out besides an interruption."""
    return SourceRefused("over")


def play(source: ReconnectingSource) -> list[Frame]:
    """All frames of a script that finishes with `end`."""
    frames: list[Frame] = []
    with pytest.raises(SourceRefused, match="over"):
        frames.extend(iter(source))
    return frames


def test_outage_shows_as_time_and_epoch() -> None:
    clock = SteeredClock()
    first = ScriptedSource([0, 40, 80], error=BROKE, clock=clock)
    second = ScriptedSource([0, 40], clock=clock)
    source = build(clock, [first, BROKE, second, end()])
    seen = [(frame.index, frame.epoch, frame.pts_ns // MS) for frame in play(source)]
    # pauses of 0.5 and 1 s lie between the epochs
    assert seen == [(0, 0, 0), (1, 0, 40), (2, 0, 80), (3, 1, 1580), (4, 1, 1620)]
    assert source.reconnects == 1
    assert (first.closed, second.closed) == (1, 1)


def test_end_of_a_live_stream_is_an_outage() -> None:
    clock = SteeredClock()
    source = build(clock, [ScriptedSource([0], clock=clock), ScriptedSource([0], clock=clock), end()])
    assert [frame.epoch for frame in play(source)] == [0, 1]
    assert source.reconnects == 1
    assert clock.waits[:2] == [S // 2, S]


@settings(deadline=None)
@given(
    st.lists(
        st.none() | st.lists(st.integers(1, 90_000), max_size=6),
        min_size=1,
        max_size=12,
    )
)
def test_time_and_epoch_only_go_forward(plan: list[list[int] | None]) -> None:
    clock = SteeredClock()
    script: Script = [ScriptedSource([0], clock=clock)]
    expected = 1
    for steps in plan:
        if steps is None:
            script.append(BROKE)
            continue
        times = [sum(steps[: i + 1]) for i in range(len(steps))]
        script.append(ScriptedSource(times, clock=clock, error=BROKE))
        expected += len(times)
    source = build(clock, [*script, end()])
    seen = [(frame.index, frame.pts_ns, frame.epoch) for frame in play(source)]
    assert [index for index, _, _ in seen] == list(range(expected))
    assert seen[0][1:] == (0, 0)
    for (_, t0, e0), (_, t1, e1) in pairwise(seen):
        assert t1 > t0
        assert e1 in (e0, e0 + 1)


def test_epochs_inside_a_connection_count_too() -> None:
    clock = SteeredClock()
    script: Script = [
        ScriptedSource([0, 40, 80], epochs=[0, 1, 1], clock=clock),
        ScriptedSource([0, 40], epochs=[0, 1], clock=clock),
        end(),
    ]
    seen = [frame.epoch for frame in play(build(clock, script))]
    assert seen == [0, 1, 1, 2, 3]


@pytest.mark.parametrize("error", [SourceRefused("no"), SourceNotFound("none"), BROKE, SourceDamaged("x")])
def test_first_connection_fails_at_once(error: SourceError) -> None:
    clock = SteeredClock()
    with pytest.raises(type(error)):
        build(clock, [error])
    assert clock.waits == []


def test_wrong_password_later_ends_at_once() -> None:
    clock = SteeredClock()
    source = build(clock, [ScriptedSource([0], error=BROKE), SourceRefused("wrong password")])
    with pytest.raises(SourceRefused, match="wrong password"):
        list(source)
    assert len(clock.waits) == 1


def test_stream_missing_for_a_while_is_waited_for() -> None:
    clock = SteeredClock()
    script: Script = [
        ScriptedSource([0]),
        SourceNotFound("404"),
        SourceNotFound("404"),
        ScriptedSource([0]),
        end(),
    ]
    source = build(clock, script)
    seen = [frame.epoch for frame in play(source)]
    assert seen == [0, 1]


def test_losses_and_warnings_add_up() -> None:
    clock = SteeredClock()
    script: Script = [
        ScriptedSource([0], losses={"corrupt": 2}, warnings=["a"], error=BROKE),
        ScriptedSource([0], losses={"corrupt": 3}, warnings=["a", "b"]),
        end(),
    ]
    source = build(clock, script)
    play(source)
    assert source.losses == {"corrupt": 5}
    assert list(source.warnings)[:2] == ["a", "b"]
    assert "lost: 2, made again: 1" in source.warnings[-1]


def test_warnings_do_not_grow_for_ever() -> None:
    clock = SteeredClock()
    script: Script = [ScriptedSource([0], warnings=[f"w{i}"]) for i in range(500)]
    source = build(clock, [*script, end()])
    play(source)
    assert len(source.warnings) < 30


def test_interrupt_during_the_pause_ends_the_iteration() -> None:
    clock = SteeredClock()
    source = build(clock, [ScriptedSource([0], error=BROKE)])
    clock.on_wait = source.interrupt
    assert len(list(source)) == 1
    source.close()


def test_interrupt_during_a_real_pause() -> None:
    first = ScriptedSource([0], error=BROKE)
    source = ReconnectingSource(connector([first]), MonotonicClock())
    timer = threading.Timer(0.1, source.interrupt)
    timer.start()
    assert len(list(source)) == 1
    timer.join()
    assert first.closed == 1


def test_interrupt_while_connecting_stops_the_new_connection() -> None:
    clock = SteeredClock()
    second = ScriptedSource([0, 40])
    steps: list[ScriptedSource] = [ScriptedSource([0], error=BROKE)]

    def connect() -> ScriptedSource:
        if steps:
            return steps.pop()
        source.interrupt()
        return second

    source = ReconnectingSource(connect, clock)
    assert len(list(source)) == 1
    assert second.interrupted == 1
    source.close()
    assert second.closed == 1
