"""Measures what the processor reaches on large matrix products, through a library and in a precision.

Not with NumPy: its BLAS computes in f32 only, has threads of its own and may be the slower one, so that an
engine in bf16 or int8 seemed to reach more than there is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from stream_mer.runtime.int8 import Int8Page, write_int8
from stream_mer.runtime.open import open_engine
from stream_mer.runtime.products import product_network
from stream_mer.runtime.schema import Manifest, TensorSpec, Training

SIZE, PRODUCTS = 1024, 4
"""9 GFLOP a run: some hundredths of a second on two cores, so that starting the threads does not count."""

RUNS, ENOUGH_NS = 8, 1_000_000_000
"""So many runs, but none is begun after a second: the first runs of a slow machine have to do."""


def cpu_gflops(
    backend: str,
    precision: str,
    threads: int | None = None,
    *,
    size: int = SIZE,
    products: int = PRODUCTS,
    now_ns: Callable[[], int] = time.perf_counter_ns,
) -> float:
    """10^9 operations a second on products of square matrices, the best of several runs.

    Args:
        backend: ``onnxruntime`` or ``openvino``.
        precision: of the engine that is judged: ``f32``, ``bf16`` or ``int8``.
        threads: of the engine that is judged.
        size: of the matrices.
        products: one after another in a run.
        now_ns: monotonic clock in nanoseconds.

    Raises:
        EngineError: the library cannot compute in that precision here.
    """
    one, best = np.ones((1, 1), np.float32), float("inf")
    with TemporaryDirectory(prefix="stream_mer_") as folder:
        manifest = _written(Path(folder), size, products, precision)
        with closing(open_engine(manifest, backend=backend, precision=precision, threads=threads)) as engine:
            engine.run(one)  # code is generated now
            begin = now_ns()
            for _ in range(RUNS):
                before = now_ns()
                engine.run(one)
                after = now_ns()
                best = min(best, after - before)
                if after - begin > ENOUGH_NS:
                    break
    return 2.0 * size**3 * products / max(best, 1.0)


def _written(folder: Path, size: int, products: int, precision: str) -> Manifest:
    """The products as an engine in ``folder``, with the one file that its precision needs."""
    seed, peak = (TensorSpec(name, (None, 1), "float32") for name in ("seed", "peak"))
    made_here = Training(data="none", licence="Apache-2.0", command="none: nothing is learnt")
    network = product_network(size, products, quantised=precision == "int8")
    digest = sha256(network).hexdigest()
    if precision == "int8":
        write_int8(folder, network, Int8Page(digest, digest, "minmax", (), 0.0, "", "none"))
    else:
        (folder / "model.onnx").write_bytes(network)
    return Manifest(
        "matrix-product", "other", "1", seed, (peak,), made_here,
        file="model.onnx", sha256=digest, folder=folder,
    )  # fmt: skip
