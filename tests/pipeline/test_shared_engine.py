"""One engine for many threads: right answers to the right one, fairness, and failures kept apart."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_mer.errors import EngineError
from stream_mer.pipeline.shared_engine import SharedEngine


class Doubling:
    """Answers twice the input; 13 in a batch is refused; every batch is written down."""

    name, sha256, backend = "doubling", "0" * 64, "numpy:cpu:f64"

    def __init__(self, factor: int = 2, pause_s: float = 0.0) -> None:
        self.factor, self.pause_s = factor, pause_s
        self.batches: list[int] = []
        self.threads: set[int] = set()
        self.closed = 0

    def run(self, batch: NDArray[np.generic]) -> tuple[NDArray[np.generic], ...]:
        self.threads.add(threading.get_ident())
        self.batches.append(len(batch))
        time.sleep(self.pause_s)
        if (batch == 13).any():
            raise EngineError("unlucky")
        return (batch * self.factor, batch + 1)  # type: ignore[operator]

    def close(self) -> None:
        self.closed += 1
        self.threads.add(threading.get_ident())


def test_everybody_gets_his_own_answer() -> None:
    engine = Doubling(pause_s=0.001)
    owner = SharedEngine("shared", [lambda: engine], max_batch=8)
    wrong: list[object] = []

    def camera(seed: int) -> None:
        client, rng = owner.client(), np.random.default_rng(seed)
        for _ in range(60):
            batch = rng.integers(100, 10**9, size=(rng.integers(0, 20), 2))
            double, more = client.run(batch)
            if not (np.array_equal(double, 2 * batch) and np.array_equal(more, batch + 1)):
                wrong.append(batch)
        client.close()

    cameras = [threading.Thread(target=camera, args=(seed,)) for seed in range(6)]
    for thread in cameras:
        thread.start()
    for thread in cameras:
        thread.join(60)
    owner.close()
    assert not wrong
    assert max(engine.batches) <= 8
    assert max(engine.batches) > 1
    assert len(engine.threads) == 1, "opened, used and closed by one thread"
    assert engine.closed == 1


def test_one_cameras_bad_input_is_its_own_failure() -> None:
    gate, engine = threading.Event(), Doubling(pause_s=0.01)
    owner = SharedEngine("shared", [lambda: engine])
    outcome: dict[int, object] = {}

    def camera(number: int) -> None:
        client = owner.client()
        gate.wait(5)
        for _ in range(20):
            try:
                (outcome[number], _) = client.run(np.array([[13 if number == 2 else number]]))
            except EngineError as error:  # noqa: PERF203
                outcome[number] = error

    cameras = [threading.Thread(target=camera, args=(number,)) for number in range(4)]
    for thread in cameras:
        thread.start()
    gate.set()
    for thread in cameras:
        thread.join(30)
    owner.close()
    assert isinstance(outcome[2], EngineError)
    assert [int(np.asarray(outcome[n])[0, 0]) for n in (0, 1, 3)] == [0, 2, 6]


class Gated(Doubling):
    """An engine that waits in its first batch until it is let on, and remembers who was in each."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.gate = threading.Event(), threading.Event()
        self.with_small: list[bool] = []

    def run(self, batch: NDArray[np.generic]) -> tuple[NDArray[np.generic], ...]:
        self.with_small.append(bool((batch == 1).any()))
        self.entered.set()
        self.gate.wait(60)
        return super().run(batch)


def test_a_busy_camera_does_not_hold_up_a_small_one() -> None:
    engine = Gated()
    owner = SharedEngine("shared", [lambda: engine], max_batch=4)
    greedy, small = owner.client(), owner.client()
    threads = [
        threading.Thread(target=client.run, args=(batch,))
        for client, batch in ((greedy, np.zeros((400, 1))), (small, np.ones((1, 1))))
    ]
    threads[0].start()
    assert engine.entered.wait(60)
    threads[1].start()
    while len(owner._waiting) < 2:  # both have asked before the engine goes on
        time.sleep(0.001)
    engine.gate.set()
    for thread in threads:
        thread.join(60)
    owner.close()
    assert len(engine.with_small) >= 100
    assert engine.with_small.index(True) == 1, "the batch after the one that was running"


def test_the_ladder_changes_between_batches() -> None:
    best, cheap = Doubling(2), Doubling(3)
    owner = SharedEngine("shared", [lambda: best, lambda: cheap])
    client = owner.client()
    assert client.run(np.array([[5]]))[0] == 10
    owner.choose(9)
    assert client.run(np.array([[5]]))[0] == 15
    assert owner.level == 1
    owner.choose(0)
    assert client.run(np.array([[5]]))[0] == 10
    owner.close()
    assert (best.closed, cheap.closed) == (1, 1)


def test_an_engine_that_does_not_open_is_told_to_everybody() -> None:
    def broken() -> Doubling:
        raise EngineError("no such network")

    owner = SharedEngine("shared", [broken])
    with pytest.raises(EngineError, match="no such network"):
        _ = owner.engine
    with pytest.raises(EngineError, match="no such network"):
        owner.client().run(np.zeros((1, 1)))
    owner.close()


def test_closing_wakes_those_who_wait() -> None:
    engine = Doubling(pause_s=0.2)
    owner = SharedEngine("shared", [lambda: engine], max_batch=1)
    failed: list[EngineError] = []

    def ask() -> None:
        try:
            owner.client().run(np.zeros((50, 1)))
        except EngineError as error:
            failed.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.1)
    owner.close()
    thread.join(5)
    assert "closed" in str(failed[0])
    with pytest.raises(EngineError, match="closed"):
        owner.client().run(np.zeros((1, 1)))
