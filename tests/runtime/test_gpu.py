"""The same promises on a real NVIDIA GPU: build, gate, parity, batches, life cycle. Marker ``gpu``.

    STREAM_MER_REQUIRE=gpu pytest tests/runtime/test_gpu.py

turns every skip here into a failure.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from conftest import skip_or_fail

from stream_mer.app.crops import Crops, gate_crops
from stream_mer.app.gpu import judge_for
from stream_mer.errors import EngineError
from stream_mer.runtime.gpu_device import GpuDevice, find_gpu
from stream_mer.runtime.manifest import list_manifests
from stream_mer.runtime.onnxruntime import OnnxRuntimeEngine
from stream_mer.runtime.open import GPU_BACKENDS
from stream_mer.runtime.parity import compare_outputs
from stream_mer.runtime.plan_build import TARGETS
from stream_mer.runtime.plan_cache import PlanCache
from stream_mer.runtime.plans import ensure_plan, gate_plan, load_gpu, open_plan, precisions_of, wish_for
from stream_mer.runtime.schema import Manifest
from stream_mer.runtime.trt import Gpu, TrtEngine
from stream_mer.runtime.trt_library import installed

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(1800)]

MANIFESTS = [one for one in list_manifests(Path(__file__).resolve().parents[2] / "engines") if one.trained]
CASES = [
    (backend, manifest, precision)
    for backend in GPU_BACKENDS
    for manifest in MANIFESTS
    for precision in precisions_of(manifest, ("f32", "fp16", "bf16", "int8", "fp8"))
    if manifest.task == "super-resolution" or precision == "f32"
]

WITHOUT_FP8 = ("sm75", "sm80", "sm86", "sm87")
"""Before Ada and Hopper."""


def gpu_of(backend: str) -> Gpu:
    """The libraries and a GPU, or a skip that says which is missing."""
    if not installed(backend):
        skip_or_fail("gpu", f"{backend} is not installed")
    try:
        gpu = load_gpu(backend)  # as the product loads them: only TensorRT is recorded by us
        capability = find_gpu(gpu.cuda).capability
    except EngineError as error:
        skip_or_fail("gpu", str(error).splitlines()[0])
    if gpu.library.rtx and capability not in TARGETS:
        pytest.skip(f"{backend} is not made for {capability}")  # data-centre GPUs of sm90 and sm100
    return gpu


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> PlanCache:
    return PlanCache(tmp_path_factory.mktemp("plans"))


@pytest.fixture(scope="module")
def crops() -> Crops:
    return gate_crops()


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1].name}-{case[2]}", scope="module")
def case(request: pytest.FixtureRequest, cache: PlanCache) -> Iterator[tuple[TrtEngine, Manifest, object]]:
    backend, manifest, precision = request.param
    gpu = gpu_of(backend)
    capability = find_gpu(gpu.cuda).capability
    if precision == "fp8" and capability in WITHOUT_FP8:
        pytest.skip(f"{capability} has no fp8")
    wish = wish_for(manifest, backend, precision)
    ensure_plan(wish, cache, library=gpu.library)
    engine = open_plan(wish, cache, gpu, trusted=False)
    yield engine, manifest, wish
    engine.close()


def test_the_gate_lets_it_through(case: tuple[TrtEngine, Manifest, object], crops: Crops) -> None:
    engine, manifest, _ = case
    verdict = judge_for(manifest, crops)(engine)
    assert verdict.ok, f"{engine.backend} on {engine.device}: {verdict.reason}"


def test_every_batch_size_gives_what_single_faces_give(
    case: tuple[TrtEngine, Manifest, object], crops: Crops
) -> None:
    engine, manifest, _ = case
    items = crops.windows if manifest.task == "classification" else crops.lr
    alone = np.concatenate([engine.run(items[i : i + 1])[0] for i in range(20)])
    assert engine.run(items[:0])[0].shape == (0, *alone.shape[1:])
    for count in (1, 2, 7, 16, 17, 20):
        for _ in range(3):  # plain, recorded, played
            outputs = engine.run(items[:count])  # a classifier has more than one
            # Another batch size is another kernel, which sums in another order.
            verdict = compare_outputs((alone[:count],), outputs[:1], engine.page.precision)
            assert verdict.ok, f"{count} at once: {verdict.reason}"
    assert engine.counts["graph_failures"] == 0
    recorded = engine.page.backend == "tensorrt"  # TensorRT-RTX records by itself, unseen
    assert (engine.counts["graph_runs"] > 0) is recorded


def test_many_more_faces_than_the_largest_batch(
    case: tuple[TrtEngine, Manifest, object], crops: Crops
) -> None:
    engine, manifest, _ = case
    if manifest.task == "classification":
        pytest.skip("windows are few")
    lr = np.concatenate([crops.lr] * 4)
    (sr,) = engine.run(lr)  # the last chunk is smaller and runs with other kernels
    verdict = compare_outputs((sr[: len(crops.lr)],), (sr[-len(crops.lr) :],), engine.page.precision)
    assert verdict.ok, verdict.reason


@pytest.mark.parametrize("backend", GPU_BACKENDS)
def test_fifty_lives_leave_no_memory_on_the_gpu(backend: str, cache: PlanCache, crops: Crops) -> None:
    gpu = gpu_of(backend)
    manifest = next(one for one in MANIFESTS if one.task == "super-resolution")
    wish = wish_for(manifest, backend, "fp16", max_batch=4)
    ensure_plan(wish, cache, library=gpu.library)
    gate_plan(wish, cache, judge_for(manifest, crops), gpu)
    device = GpuDevice(gpu.cuda)
    free = []
    for _ in range(50):
        with closing(open_plan(wish, cache, gpu)) as engine:
            engine.run(crops.lr[:3])
        with device.active():
            free.append(gpu.cuda.mem_get_info()[0])
    device.close()
    assert min(free[5:]) > free[4] - (1 << 24)


@pytest.mark.parametrize("backend", GPU_BACKENDS)
def test_the_classifier_decides_as_on_the_cpu(backend: str, cache: PlanCache, crops: Crops) -> None:
    gpu = gpu_of(backend)
    manifest = next(one for one in MANIFESTS if one.task == "classification")
    wish = wish_for(manifest, backend)
    ensure_plan(wish, cache, library=gpu.library)
    with (
        closing(open_plan(wish, cache, gpu, trusted=False)) as engine,
        closing(OnnxRuntimeEngine(manifest)) as reference,
    ):
        ours, theirs = (one.run(crops.windows)[0].argmax(axis=1) for one in (engine, reference))
    assert np.mean(ours == theirs) >= 0.99
