"""Measures what a GPU reaches on large matrix products, through the library and in the precision of a plan.

The bound of an engine is this over the network's own operations, as on the processor (``cpu_peak``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256

import numpy as np

from stream_mer.runtime.gpu_device import find_gpu
from stream_mer.runtime.plan_build import PlanRequest, build_plan
from stream_mer.runtime.plans import PlanWish, page_for
from stream_mer.runtime.products import typed_products
from stream_mer.runtime.schema import Manifest, TensorSpec, Training
from stream_mer.runtime.trt import Gpu, TrtEngine

SIZE, PRODUCTS, RUNS = 4096, 16, 8
"""2.2 TFLOP a run: 3 ms on an H100, so that launching, some 0.01 ms, does not count."""


def gpu_gflops(
    gpu: Gpu,
    precision: str,
    *,
    size: int = SIZE,
    products: int = PRODUCTS,
    now_ns: Callable[[], int] = time.perf_counter_ns,
) -> float:
    """10^9 operations a second on products of square matrices, the best of several runs.

    Args:
        gpu: the libraries.
        precision: of the plan that is judged.
        size: of the matrices.
        products: one after another in a run.
        now_ns: monotonic clock in nanoseconds.

    Raises:
        EngineError: the plan cannot be built, or the GPU has no room for it.
    """
    network = typed_products(size, products, precision)
    seed, peak = (TensorSpec(name, (None, 1), "float32") for name in ("seed", "peak"))
    made_here = Training(data="none", licence="Apache-2.0", command="none: nothing is learnt")
    digest = sha256(network).hexdigest()
    manifest = Manifest("matrix-product", "super-resolution", "1", seed, (peak,), made_here, sha256=digest)
    request = PlanRequest(precision, profiles=((1, 1, 1),))
    built = build_plan(gpu.library, network, seed, request)
    capability = find_gpu(gpu.cuda).capability
    page = page_for(PlanWish(manifest, gpu.library.backend, request), gpu.library, network, capability)
    best = float("inf")
    with closing(TrtEngine(manifest, built.plan, page, gpu)) as engine:
        one = np.ones((1, 1), np.float32)
        for _ in range(RUNS):
            before = now_ns()
            engine.run(one)
            best = min(best, now_ns() - before)
    return 2.0 * size**3 * products / max(best, 1.0)
