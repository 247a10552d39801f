"""The bench: percentiles and rates from a clock the test steers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from fake_gpu import World, fake_gpu
from numpy.typing import NDArray
from tiny_networks import ORIGIN, SR_INPUT, SR_OUTPUT, install, super_resolver

from stream_mer.app import engine_room
from stream_mer.cli import main
from stream_mer.errors import EngineError
from stream_mer.runtime import cpu_peak, gpu_peak
from stream_mer.runtime.bench import RUNS, WARM_UP, BenchRow, bench_engines
from stream_mer.runtime.bicubic import BICUBIC
from stream_mer.runtime.cpu_peak import cpu_gflops
from stream_mer.runtime.gpu_peak import gpu_gflops
from stream_mer.runtime.onnxruntime import OnnxRuntimeEngine
from stream_mer.runtime.open import Way
from stream_mer.runtime.plan_build import PRECISIONS, PROFILES, BuiltPlan, PlanRequest, build_plan
from stream_mer.runtime.products import product_network, typed_products
from stream_mer.runtime.schema import Manifest, TensorSpec
from stream_mer.runtime.trt import Gpu
from stream_mer.runtime.trt_library import load_library

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


def speed(way: str, batch: int = 1) -> BenchRow:
    """A row of ``compact-x4`` at 100 faces a second."""
    return BenchRow("compact-x4", way, "1", 3, batch, 20, 10.0, 10.0, 10.0, 100.0, None)


class TestBound:
    """What stands beside a row is measured in the row's own precision, library and number of threads."""

    @pytest.fixture
    def rows(self, monkeypatch: pytest.MonkeyPatch) -> list[BenchRow]:
        found: list[BenchRow] = []
        monkeypatch.setenv("COLUMNS", "200")  # no cell is broken in two
        monkeypatch.setattr(engine_room, "bench_engines", lambda *_, **__: found)
        return found

    def shown(self, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
        assert main(["engines", "bench", "--engine", "compact-x4", "--threads", "3"]) == 0
        lines = [
            line for line in capsys.readouterr().out.splitlines() if "│" in line and "compact-x4" in line
        ]
        return [[cell.strip() for cell in line.strip("│ ").split("│")] for line in lines]

    def test_every_way_has_its_own(
        self, rows: list[BenchRow], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        gflop = next(one for one in engine_room._wanted("compact-x4")).gflop
        peaks = {("openvino", "f32", 3): 200 * gflop, ("openvino", "bf16", 3): 400 * gflop}
        monkeypatch.setattr(cpu_peak, "cpu_gflops", lambda *way: peaks.pop(way))  # each is measured once
        rows += [speed("openvino:cpu:f32"), speed("openvino:cpu:f32", 4), speed("openvino:cpu:bf16")]
        assert [cells[-2:] for cells in self.shown(capsys)] == [["200", "50%"]] * 2 + [["400", "25%"]]
        assert peaks == {}

    @pytest.mark.parametrize("error", [EngineError("no bf16 here\nuse f32"), ImportError("No module 'onnx'")])
    def test_where_it_cannot_be_measured_there_is_no_share(
        self,
        error: Exception,
        rows: list[BenchRow],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        def refuse(*_: object) -> float:
            raise error

        monkeypatch.setattr(cpu_peak, "cpu_gflops", refuse)
        rows.append(speed("openvino:cpu:bf16"))
        assert self.shown(capsys)[0][-2:] == ["–", "–"]

    @pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
    @pytest.mark.parametrize("precision", ["f32", "int8"])
    def test_it_is_operations_over_the_best_time(self, backend: str, precision: str) -> None:
        ticks = iter([0, 0, 50_000, 100_000, 102_000, *range(200_000, 260_000, 5_000)])
        found = cpu_gflops(backend, precision, 1, size=32, products=3, now_ns=lambda: next(ticks))
        assert found == pytest.approx(2 * 32**3 * 3 / 2_000)

    def test_a_slow_machine_is_not_asked_for_long(self) -> None:
        ticks = iter([0, 0, 2_000_000_000])
        found = cpu_gflops("onnxruntime", "f32", 1, size=32, products=3, now_ns=lambda: next(ticks))
        assert found == pytest.approx(2 * 32**3 * 3 / 2e9)

    def test_int8_products_give_the_products(self, tmp_path: Path) -> None:
        answers = []
        for precision in ("f32", "int8"):
            folder = tmp_path / precision
            folder.mkdir()
            manifest = cpu_peak._written(folder, 64, 4, precision)
            engine = OnnxRuntimeEngine(manifest, precision=precision, threads=1)
            answers.append(float(engine.run(np.ones((1, 1), np.float32))[0][0, 0]))
            engine.close()
        assert answers[0] != answers[1]
        assert answers[1] == pytest.approx(answers[0], rel=0.02)

    def test_int8_products_are_really_multiplied_in_int8(self, tmp_path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / "run.onnx")
        options.log_severity_level = 3
        network = product_network(64, 4, quantised=True)
        onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        kinds = [node.op_type for node in onnx.load(tmp_path / "run.onnx").graph.node]
        assert sum("MatMul" in kind for kind in kinds) == 4
        assert "MatMul" not in kinds
        assert "DequantizeLinear" not in kinds


class TestGpuPeak:
    def gpu(self) -> Gpu:
        """The fake GPU, whose plan is the network: it computes the products with ONNX Runtime."""
        pair = (TensorSpec(name, (None, 1), "float32") for name in ("seed", "peak"))
        seed, peak = pair
        manifest = Manifest("matrix-product", "super-resolution", "1", seed, (peak,), ORIGIN, sha256="0" * 64)
        return fake_gpu(World(manifest, typed_products(16, 3, "fp16"), batches=(1,)))

    def test_it_is_operations_over_the_best_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ticks = iter([0, 50_000, 100_000, 102_000, *range(200_000, 260_000, 5_000)])
        built: list[bytes] = []

        def build(library: object, network: bytes, *_: object) -> BuiltPlan:
            built.append(network)
            return BuiltPlan(network, b"", 1.0)

        monkeypatch.setattr(gpu_peak, "build_plan", build)
        found = gpu_gflops(self.gpu(), "fp16", size=16, products=3, now_ns=lambda: next(ticks))
        assert found == pytest.approx(2 * 16**3 * 3 / 2_000)
        halves = [t for t in onnx.load_model_from_string(built[0]).graph.initializer if t.data_type == 10]
        assert [tuple(t.dims) for t in halves] == [(16, 16)]

    @pytest.mark.parametrize("precision", PRECISIONS)
    def test_the_library_builds_it(self, precision: str) -> None:
        network = typed_products(64, 2, precision)
        request = PlanRequest(precision, profiles=((1, 1, 1),))
        seed = TensorSpec("seed", (None, 1), "float32")
        assert build_plan(load_library("tensorrt-rtx"), network, seed, request).plan
