"""Runs a network with ONNX Runtime on the processor: portable, and the reference for parity."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from stream_mer.errors import EngineError
from stream_mer.runtime.int8 import read_int8
from stream_mer.runtime.machine import usable_cores
from stream_mer.runtime.manifest import read_network
from stream_mer.runtime.schema import Manifest, TensorSpec

# From 1.29 on the Linux wheels send usage data to Microsoft and write ~/.cache/Microsoft/. This variable,
# set before the library starts, is the documented switch (Privacy.md in the wheel, checked by a test).
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import (
    EPFail,
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NotImplemented,
    RuntimeException,
)

# ONNX Runtime's exceptions have no common parent but Exception.
FAILURES = (EPFail, Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NotImplemented, RuntimeException)

DTYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}

PRECISIONS = ("auto", "f32", "int8")
QUIET = 3  # errors only; warnings are about optimisations nobody can act on


def version() -> str:
    """ONNX Runtime's version."""
    return str(onnxruntime.__version__)


class OnnxRuntimeEngine:
    """One network on the processor; built, used and closed in one thread.

    Args:
        manifest: what to run; its network file is read once and its digest checked.
        device: ``cpu``.
        precision: ``f32``, ``int8`` if the engine has such a copy, or ``auto``, which is f32.
        threads: inference threads; as many as usable cores if None.

    Raises:
        EngineError: digest, device, precision or network do not fit.
    """

    def __init__(
        self, manifest: Manifest, *, device: str = "cpu", precision: str = "auto", threads: int | None = None
    ) -> None:
        if device.lower() != "cpu" or precision not in PRECISIONS:
            raise EngineError(
                f"engine {manifest.name}: ONNX Runtime runs on cpu in f32 or int8, "
                f"not on {device} in {precision}\n"
                "use backend openvino for that"
            )
        network = read_int8(manifest) if precision == "int8" else read_network(manifest)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = usable_cores() if threads is None else threads
        options.inter_op_num_threads = 1
        options.log_severity_level = QUIET
        # A memory pattern is kept for every batch size seen: 300 batches of 1..32 through a small
        # network took 114 MB with, 90 MB without, at the same speed. The arena stays: it is flat.
        options.enable_mem_pattern = False
        # Idle threads that spin steal the cores from decoding and tracking.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session: onnxruntime.InferenceSession | None = onnxruntime.InferenceSession(
                network, options, providers=["CPUExecutionProvider"]
            )
        except FAILURES as error:
            raise EngineError(f"engine {manifest.name}: ONNX Runtime cannot load it: {error}") from error
        _require_port(self._session.get_inputs(), manifest.inputs, manifest)
        for spec in manifest.outputs:
            _require_port(self._session.get_outputs(), spec, manifest)
        self._manifest = manifest
        self._precision = "int8" if precision == "int8" else "f32"

    @property
    def name(self) -> str:
        return self._manifest.name

    @property
    def sha256(self) -> str:
        return self._manifest.sha256

    @property
    def backend(self) -> str:
        return f"onnxruntime:cpu:{self._precision}"

    @property
    def manifest(self) -> Manifest:
        """What is running."""
        return self._manifest

    def run(self, batch: NDArray[np.generic]) -> tuple[NDArray[np.generic], ...]:
        """Run a batch; see ``protocols.Engine``."""
        manifest = self._manifest
        if self._session is None:
            raise EngineError(f"engine {manifest.name} is closed; open it again to use it")
        manifest.inputs.require(batch, manifest.name)
        if len(batch) == 0:
            return tuple(spec.empty() for spec in manifest.outputs)
        feed = {manifest.inputs.name: np.ascontiguousarray(batch)}
        try:
            results = tuple(self._session.run([spec.name for spec in manifest.outputs], feed))
        except FAILURES as error:
            raise EngineError(f"engine {manifest.name}: ONNX Runtime failed: {error}") from error
        for spec, result in zip(manifest.outputs, results, strict=True):
            spec.require(result, manifest.name)
        return results

    def close(self) -> None:
        """Free the network; idempotent."""
        self._session = None


def _require_port(ports: list[onnxruntime.NodeArg], spec: TensorSpec, manifest: Manifest) -> None:
    """Raise ``EngineError`` unless the network has this tensor as the manifest describes it."""
    for port in ports:
        if port.name != spec.name:
            continue
        shape = tuple(size if isinstance(size, int) else None for size in port.shape)
        if shape != spec.shape or DTYPES.get(port.type) != spec.dtype:
            raise EngineError(
                f"engine {manifest.name}: manifest says {spec.name} is {spec}, "
                f"the network has {port.type} {port.shape}"
            )
        return
    names = [port.name for port in ports]
    raise EngineError(f"engine {manifest.name}: the network has no tensor {spec.name!r}; it has {names}")
