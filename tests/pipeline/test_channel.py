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
