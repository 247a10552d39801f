"""A GPU that checks everything and computes with ONNX Runtime: strict fakes of the three libraries used.

TensorRT's classes are generated from the real bindings: every call is bound to the signature that the real
class documents, names and kinds of arguments included, and what the real class has not raises. PyCUDA
cannot be installed here; its few names carry the arguments of its own source (``wrap_cudadrv.cpp``, 2026.1).
cuda-bindings' functions are checked against the installed package in ``test_gpu_surface.py``.
"""

from __future__ import annotations

import inspect
import re
import threading
import weakref
from collections import Counter
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import tensorrt_rtx_bindings as real

from stream_mer.runtime.plan_build import BuiltPlan
from stream_mer.runtime.plan_cache import PlanManifest
from stream_mer.runtime.schema import Manifest
from stream_mer.runtime.trt import Gpu
from stream_mer.runtime.trt_library import Library

SCRATCH = 4096


class CudaError(Exception):
    """pycuda.driver.Error"""


class CudaMemoryError(CudaError):
    """pycuda.driver.MemoryError"""


class CudaLaunchError(CudaError):
    """pycuda.driver.LaunchError"""


class CudaLogicError(CudaError):
    """pycuda.driver.LogicError"""


def signature_of(owner: str, name: str) -> inspect.Signature | None:
    """What the real TensorRT class documents for a method; None where it says only ``*args``."""
    told = (getattr(getattr(real, owner), name).__doc__ or "").strip()
    lines = [line for line in told.splitlines() if re.match(rf"(\d+\. )?{name}\(self: ", line.strip())]
    if not lines:
        return None
    inside = re.sub(r"^(\d+\. )?\w+\(", "", lines[0].strip()).rsplit(") ->", 1)[0]
    names = [part.split(":")[0].strip() for part in re.split(r", (?=\w+:)", inside)]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    optional = {part.split(":")[0].strip() for part in re.split(r", (?=\w+:)", inside) if " = " in part}
    return inspect.Signature(
        [
            inspect.Parameter(n, kind, default=None if n in optional else inspect.Parameter.empty)
            for n in names
        ]
    )


def strict(owner: str, fake: type) -> type:
    """``fake`` with every public method bound to the real class's signature; unknown names fail at once."""
    for name, method in list(vars(fake).items()):
        if name.startswith("_"):
            continue
        if not hasattr(getattr(real, owner), name):
            raise AssertionError(f"TensorRT's {owner} has no {name!r}")
        if inspect.isfunction(method):
            setattr(fake, name, _bound(owner, name, method))
    return fake


def _bound(owner: str, name: str, method: Any) -> Any:
    signature = signature_of(owner, name)

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if signature is not None:
            signature.bind(self, *args, **kwargs)  # TypeError as the real one gives it
        return method(self, *args, **kwargs)

    return call


@dataclass
class World:
    """The GPU: what lives on it, what was done in which order, and what shall go wrong.

    ``fail`` maps an operation to what it raises or answers instead, from its ``after``-th call on.
    """

    manifest: Manifest
    network: bytes
    batches: tuple[int, ...] = (1, 16, 64)
    capability: tuple[int, int] = (8, 9)
    bytes_free: int = 1 << 34
    devices: int = 1
    fail: dict[str, Any] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    log: list[str] = field(default_factory=list)
    stack: dict[int, int] = field(default_factory=Counter)
    live: list[weakref.ref[Any]] = field(default_factory=list)
    owners: set[int] = field(default_factory=set)
    memory: dict[int, np.ndarray] = field(default_factory=dict)
    next_address: int = 4096
    capturing: list[Any] | None = None
    graphs: int = 0
    misdeeds: list[str] = field(default_factory=list)

    def did(self, what: str) -> Any:
        """Count and log an operation; raise what it shall raise, or give what it shall answer (else None)."""
        self.calls[what] += 1
        self.log.append(what)
        self.owners.add(threading.get_ident())
        if what in self.fail and self.calls[what] > self.after.get(what, 0):
            answer = self.fail[what]
            if isinstance(answer, Exception):
                raise type(answer)(*answer.args)  # a fresh one: tracebacks keep objects alive
            return answer
        return None

    def current(self, what: str) -> None:
        """Every CUDA call needs a current context, in this thread."""
        if self.stack[threading.get_ident()] < 1:
            raise AssertionError(f"{what} without a current context")

    def keep(self, thing: Any) -> None:
        """Follow an object until it is gone."""
        self.live.append(weakref.ref(thing))

    def alive(self) -> list[Any]:
        """Whatever was made on the GPU and still exists."""
        return [thing for ref in self.live if (thing := ref()) is not None and not getattr(thing, "freed", 0)]

    def session(self) -> onnxruntime.InferenceSession:
        """What computes."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return onnxruntime.InferenceSession(self.network, options, providers=["CPUExecutionProvider"])


class Work:
    """Work in a stream: done only when the stream is waited for, so that nothing can be read too early."""

    def __init__(self) -> None:
        self.waiting: list[Any] = []


def fake_cuda(world: World) -> Any:
    """pycuda.driver."""
    streams: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()

    class Stream:
        def __init__(self, flags: int = 0) -> None:
            world.current("Stream")
            assert flags == 1, "a stream that waits for the default stream"
            world.did("Stream")
            self.handle = 100 + world.calls["Stream"]
            self.work, self.scratch = Work(), 0
            streams[self.handle] = self
            world.keep(self)

        def synchronize(self) -> Stream:
            world.current("synchronize")
            try:
                world.did("synchronize")
            except CudaError:
                self.work.waiting.clear()  # a lost device runs nothing any more
                raise
            if world.capturing is not None:
                raise AssertionError("a stream was waited for while it was recorded")
            for step in self.work.waiting:
                step()
            self.work.waiting.clear()
            return self

    class Allocation:
        def __init__(self, size: int) -> None:
            world.bytes_free -= size
            self.size, self.freed = size, False
            self.address = world.next_address
            world.next_address += size + 256
            world.memory[self.address] = np.full(size, 0xA5, np.uint8)  # rubbish, as on a real one
            world.keep(self)

        def __int__(self) -> int:
            if self.freed:
                raise AssertionError("freed memory was used")
            return self.address

        def free(self) -> None:
            world.current("free")
            if self.freed:
                raise CudaLogicError("cuMemFree failed: invalid argument")
            if any(s.work.waiting for s in list(streams.values())):
                raise AssertionError("memory was freed under work that still runs")
            self.freed = True
            world.bytes_free += self.size
            del world.memory[self.address]
            world.did("free")

    class Pinned:
        def __init__(self, count: int) -> None:
            self.bytes, self.freed = np.zeros(count, np.uint8), False
            world.keep(self)

        @property
        def __array_interface__(self) -> dict[str, Any]:
            return self.bytes.__array_interface__

        def free(self) -> None:
            if self.freed:
                raise CudaLogicError("cuMemFreeHost failed: invalid argument")
            self.freed = True
            world.did("free host")

    class PinnedArray(np.ndarray):
        """PyCUDA's arrays have the allocation as their base."""

        pinned: Any = None

        @property
        def base(self) -> Any:
            return self.pinned

    def pagelocked_empty(shape: Any, dtype: Any, order: str = "C", mem_flags: int = 0) -> np.ndarray:
        world.current("pagelocked_empty")
        world.did("pagelocked_empty")
        pinned = Pinned(int(np.prod(shape)) * np.dtype(dtype).itemsize)
        array = np.frombuffer(pinned.bytes.data, dtype=dtype).reshape(shape).view(PinnedArray)
        array.pinned = pinned
        return array

    def mem_alloc(size: int) -> Allocation:
        world.current("mem_alloc")
        world.did("mem_alloc")
        if size > world.bytes_free:
            raise CudaMemoryError("cuMemAlloc failed: out of memory")
        return Allocation(size)

    def enqueue(stream: Any, what: str, step: Any) -> None:
        world.current(what)
        world.did(what)
        (stream.work.waiting if world.capturing is None else world.capturing).append(step)

    def memcpy_htod_async(dest: Any, src: np.ndarray, stream: Any = None) -> None:
        address, size = int(dest), src.nbytes
        assert src.flags.c_contiguous
        enqueue(stream, "copy in", lambda: _copy(world.memory[address][:size], src))

    def memcpy_dtoh_async(dest: np.ndarray, src: Any, stream: Any = None) -> None:
        address, size = int(src), dest.nbytes
        assert dest.flags.c_contiguous
        assert dest.flags.writeable
        enqueue(stream, "copy out", lambda: _copy(dest, world.memory[address][:size]))

    class Context:
        def __init__(self) -> None:
            told = "PyCUDA let go of a primary context, which leaves it current and releases nothing"
            weakref.finalize(self, world.misdeeds.append, told)

        def detach(self) -> None:
            world.did("detach")

        def push(self) -> None:
            world.did("push")
            world.stack[threading.get_ident()] += 1

        @staticmethod
        def pop() -> None:
            world.stack[threading.get_ident()] -= 1
            if world.stack[threading.get_ident()] < 0:
                raise CudaLogicError("cuCtxPopCurrent failed: invalid device context")

    class Device:
        def __init__(self, number: int) -> None:
            if number >= world.devices:
                raise CudaLogicError("cuDeviceGet failed: invalid device ordinal")

        @staticmethod
        def count() -> int:
            return world.devices

        def name(self) -> str:
            return "Fake GPU"

        def compute_capability(self) -> tuple[int, int]:
            return world.capability

        def retain_primary_context(self) -> Context:
            world.did("retain")
            return Context()

    class Driver(SimpleNamespace):
        __hash__ = object.__hash__  # as a module has

    return Driver(
        init=lambda flags=0: world.did("init"), Device=Device, Context=Context, Stream=Stream,
        pagelocked_empty=pagelocked_empty, mem_alloc=mem_alloc, streams=streams,
        memcpy_htod_async=memcpy_htod_async, memcpy_dtoh_async=memcpy_dtoh_async,
        Error=CudaError, MemoryError=CudaMemoryError, LaunchError=CudaLaunchError, LogicError=CudaLogicError,
    )  # fmt: skip


def _copy(target: np.ndarray, source: np.ndarray) -> None:
    np.asarray(target).reshape(-1).view(np.uint8)[:] = np.ascontiguousarray(source).reshape(-1).view(np.uint8)


def fake_library(world: World, cuda: Any) -> Library:
    """TensorRT: a plan is the ONNX itself; execution reads and writes the GPU's memory."""
    specs = (world.manifest.inputs, *world.manifest.outputs)
    kinds = {"uint8": real.DataType.UINT8, "float32": real.DataType.FLOAT}
    session = world.session()

    def gone(what: str) -> None:
        """Destructors give memory back, for which the context must be current; they cannot raise."""
        world.log.append(f"{what} gone")
        if world.stack[threading.get_ident()] < 1:
            world.misdeeds.append(f"{what} freed without a current context")

    class IExecutionContext:
        def __init__(self) -> None:
            self._profile, self._shape, self._at, self._scratch = -1, None, {}, 0
            self._ready = False  # ran once since its shape was set: only then may it be recorded
            world.keep(self)
            weakref.finalize(self, gone, "context")

        def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
            answer = world.did("set profile")
            self._profile = profile_index
            return answer is None

        def set_tensor_address(self, name: str, memory: int) -> bool:
            assert isinstance(memory, int)
            self._at[name] = memory
            return world.did("set address") is None and name in {spec.name for spec in specs}

        def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
            low = 1 if self._profile == 0 else world.batches[self._profile - 1] + 1
            if shape != self._shape:
                self._shape, self._ready = shape, False
            fits = self._profile >= 0 and low <= shape[0] <= world.batches[self._profile]
            return world.did("set shape") is None and fits

        def set_device_memory(self, memory: int, size: int) -> None:
            assert size >= SCRATCH
            self._scratch = memory

        def execute_async_v3(self, stream_handle: int) -> bool:
            world.current("execute")
            if world.did("execute") is not None:
                return False
            assert set(self._at) == {spec.name for spec in specs}, "a tensor has no address"
            assert self._scratch in world.memory, "no scratch memory, or freed"
            assert world.capturing is None or self._ready, "recorded right after a change of shape"
            self._ready = True
            shape, at = self._shape, dict(self._at)
            step = lambda: _execute(world, session, shape, at)  # noqa: E731
            stream = cuda.streams[stream_handle]
            if world.capturing is None:
                rivals = [one for one in cuda.streams.values() if one is not stream and one.work.waiting]
                assert all(one.scratch != self._scratch for one in rivals), "scratch of work that still runs"
            stream.scratch = self._scratch
            (stream.work.waiting if world.capturing is None else world.capturing).append(step)
            return True

    class ICudaEngine:
        num_optimization_profiles = len(world.batches)
        num_io_tensors = len(specs)
        device_memory_size_v2 = SCRATCH

        def __init__(self) -> None:
            world.keep(self)
            weakref.finalize(self, gone, "engine")

        def get_tensor_name(self, index: int) -> str:
            return specs[index].name

        def get_tensor_dtype(self, name: str) -> Any:
            return kinds[next(spec.dtype for spec in specs if spec.name == name)]

        def get_tensor_shape(self, name: str) -> tuple[int, ...]:
            spec = next(spec for spec in specs if spec.name == name)
            return tuple(-1 if size is None else size for size in spec.shape)

        def create_runtime_config(self) -> Any:
            return strict_config()

        def create_execution_context(self, strategy: Any = None) -> Any:
            world.current("create_execution_context")
            if isinstance(strategy, strict_config):  # TensorRT-RTX records by itself if it is told to
                assert strategy.cuda_graph_strategy == real.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
                strategy = strategy.strategy
            assert strategy == real.ExecutionContextAllocationStrategy.USER_MANAGED
            return None if world.did("context") is not None else strict_context()

    class IRuntimeConfig:
        cuda_graph_strategy = real.CudaGraphStrategy.DISABLED

        def set_execution_context_allocation_strategy(self, strategy: Any = None) -> None:
            object.__setattr__(self, "strategy", strategy)

        def __setattr__(self, name: str, value: Any) -> None:
            assert hasattr(real.IRuntimeConfig, name), f"TensorRT's IRuntimeConfig has no {name!r}"
            object.__setattr__(self, name, value)

    strict_config = strict("IRuntimeConfig", IRuntimeConfig)
    strict_context = strict("IExecutionContext", IExecutionContext)
    strict_engine = strict("ICudaEngine", ICudaEngine)

    class Runtime:
        def __init__(self, logger: Any) -> None:
            if world.did("runtime") is not None:
                raise TypeError("pybind11::init(): factory function returned nullptr")
            world.keep(self)
            weakref.finalize(self, gone, "runtime")

        def deserialize_cuda_engine(self, serialized_engine: bytes) -> Any:
            world.current("deserialize_cuda_engine")
            if world.did("deserialize") is not None or serialized_engine != world.network:
                said.append("The engine plan file is not compatible with this version of TensorRT")
                return None
            return strict_engine()

    said: list[str] = []
    module = SimpleNamespace(
        Runtime=strict("Runtime", Runtime),
        nptype=real.nptype,
        CudaGraphStrategy=real.CudaGraphStrategy,
        ExecutionContextAllocationStrategy=real.ExecutionContextAllocationStrategy,
    )
    return Library("tensorrt", "11.4.0", module, object(), said)


def _execute(world: World, session: Any, shape: Any, at: dict[str, int]) -> None:
    spec = world.manifest.inputs
    size = int(np.prod(shape)) * spec.numpy_dtype.itemsize
    batch = world.memory[at[spec.name]][:size].view(spec.numpy_dtype).reshape(shape)
    names = [one.name for one in world.manifest.outputs]
    for name, value in zip(names, session.run(names, {spec.name: batch}), strict=True):
        _copy(world.memory[at[name]][: value.nbytes], value)


def fake_graphs(world: World, cuda: Any) -> Any:
    """cuda.bindings.driver: what is put into a stream while it is recorded, is played as one."""
    results = SimpleNamespace(CUDA_SUCCESS=SimpleNamespace(name="CUDA_SUCCESS"))
    refused = SimpleNamespace(name="CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED")

    def status(what: str) -> Any:
        return results.CUDA_SUCCESS if world.did(what) is None else refused

    class Recording:
        def __init__(self, steps: list[Any]) -> None:
            self.steps, self.freed = steps, False
            world.graphs += 1  # plain numbers to the driver: forgetting one frees nothing
            world.keep(self)

    def begin(hStream: int, mode: Any) -> tuple[Any]:
        assert world.capturing is None, "one recording at a time"
        answer = status("begin")
        world.capturing = [] if answer is results.CUDA_SUCCESS else None
        return (answer,)

    def end(hStream: int) -> tuple[Any, Any]:
        steps, world.capturing = world.capturing, None
        answer = status("end")
        return (answer, Recording(steps or []) if answer is results.CUDA_SUCCESS else None)

    def instantiate(hGraph: Recording, flags: int) -> tuple[Any, Any]:
        assert not hGraph.freed
        answer = status("instantiate")
        return (answer, Recording(hGraph.steps) if answer is results.CUDA_SUCCESS else None)

    def launch(hGraphExec: Recording, hStream: int) -> tuple[Any]:
        world.current("launch")
        assert not hGraphExec.freed, "a destroyed graph was launched"
        answer = status("launch")
        if answer is results.CUDA_SUCCESS:
            cuda.streams[hStream].work.waiting.extend(hGraphExec.steps)
        return (answer,)

    def destroy(what: str) -> Any:
        def call(hGraph: Recording) -> tuple[Any]:
            assert not hGraph.freed, "destroyed twice"
            hGraph.freed = True
            world.graphs -= 1
            return (status(what),)

        return call

    return SimpleNamespace(
        CUresult=results, cuStreamBeginCapture=begin, cuStreamEndCapture=end, cuGraphInstantiate=instantiate,
        CUstreamCaptureMode=SimpleNamespace(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL="thread local"),
        cuGraphLaunch=launch, cuGraphDestroy=destroy("destroy"), cuGraphExecDestroy=destroy("destroy exec"),
    )  # fmt: skip


def fake_gpu(world: World, *, graphs: bool = True) -> Gpu:
    """All three libraries of one fake GPU."""
    cuda = fake_cuda(world)
    return Gpu(fake_library(world, cuda), cuda, fake_graphs(world, cuda) if graphs else None)


def page_of(world: World, capability: str = "sm89", precision: str = "f32") -> PlanManifest:
    """The page of the plan that the fake GPU runs."""
    manifest = world.manifest
    return PlanManifest(
        engine=manifest.name, network_sha256=manifest.sha256, typed_sha256="0" * 64, backend="tensorrt",
        version="11.4.0", capability=capability, system="Linux x86_64", precision=precision, flags="",
        batches=world.batches, passed=True, checked_on="Fake GPU sm89",
    )  # fmt: skip


def built(plan: bytes = b"plan") -> BuiltPlan:
    """A plan that nobody built."""
    return BuiltPlan(plan, b"", 1.5)
