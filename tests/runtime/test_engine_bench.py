"""The bench: percentiles and rates from a clock the test steers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from fake_gpu import World, fake_gpu
from numpy.typing import NDArray
from tiny_networks import ORIGIN, SR_INPUT, SR_OUTPUT, install, super_resolver

from stream_mer.runtime import gpu_peak
from stream_mer.runtime.bench import RUNS, WARM_UP, bench_engines
from stream_mer.runtime.bicubic import BICUBIC
from stream_mer.runtime.gpu_peak import gpu_gflops, product_network
from stream_mer.runtime.open import Way
from stream_mer.runtime.plan_build import PROFILES, BuiltPlan, PlanRequest, build_plan
from stream_mer.runtime.schema import Manifest, TensorSpec
from stream_mer.runtime.trt import Gpu
from stream_mer.runtime.trt_library import load_library
from stream_mer.runtime.typed_onnx import typed_network

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


def test_plans_are_measured_at_the_largest_batch_of_every_profile() -> None:
    watch = Stopwatch()
    ways = (Way("tensorrt", "fp16", "10.3.0", lambda: Steady(watch)),)
    rows = list(bench_engines([NETWORK], lambda *_: ways, seconds=0, now_ns=watch.now_ns))
    assert [row.batch for row in rows] == [1, 8, 16, 64]
    assert {high for _, _, high in PROFILES} <= {row.batch for row in rows}
    assert {row.version for row in rows} == {"10.3.0"}


class TestGpuPeak:
    def gpu(self) -> Gpu:
        """The fake GPU, whose plan is the network: it computes the products with ONNX Runtime."""
        pair = (TensorSpec(name, (None, 1), "float32") for name in ("seed", "peak"))
        seed, peak = pair
        manifest = Manifest("matrix-product", "super-resolution", "1", seed, (peak,), ORIGIN, sha256="0" * 64)
        return fake_gpu(World(manifest, typed_network(product_network(16, 3), "fp16"), batches=(1,)))

    def test_it_is_operations_over_the_best_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ticks = iter([0, 50_000, 100_000, 102_000, *range(200_000, 260_000, 5_000)])
        built: list[bytes] = []

        def build(library: object, network: bytes, *_: object) -> BuiltPlan:
            built.append(network)
            return BuiltPlan(network, b"", 1.0)

        monkeypatch.setattr(gpu_peak, "build_plan", build)
        found = gpu_gflops(self.gpu(), "int8", size=16, products=3, now_ns=lambda: next(ticks))
        assert found == pytest.approx(2 * 16**3 * 3 / 2_000)
        halves = [t for t in onnx.load_model_from_string(built[0]).graph.initializer if t.data_type == 10]
        assert [tuple(t.dims) for t in halves] == [(16, 16)]  # held against fp16

    @pytest.mark.parametrize("precision", ["f32", "fp16", "bf16"])
    def test_the_library_builds_it(self, precision: str) -> None:
        network = typed_network(product_network(64, 2), precision)
        request = PlanRequest(precision, profiles=((1, 1, 1),))
        seed = TensorSpec("seed", (None, 1), "float32")
        assert build_plan(load_library("tensorrt-rtx"), network, seed, request).plan
