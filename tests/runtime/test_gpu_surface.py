"""The names and arguments that the GPU code relies on are those of the real libraries."""

from __future__ import annotations

import inspect

import pytest
import tensorrt_rtx_bindings as real
from cuda.bindings import driver
from fake_gpu import World, fake_cuda, fake_graphs, signature_of, strict

USED = {
    "Builder": (
        "create_network", "create_builder_config", "create_optimization_profile", "build_serialized_network",
    ),
    "IBuilderConfig": (
        "add_optimization_profile", "builder_optimization_level", "clear_flag", "create_timing_cache",
        "num_compute_capabilities", "progress_monitor", "set_compute_capability", "set_flag",
        "set_memory_pool_limit", "set_timing_cache",
    ),
    "OnnxParser": ("parse", "num_errors", "get_error"),
    "Runtime": ("deserialize_cuda_engine",),
    "ICudaEngine": (
        "create_execution_context", "create_runtime_config", "device_memory_size_v2", "get_tensor_dtype",
        "get_tensor_name", "get_tensor_shape", "num_io_tensors", "num_optimization_profiles",
    ),
    "IRuntimeConfig": ("cuda_graph_strategy", "set_execution_context_allocation_strategy"),
    "CudaGraphStrategy": ("WHOLE_GRAPH_CAPTURE",),
    "ExecutionContextAllocationStrategy": ("USER_MANAGED",),
    "IExecutionContext": (
        "execute_async_v3", "set_device_memory", "set_input_shape", "set_optimization_profile_async",
        "set_tensor_address",
    ),
    "IProgressMonitor": ("phase_start", "phase_finish", "step_complete"),
    "ITimingCache": ("serialize",),
}  # fmt: skip
"""Everything of TensorRT that ``plan_build``, ``trt_library``, ``trt`` and ``gpu_slot`` touch."""


@pytest.mark.parametrize("owner", USED)
def test_tensorrt_has_what_is_used(owner: str) -> None:
    missing = [name for name in USED[owner] if not hasattr(getattr(real, owner), name)]
    assert missing == []


def test_the_documented_signatures_are_read() -> None:
    signature = signature_of("IExecutionContext", "set_tensor_address")
    assert signature is not None
    assert list(signature.parameters) == ["self", "name", "memory"]
    started = signature_of("IExecutionContext", "execute_async_v3")
    assert started is not None
    assert list(started.parameters) == ["self", "stream_handle"]


def test_a_fake_that_strays_is_caught() -> None:
    class Invented:
        def launch(self) -> None: ...

    with pytest.raises(AssertionError, match="has no 'launch'"):
        strict("IExecutionContext", Invented)

    class Sloppy:
        def set_tensor_address(self, *args: object, **kwargs: object) -> bool:
            return True

    with pytest.raises(TypeError):
        strict("IExecutionContext", Sloppy)().set_tensor_address("lr")
    with pytest.raises(TypeError):
        strict("IExecutionContext", Sloppy)().set_tensor_address(tensor="lr", memory=1)


def test_the_builders_progress_is_called_by_these_names() -> None:
    for name, wanted in (
        ("phase_start", ["self", "phase_name", "parent_phase", "num_steps"]),
        ("phase_finish", ["self", "phase_name"]),
        ("step_complete", ["self", "phase_name", "step"]),
    ):
        signature = signature_of("IProgressMonitor", name)
        assert signature is not None
        assert list(signature.parameters) == wanted


def test_graph_functions_take_the_arguments_of_cuda_bindings(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from tiny_networks import install, super_resolver

    manifest = install(tmp_path, "tiny", super_resolver())
    world = World(manifest, manifest.path.read_bytes())
    fake = fake_graphs(world, fake_cuda(world))
    for name in ("cuStreamBeginCapture", "cuStreamEndCapture", "cuGraphInstantiate", "cuGraphLaunch"):
        real_names = list(inspect.signature(getattr(driver, name)).parameters)
        assert list(inspect.signature(getattr(fake, name)).parameters) == real_names
    for name in ("cuGraphDestroy", "cuGraphExecDestroy"):
        assert len(inspect.signature(getattr(driver, name)).parameters) == 1
        assert len(inspect.signature(getattr(fake, name)).parameters) == 1
    assert driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL.name
    assert driver.CUresult.CUDA_SUCCESS == 0
