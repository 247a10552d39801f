"""The TensorRT engine on a strict fake GPU: order, threads, lifetimes, every way to fail, no leak."""

from __future__ import annotations

import gc
import re
import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from fake_gpu import (
    CudaLaunchError,
    CudaLogicError,
    CudaMemoryError,
    World,
    fake_gpu,
    page_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_networks import install, pictures, super_resolver

from stream_mer.errors import DeviceError, EngineError
from stream_mer.runtime.fallback import FallbackEngine
from stream_mer.runtime.onnxruntime import OnnxRuntimeEngine
from stream_mer.runtime.schema import Manifest
from stream_mer.runtime.trt import BUCKETS, TrtEngine, bucket_for


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return install(tmp_path_factory.mktemp("engines"), "tiny", super_resolver())


@pytest.fixture
def world(manifest: Manifest) -> World:
    return World(manifest, manifest.path.read_bytes(), batches=(1, 4, 8))


@pytest.fixture(scope="module")
def truth(manifest: Manifest) -> Iterator[OnnxRuntimeEngine]:
    engine = OnnxRuntimeEngine(manifest, threads=1)
    yield engine
    engine.close()


def opened(world: World, *, graphs: bool = True) -> TrtEngine:
    return TrtEngine(world.manifest, world.network, page_of(world), fake_gpu(world, graphs=graphs))


def settled(world: World) -> None:
    """Nothing is left on the GPU and no context is current anywhere."""
    gc.collect()
    assert world.alive() == []
    assert world.memory == {}
    assert world.graphs == 0
    assert not any(world.stack.values())
    assert world.misdeeds == []


@pytest.mark.parametrize("graphs", [True, False])
@pytest.mark.parametrize("count", [1, 2, 3, 8, 9, 16, 17, 40])
def test_pictures_are_those_of_the_cpu(
    world: World, truth: OnnxRuntimeEngine, count: int, graphs: bool
) -> None:
    engine = opened(world, graphs=graphs)
    for seed in range(4):  # plain, recorded, played
        lr = pictures(count, seed=seed)
        np.testing.assert_array_equal(engine.run(lr)[0], truth.run(lr)[0])
    engine.close()
    settled(world)


def test_a_batch_size_runs_plainly_once_is_recorded_once_and_then_played(world: World) -> None:
    engine = opened(world)
    for _ in range(5):
        engine.run(pictures(1))
    assert world.calls["begin"] == world.calls["instantiate"] == 1  # the second slot was never needed
    assert world.calls["launch"] == 4
    assert world.calls["execute"] == 2  # once for real, once into the recording
    assert engine.counts == {"runs": 5, "graph_runs": 4}
    engine.close()


@pytest.mark.parametrize("step", ["begin", "end", "instantiate", "launch", "execute"])
def test_what_cannot_be_recorded_is_run_plainly_and_counted(
    world: World, truth: OnnxRuntimeEngine, step: str
) -> None:
    engine = opened(world)
    engine.run(pictures(2))
    if step == "execute":  # refused inside a recording only, as work with a hidden synchronisation is
        world.fail["execute"], world.after["execute"] = False, 1
    else:
        world.fail[step] = False
    if step == "execute":
        with pytest.raises(DeviceError, match="did not start"):
            engine.run(pictures(2))
        assert engine.counts["graph_failures"] == 1
        settled(world)
        return
    for seed in range(3):
        lr = pictures(2, seed=seed)
        np.testing.assert_array_equal(engine.run(lr)[0], truth.run(lr)[0])
    assert engine.counts["graph_failures"] == 1  # not tried again and again
    assert engine.counts["graph_runs"] == 0
    engine.close()
    settled(world)


def test_copies_of_one_slot_overlap_with_the_work_of_the_other(world: World) -> None:
    engine = opened(world, graphs=False)
    world.log.clear()
    engine.run(pictures(24))  # three chunks of eight on two slots
    steps = [what for what in world.log if what in ("copy in", "execute", "copy out", "synchronize")]
    chunk = ["copy in", "execute", "copy out"]
    assert steps == [*chunk, *chunk, "synchronize", *chunk, "synchronize", "synchronize"]
    engine.close()


def test_nothing_is_allocated_after_opening(world: World) -> None:
    engine = opened(world)
    before = world.calls["mem_alloc"], world.calls["pagelocked_empty"], world.calls["context"]
    for count in (1, 5, 8, 30, 2):
        engine.run(pictures(count))
    assert (world.calls["mem_alloc"], world.calls["pagelocked_empty"], world.calls["context"]) == before
    assert before == (6, 4, 8)  # two slots of input, output and scratch; a context per slot and size
    engine.close()


def test_memory_goes_after_everything_that_uses_it(world: World) -> None:
    engine = opened(world)
    for _ in range(3):
        engine.run(pictures(3))
    world.log.clear()
    engine.close()
    order = [what for what in world.log if what in ("synchronize", "destroy exec", "free", "free host")]
    per_slot = [["synchronize", "destroy exec"], ["synchronize"]]  # only the first slot has a recording
    freed = [*(["free", "free host"] * 2), "free"]
    assert order == per_slot[0] + freed + per_slot[1] + freed
    settled(world)


def test_another_thread_is_refused_and_harms_nothing(world: World, truth: OnnxRuntimeEngine) -> None:
    engine = opened(world)
    told: list[str] = []

    def elsewhere() -> None:
        with pytest.raises(EngineError) as run:
            engine.run(pictures(1))
        with pytest.raises(EngineError) as close:
            engine.close()
        told.extend((str(run.value), str(close.value)))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert len(told) == 2
    assert all("another thread" in text for text in told)
    np.testing.assert_array_equal(engine.run(pictures(2))[0], truth.run(pictures(2))[0])
    engine.close()
    assert world.owners == {threading.get_ident()}
    settled(world)


@pytest.mark.parametrize(
    ("what", "error", "match"),
    [
        ("mem_alloc", CudaMemoryError("cuMemAlloc failed"), "out of memory"),
        ("pagelocked_empty", CudaMemoryError("cuMemHostAlloc failed"), "out of memory"),
        ("Stream", CudaLogicError("no stream"), "the GPU failed"),
        ("context", False, "no execution context"),
        ("set profile", False, r"profile \d of the plan is refused"),
        ("set address", False, r"refuses memory for '(lr|sr)'"),
        ("deserialize", False, "does not fit Fake GPU"),
        ("runtime", False, "cannot start"),
        ("set shape", False, "refuses a batch"),
        ("init", CudaLogicError("no driver"), "the GPU failed"),
        ("retain", CudaMemoryError("full"), "out of memory"),
    ],
)
@pytest.mark.parametrize("after", [0, 1, 3])
def test_opening_that_fails_half_way_leaves_nothing(
    world: World, what: str, error: Exception | bool, match: str, after: int
) -> None:
    world.fail[what], world.after[what] = error, after
    told = _try_to_open(world)
    if told is None:  # it is not done so often
        assert world.calls[what] <= after
    else:
        assert re.search(match, told)
    settled(world)


def _try_to_open(world: World) -> str | None:
    """What the failure says; its traceback, which holds the half-built engine, is gone by then."""
    try:
        opened(world).close()
    except EngineError as error:
        return str(error)
    return None


@pytest.mark.parametrize("what", ["copy in", "execute", "copy out", "synchronize"])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_run_that_fails_says_so_and_leaks_nothing(world: World, what: str, after: int) -> None:
    engine = opened(world, graphs=False)
    world.calls.clear()
    answers = what == "execute"
    world.fail[what] = False if answers else CudaLaunchError("an illegal memory access was encountered")
    world.after[what] = after
    with pytest.raises(DeviceError, match=r"the GPU failed"):
        engine.run(pictures(40))
    world.fail.clear()
    with pytest.raises(EngineError, match="closed"):
        engine.run(pictures(1))
    engine.close()
    gc.collect()
    assert not any(world.stack.values())
    assert [thing for thing in world.alive() if hasattr(thing, "address")] == []


def test_a_lost_device_can_be_closed(world: World) -> None:
    engine = opened(world)
    engine.run(pictures(1))
    for what in ("push", "synchronize", "free", "copy in"):
        world.fail[what] = CudaLogicError("device lost")
    with pytest.raises(DeviceError, match="lost"):
        engine.run(pictures(1))
    engine.close()
    engine.close()


def test_batch_sizes_in_turn_are_recorded_and_played_without_a_change_of_shape(
    world: World, truth: OnnxRuntimeEngine
) -> None:
    engine = opened(world)
    for seed in range(4):
        for count in (4, 2, 8, 3, 1):  # 2, 4 and 8 share a profile, as faces come and go
            lr = pictures(count, seed=seed)
            np.testing.assert_array_equal(engine.run(lr)[0], truth.run(lr)[0])
    assert engine.counts["graph_failures"] == 0
    assert engine.counts["graph_runs"] == 16  # 4, 2, 8 and 1 were each run plainly once
    engine.close()
    settled(world)


def test_engine_and_runtime_go_before_the_context_and_after_the_memory(world: World) -> None:
    engine = opened(world)
    engine.run(pictures(1))
    world.log.clear()
    engine.close()
    gc.collect()
    order = [what for what in world.log if what in ("free", "context gone", "engine gone", "runtime gone")]
    slot = ["context gone"] * 4 + ["free"] * 3
    assert order == [*slot, *slot, "engine gone", "runtime gone"]
    settled(world)


def test_tensorrt_rtx_takes_our_scratch_memory_and_records_by_itself(
    world: World, truth: OnnxRuntimeEngine
) -> None:
    gpu = fake_gpu(world, graphs=False)
    gpu = replace(gpu, library=replace(gpu.library, backend="tensorrt-rtx"))
    engine = TrtEngine(world.manifest, world.network, page_of(world), gpu)
    for count in (1, 3, 20):
        lr = pictures(count)
        np.testing.assert_array_equal(engine.run(lr)[0], truth.run(lr)[0])
    engine.close()
    settled(world)


def test_no_context_is_let_go_of_while_the_thread_goes_on(world: World) -> None:
    """PyCUDA would leave it current, and what runs there next, as a builder does, would find it gone."""
    gpu = fake_gpu(world)
    for _ in range(3):
        TrtEngine(world.manifest, world.network, page_of(world), gpu).close()
    assert world.calls["retain"] == 1
    settled(world)


def test_a_thousand_openings_leave_nothing(world: World) -> None:
    gpu = fake_gpu(world)
    page = page_of(world)
    free = world.bytes_free
    for number in range(1000):
        engine = TrtEngine(world.manifest, world.network, page, gpu)
        if number % 50 == 0:
            engine.run(pictures(1))
        engine.close()
        assert world.bytes_free == free
        if number % 100 == 0:
            world.live = [ref for ref in world.live if ref() is not None]
            world.log.clear()
    settled(world)


def test_a_plan_of_other_tensors_is_refused(world: World) -> None:
    other = replace(world.manifest, outputs=(replace(world.manifest.outputs[0], shape=(None, 64, 64, 3)),))
    gpu = fake_gpu(world)
    with pytest.raises(EngineError, match=r"manifest of tiny says sr is uint8 \(N, 64, 64, 3\), plan: uint8"):
        TrtEngine(other, world.network, page_of(world), gpu)
    with pytest.raises(EngineError, match="3 profiles, its page says 1"):
        TrtEngine(world.manifest, world.network, replace(page_of(world), batches=(8,)), gpu)
    with pytest.raises(EngineError, match="engines build --engine tiny"):
        TrtEngine(world.manifest, b"another plan", page_of(world), gpu)
    settled(world)


def test_no_gpu_is_said(world: World) -> None:
    world.devices = 0
    with pytest.raises(DeviceError, match="no GPU 0: 0 found"):
        opened(world)


@given(count=st.integers(1, 200), largest=st.sampled_from([1, 4, 16, 48, 64]))
def test_buckets_hold_what_they_must(count: int, largest: int) -> None:
    count = min(count, largest)
    bucket = bucket_for(count, largest)
    assert count <= bucket <= largest
    assert bucket in (*BUCKETS, largest)
    assert bucket < 2 * count or bucket == 1


@settings(max_examples=10)
@given(counts=st.lists(st.integers(0, 20), max_size=4))
def test_any_sequence_of_batches_gives_the_cpus_pictures(counts: list[int], tmp_path_factory) -> None:  # type: ignore[no-untyped-def]
    manifest = install(tmp_path_factory.mktemp("engines"), "tiny", super_resolver(3))
    world = World(manifest, manifest.path.read_bytes(), batches=(2, 8))
    reference = OnnxRuntimeEngine(manifest, threads=1)
    engine = opened(world)
    for seed, count in enumerate(counts):
        lr = pictures(count, seed=seed)
        np.testing.assert_array_equal(engine.run(lr)[0], reference.run(lr)[0])
    engine.close()
    settled(world)


class TestFallback:
    def test_the_batch_of_the_failure_is_not_lost(self, world: World, truth: OnnxRuntimeEngine) -> None:
        told: list[str] = []
        second = lambda: OnnxRuntimeEngine(world.manifest, threads=1)  # noqa: E731
        engine = FallbackEngine(lambda: opened(world), second, told.append)
        assert engine.backend == "tensorrt:cuda:f32"
        engine.run(pictures(1))
        world.fail["synchronize"] = CudaLaunchError("unspecified launch failure")
        for seed in range(3):
            lr = pictures(3, seed=seed)
            np.testing.assert_array_equal(engine.run(lr)[0], truth.run(lr)[0])
        assert engine.counts == {"fallbacks": 1, "runs_after": 3}
        assert engine.backend == "onnxruntime:cpu:f32"
        assert "unspecified launch failure" in engine.reason
        assert told == [f"tiny: {engine.reason}; going on with onnxruntime:cpu:f32, which is slower"]
        engine.close()

    def test_a_gpu_without_memory_is_changed_over_from_at_once(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.bytes_free = 1000
        engine = FallbackEngine(lambda: opened(world), lambda: OnnxRuntimeEngine(world.manifest, threads=1))
        assert engine.run(pictures(2))[0].shape == (2, 128, 128, 3)
        assert engine.counts["fallbacks"] == 1
        assert "out of memory" in caplog.text
        engine.close()
        settled(world)

    def test_other_errors_are_not_hidden(self, world: World) -> None:
        world.fail["deserialize"] = False
        with pytest.raises(EngineError, match="does not fit"):
            FallbackEngine(lambda: opened(world), lambda: pytest.fail("nothing to fall back from"))
