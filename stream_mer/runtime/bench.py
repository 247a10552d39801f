"""Measures engines properly: latency percentiles and faces per second, each way of running each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_mer.protocols import Engine
from stream_mer.runtime.measurements import sample_batch
from stream_mer.runtime.open import GPU_BACKENDS, Way, ways_to_run
from stream_mer.runtime.parity import Verdict, compare_outputs
from stream_mer.runtime.schema import Manifest

BATCHES = (1, 4, 8)
GPU_BATCHES = (1, 8, 16, 64)
"""The largest of every profile of a plan, and what a few faces make."""
WARM_UP = 3
RUNS = (20, 200)
"""At least and at most so many timed runs; in between ``seconds`` decides."""


@dataclass(frozen=True, slots=True)
class BenchRow:
    """One engine, one way of running it, one batch size.

    ``version`` is the library's. ``p50_ms``, ``p95_ms``, ``p99_ms`` are times of a whole batch;
    ``faces_per_s`` is the batch size over the median. ``parity`` compares with the first f32 way on the
    same inputs; None for that one and where it ran no such batch.
    """

    engine: str
    backend: str
    version: str
    threads: int | None
    batch: int
    runs: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    faces_per_s: float
    parity: Verdict | None


def bench_engines(
    manifests: Sequence[Manifest],
    ways: Callable[[Manifest, int | None], tuple[Way, ...]] | None = None,
    *,
    batches: Sequence[int] | None = None,
    threads: Sequence[int | None] = (None,),
    seconds: float = 1.0,
    now_ns: Callable[[], int] = time.perf_counter_ns,
) -> Iterator[BenchRow]:
    """Measure every trained engine in every way; rows come as they are ready.

    Args:
        manifests: engines; untrained ones are passed over.
        ways: how an engine can be run with so many threads; everything installed if None.
        batches: batch sizes; ``BATCHES`` on the processor and ``GPU_BATCHES`` on a GPU if None.
        threads: numbers of inference threads; None is all usable cores.
        seconds: time for each row, about.
        now_ns: monotonic clock in nanoseconds.

    Raises:
        EngineError: an engine does not load or run.
    """
    for manifest in manifests:
        if not manifest.trained:
            continue
        references: dict[int, tuple[NDArray[np.generic], ...]] = {}
        for count in threads:
            possible = ways_to_run(manifest, threads=count) if ways is None else ways(manifest, count)
            for way in possible:
                sizes = batches or (GPU_BATCHES if way.backend in GPU_BACKENDS else BATCHES)
                with closing(way.open()) as engine:
                    for size in sizes:
                        batch = sample_batch(manifest.inputs, size)
                        outputs = engine.run(batch)
                        parity = None
                        if size in references:
                            parity = compare_outputs(references[size], outputs, way.precision)
                        elif way.precision == "f32":
                            references[size] = outputs
                        times = _times(engine, batch, seconds, now_ns)
                        yield _row(engine, way.version, count, size, times, parity)


def _times(
    engine: Engine, batch: NDArray[np.generic], seconds: float, now_ns: Callable[[], int]
) -> NDArray[np.float64]:
    """Durations of single runs in milliseconds, after a warm-up."""
    for _ in range(WARM_UP):
        engine.run(batch)
    least, most = RUNS
    times: list[float] = []
    begin = now_ns()
    while len(times) < most and (len(times) < least or now_ns() - begin < seconds * 1e9):
        before = now_ns()
        engine.run(batch)
        times.append((now_ns() - before) / 1e6)
    return np.array(times)


def _row(
    engine: Engine,
    version: str,
    threads: int | None,
    size: int,
    times: NDArray[np.float64],
    parity: Verdict | None,
) -> BenchRow:
    p50, p95, p99 = (float(value) for value in np.percentile(times, (50, 95, 99)))
    return BenchRow(
        engine=engine.name,
        backend=engine.backend,
        version=version,
        threads=threads,
        batch=size,
        runs=len(times),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        faces_per_s=size / p50 * 1e3 if p50 > 0 else 0.0,
        parity=parity,
    )
