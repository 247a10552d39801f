"""Times one way of running a network, and remembers the result for this machine."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_mer.errors import EngineError
from stream_mer.protocols import Engine
from stream_mer.runtime.open import Way
from stream_mer.runtime.parity import compare_outputs
from stream_mer.runtime.schema import Manifest, TensorSpec

FEW_RUNS, MANY_RUNS = 3, 15
HOPELESS = 10.0
"""A first run this many times over the budget (and JIT_NS more) is not repeated: no backend differs
from another by that much; the largest ratio seen is 5, between f32 and bf16 on AMX."""
JIT_NS = 50_000_000
"""What the first run of a batch size may cost once, for code generation (25-35 ms seen)."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """How one way of running a network did.

    Args:
        engine: name of the network.
        backend: library.
        precision: ``f32``, ``bf16`` or ``u8``.
        ms: median time of one batch, milliseconds; None if it was not measured or does not run.
        ok: whether it may be used: it runs, and its numbers are the reference's.
        note: parity figures, or why it may not be used.
        busy: others used the machine then, so ``ms`` is too high.
    """

    engine: str
    backend: str
    precision: str
    ms: float | None
    ok: bool
    note: str
    busy: bool = False


class MeasurementStore:
    """Measurements of earlier runs in one JSON file; losing it only costs measuring again.

    Args:
        path: the file; None keeps them in memory only.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, Measurement] = {}
        if path is None:
            return
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            self._known = {key: _restored(fields) for key, fields in content.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            self._known = {}  # absent, cut off or from another version

    def get(self, key: str) -> Measurement | None:
        """What is known under ``key``."""
        return self._known.get(key)

    def put(self, found: dict[str, Measurement]) -> None:
        """Remember; a cache that cannot be written is no reason to stop."""
        self._known |= found
        if self._path is None:
            return
        partial = self._path.with_suffix(f".{os.getpid()}.partial")
        text = json.dumps({key: asdict(one) for key, one in sorted(self._known.items())}, indent=1)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(text, encoding="utf-8")
            partial.replace(self._path)
        except OSError:
            return


def _restored(fields: dict[str, Any]) -> Measurement:
    """A measurement as it was written, or TypeError."""
    found = Measurement(**fields)
    texts = (found.engine, found.backend, found.precision, found.note)
    if not (all(isinstance(text, str) for text in texts) and {type(found.ok), type(found.busy)} == {bool}):
        raise TypeError("a measurement has fields of other types")
    if found.ms is not None and type(found.ms) is not float:
        raise TypeError("a measurement's time is not a number")
    return found


def sample_batch(spec: TensorSpec, count: int) -> NDArray[np.generic]:
    """``count`` inputs that look a little like pictures: smooth in the large, grainy in the small.

    The same ones every time. Flat or purely random pictures would hide differences of precision.
    """
    rng = np.random.default_rng(0)
    shape = (count if spec.batched else spec.shape[0] or 1, *(size or 1 for size in spec.shape[1:]))
    grain = rng.normal(0.0, 6.0, shape)
    if len(shape) >= 4:  # (..., height, width, channels)
        coarse = rng.uniform(30.0, 225.0, (*shape[:-3], -(-shape[-3] // 8), -(-shape[-2] // 8), shape[-1]))
        smooth = coarse.repeat(8, axis=-3).repeat(8, axis=-2)[..., : shape[-3], : shape[-2], :]
    else:
        smooth = rng.uniform(30.0, 225.0, shape)
    levels = np.clip(np.rint(smooth + grain), 0, 255)
    return levels.astype(np.uint8) if spec.dtype == "uint8" else (levels / 255).astype(np.float32)


def time_engine(
    engine: Engine, batch: NDArray[np.generic], *, limit_ns: int, budget_ms: float, now_ns: Callable[[], int]
) -> tuple[float, tuple[NDArray[np.generic], ...]]:
    """Median time of a batch after one warm-up run, in milliseconds, and the outputs.

    Stops after ``limit_ns`` or ``MANY_RUNS`` runs, whichever comes first, but not before ``FEW_RUNS``
    unless a single run takes longer than the limit.
    """
    start = now_ns()
    outputs = engine.run(batch)
    first = now_ns() - start
    if first > HOPELESS * budget_ms * 1e6 + JIT_NS:
        return first / 1e6, outputs
    begin, times = now_ns(), list[int]()
    while len(times) < MANY_RUNS:
        before = now_ns()
        engine.run(batch)
        after = now_ns()
        times.append(after - before)
        if after - begin >= limit_ns and (len(times) >= FEW_RUNS or times[-1] > limit_ns):
            break
    return median(times) / 1e6, outputs


def measure_ways(
    manifest: Manifest,
    ways: tuple[Way, ...],
    *,
    faces: int,
    limit_ns: int,
    budget_ms: float,
    now_ns: Callable[[], int],
) -> tuple[Measurement, ...]:
    """Measure every way of running one network; the first f32 one that runs is the reference.

    Args:
        manifest: the network.
        ways: how it can be run here, the most trusted first.
        faces: batch size.
        limit_ns: time for each way, without loading the network.
        budget_ms: time a batch may take; decides only when to give up early.
        now_ns: monotonic clock.

    Raises:
        EngineError: it runs in no way at all; the first reason given.
    """
    batch = sample_batch(manifest.inputs, faces)
    reference: tuple[NDArray[np.generic], ...] | None = None
    rows: list[Measurement] = []
    failure: EngineError | None = None
    for way in ways:
        try:
            with closing(way.open()) as engine:
                ms, outputs = time_engine(
                    engine, batch, limit_ns=limit_ns, budget_ms=budget_ms, now_ns=now_ns
                )
        except EngineError as error:
            failure = failure or error
            rows.append(Measurement(manifest.name, way.backend, way.precision, None, False, str(error)))
            continue
        if reference is None:
            compared, note = True, "the reference" if way.precision == "f32" else "nothing to compare with"
            reference = outputs if way.precision == "f32" else None
        else:
            verdict = compare_outputs(reference, outputs, way.precision)
            compared, note = verdict.ok, verdict.reason
        rows.append(Measurement(manifest.name, way.backend, way.precision, round(ms, 3), compared, note))
    if failure is not None and not any(row.ok for row in rows):
        raise failure
    return tuple(rows)
