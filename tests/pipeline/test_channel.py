"""The channel: order, loss only where allowed and counted, end and abort."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.pipeline.channel import Channel, Closed, End, Full


@given(st.integers(1, 5), st.lists(st.integers(), max_size=30))
def test_drop_oldest_keeps_the_newest_and_counts_the_rest(capacity: int, items: list[int]) -> None:
    channel: Channel[int] = Channel(capacity, Full.DROP_OLDEST)
    for item in items:
        channel.put(item)
    channel.end()
    got = []
    while not isinstance(item := channel.get(), End):
        got.append(item)
    assert got == items[-capacity:] if items else got == []
    assert channel.dropped == len(items) - len(got)


def test_block_loses_nothing_between_threads() -> None:
    channel: Channel[int] = Channel(2)
    producer = threading.Thread(target=lambda: ([channel.put(i) for i in range(500)], channel.end()))
    producer.start()
    got = []
    while not isinstance(item := channel.get(), End):
        got.append(item)
    producer.join(5)
    assert got == list(range(500))
    assert channel.dropped == 0


@pytest.mark.parametrize("side", ["put", "get"])
def test_abort_wakes_a_waiting_thread(side: str) -> None:
    channel: Channel[int] = Channel(1)
    if side == "put":
        channel.put(1)
    raised = threading.Event()

    def wait() -> None:
        try:
            channel.put(2) if side == "put" else channel.get()
        except Closed:
            raised.set()

    thread = threading.Thread(target=wait)
    thread.start()
    channel.abort()
    thread.join(5)
    assert raised.is_set()


def test_no_room_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="room"):
        Channel(0)


def test_a_burst_is_kept_but_a_standing_queue_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("stream_mer.pipeline.channel.monotonic", lambda: now[0])
    thrown: list[int] = []
    channel: Channel[int] = Channel(4, Full.DROP_OLDEST, burst=32, on_drop=thrown.append)
    for item in range(30):  # everything at once, as after a camera's pause
        channel.put(item)
    assert thrown == []
    for _ in range(30):
        channel.get()
    for item in range(60):  # twice as fast as it is read, for two seconds
        now[0] += 0.04
        channel.put(item)
        if item % 2:
            channel.get()
    assert len(channel) <= 4, "late pictures help nobody"
    assert channel.dropped == len(thrown) > 0
