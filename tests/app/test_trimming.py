"""Freed memory goes back to the system."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from stream_mer.app.trimming import system_trim, trimming


def test_it_trims_again_and_again_until_closed() -> None:
    asked: list[int] = []
    thrice = threading.Event()

    def trim(reserve: int) -> int:
        asked.append(reserve)
        if len(asked) == 3:
            thrice.set()
        return 1

    rounds = trimming(trim, every_s=0.001)
    rounds.start()
    assert thrice.wait(10)
    for _ in range(2):
        rounds.close()
    assert set(asked) == {0}
    assert not any(thread.name == "trimming" for thread in threading.enumerate())


def test_one_that_never_started_closes() -> None:
    trimming(lambda _: 0).close()


def test_the_system_gets_back_what_lies_between_pieces_in_use() -> None:
    trim = system_trim()
    if trim is None:
        pytest.skip("this C library has no malloc_trim")
    pieces = [bytearray(100_000) for _ in range(1000)]
    del pieces[::2]  # free, but between pieces in use
    before = resident_mb()
    trim(0)
    assert resident_mb() < before - 20


def resident_mb() -> float:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]) / 1024
