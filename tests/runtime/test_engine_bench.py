"""The bench: percentiles and rates from a clock the test steers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_networks import ORIGIN, SR_INPUT, SR_OUTPUT, install, super_resolver

from stream_mer.runtime.bench import RUNS, WARM_UP, bench_engines
from stream_mer.runtime.bicubic import BICUBIC
from stream_mer.runtime.open import Way
from stream_mer.runtime.schema import Manifest

NETWORK = Manifest(
    "fake", "super-resolution", "1", SR_INPUT, (SR_OUTPUT,), ORIGIN, file="model.onnx", sha256="0" * 64
)


class Stopwatch:
    """A clock that only engines move."""

    def __init__(self) -> None:
        self.now = 0

    def now_ns(self) -> int:
        return self.now


class Steady:
    """One millisecond a face, but every twentieth run takes ten times as long."""

    name, sha256, backend = "fake", "0" * 64, "fake:cpu:f32"

    def __init__(self, watch: Stopwatch) -> None:
        self.watch, self.runs, self.open = watch, 0, True

    def run(self, batch: NDArray[np.generic]) -> tuple[NDArray[np.generic], ...]:
        slow = 10 if (self.runs - WARM_UP) % 20 == 19 else 1
        self.runs += 1
        self.watch.now += len(batch) * slow * 1_000_000
        return (np.zeros((len(batch), 128, 128, 3), dtype=np.uint8),)

    def close(self) -> None:
        self.open = False


def test_figures_are_those_of_the_clock() -> None:
    watch = Stopwatch()
    engines: list[Steady] = []

    def build() -> Steady:
        engines.append(Steady(watch))
        return engines[-1]

    ways = (Way("fake", "f32", "1", build), Way("fake", "bf16", "1", build))
    rows = list(
        bench_engines(
            [NETWORK], lambda *_: ways, batches=(1, 4), threads=(1, 2), seconds=60, now_ns=watch.now_ns
        )
    )
    assert [(row.threads, row.batch) for row in rows] == [(1, 1), (1, 4)] * 2 + [(2, 1), (2, 4)] * 2
    for row in rows:
        assert row.p50_ms == pytest.approx(row.batch)
        assert row.faces_per_s == pytest.approx(1000)
        assert row.p99_ms == pytest.approx(10 * row.batch)
        assert row.runs == RUNS[1]
    assert rows[0].parity is None
    assert all(row.parity is not None and row.parity.ok for row in rows[2:])
    assert not any(engine.open for engine in engines)


def test_time_is_bounded_but_a_few_runs_are_always_made() -> None:
    watch = Stopwatch()
    ways = (Way("fake", "f32", "1", lambda: Steady(watch)),)
    (row,) = bench_engines([NETWORK], lambda *_: ways, batches=(8,), seconds=0.001, now_ns=watch.now_ns)
    assert row.runs == RUNS[0]


def test_real_engines_give_rows_for_every_way_and_batch(tmp_path: Path) -> None:
    real = install(tmp_path, "tiny", super_resolver())
    rows = list(bench_engines([real, BICUBIC], batches=(1, 2), threads=(1,), seconds=0))
    backends = [row.backend for row in rows]
    assert backends[:4] == ["onnxruntime:cpu:f32"] * 2 + ["openvino:cpu:f32"] * 2
    assert backends[-2:] == ["opencv:cpu:u8"] * 2
    assert all(0 < row.p50_ms <= row.p95_ms <= row.p99_ms for row in rows)
    assert all(row.parity is None or row.parity.ok for row in rows)
