"""Runs a network with OpenVINO: the fastest way on most x86 processors, bf16 where they have it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from stream_mer.errors import EngineError
from stream_mer.runtime.int8 import read_int8
from stream_mer.runtime.machine import usable_cores
from stream_mer.runtime.manifest import read_network
from stream_mer.runtime.schema import Manifest, TensorSpec, Training

# On `import openvino` its converter sends a usage event to Google and writes ~/intel/. The one
# documented opt-out is a command that writes into the user's home. But OpenVINO falls back to its own
# empty stub where `openvino_telemetry` is not installed, and None in sys.modules is how Python says
# "not installed" [read in openvino/tools/ovc/telemetry_utils.py 2026.4, checked by a test].
_absent: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
_absent.setdefault("openvino_telemetry", None)

import openvino  # noqa: E402

_CORE = openvino.Core()
"""The only one of the process, kept until it ends. Each loads the CPU plugin of its own, which makes the
thread's signals run on a stack that it frees with itself; two that are let go of in another order, or in
another thread, leave the thread a freed one, and the next Ctrl-C is a segmentation fault [run: 2026.4]."""

PRECISIONS = ("auto", "f32", "bf16", "int8")
HINTS = ("latency", "throughput")


def bf16_available(device: str = "cpu") -> bool:
    """Whether OpenVINO can compute in bf16 on this device. Whether that is faster must be measured."""
    try:
        return "BF16" in _CORE.get_property(device.upper(), "OPTIMIZATION_CAPABILITIES")
    except RuntimeError:  # no such device
        return False


def version() -> str:
    """OpenVINO's version."""
    return str(openvino.get_version())


class OpenVinoEngine:
    """One network on one device; built, used and closed in one thread.

    Args:
        manifest: what to run; its network file is read once and its digest checked.
        device: ``CPU``, ``GPU`` (Intel), ... as OpenVINO names them, any case.
        precision: ``f32``, ``bf16``, ``int8`` if the engine has such a copy, or ``auto``, which is f32:
            OpenVINO's own default would be bf16 wherever the processor has it, but only ``select.choose``
            compares the numbers first.
        threads: inference threads; as many as usable cores if None.
        hint: ``latency`` runs a batch with all threads together; ``throughput`` cuts it into one
            slice per thread: 5 to 30 % faster from batch 2 on (two threads, measured), more memory.
        cache_dir: folder for compiled networks, so that the next start is faster; none if None.

    Raises:
        EngineError: digest, device, precision or network do not fit.
    """

    def __init__(
        self,
        manifest: Manifest,
        *,
        device: str = "CPU",
        precision: str = "auto",
        threads: int | None = None,
        hint: str = "latency",
        cache_dir: Path | None = None,
    ) -> None:
        if precision not in PRECISIONS or hint not in HINTS:
            raise EngineError(
                f"engine {manifest.name}: precision {precision!r} must be one of {PRECISIONS} "
                f"and hint {hint!r} one of {HINTS}"
            )
        if precision == "bf16" and not bf16_available(device):
            raise EngineError(
                f"engine {manifest.name}: no bf16 on device {device}; use precision f32 or auto"
            )
        network = read_int8(manifest) if precision == "int8" else read_network(manifest)
        threads = usable_cores() if threads is None else threads
        streams = threads if hint == "throughput" else 1
        settings: dict[str, object] = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "PERFORMANCE_HINT": hint.upper(),
            "NUM_STREAMS": streams,
            # Pinned threads of two engines would fight for the same cores while others idle.
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_NUM_THREADS": threads,
        }
        if device.upper() != "CPU":
            settings = {key: settings[key] for key in ("INFERENCE_PRECISION_HINT", "PERFORMANCE_HINT")}
        if cache_dir is not None:
            settings["CACHE_DIR"] = str(cache_dir)
        try:
            # Only ONNX can be read from memory; for the rest the path is read a second time.
            model = _CORE.read_model(network if manifest.file.endswith(".onnx") else manifest.path)
            _make_batch_free(model, manifest)
            compiled = _CORE.compile_model(model, device.upper(), settings)
            self._requests = [compiled.create_infer_request() for _ in range(streams)]
        except RuntimeError as error:
            raise EngineError(
                f"engine {manifest.name}: OpenVINO cannot load it on {device}: {_first_line(error)}"
            ) from error
        self._outputs = [_port(compiled.outputs, spec, manifest) for spec in manifest.outputs]
        _port(compiled.inputs, manifest.inputs, manifest)
        self._manifest = manifest
        kind = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        kind = "int8" if precision == "int8" else kind
        self._backend = f"openvino:{device.lower()}:{kind}"

    @classmethod
    def from_file(
        cls,
        path: Path,
        *,
        batched: bool = False,
        device: str = "CPU",
        threads: int | None = None,
        cache_dir: Path | None = None,
    ) -> OpenVinoEngine:
        """An engine for a network file without a manifest, such as a ``.tflite``, computed in f32.

        Args:
            path: ``.onnx`` or ``.tflite``. Its digest is not checked: whoever fetched it did.
            batched: make the first dimension of input and outputs free. Right for networks that
                keep items apart all the way (the 468-point face mesh does; the face detectors put
                all anchors of a batch into one row and are refused).
            device: as in the constructor.
            threads: as in the constructor.
            cache_dir: as in the constructor.

        Raises:
            EngineError: missing, unreadable, or more than one input.
        """
        path = Path(path)
        try:
            digest = sha256(path.read_bytes()).hexdigest()
            model = _CORE.read_model(path)
        except (OSError, RuntimeError) as error:
            raise EngineError(f"network {path}: OpenVINO cannot read it: {_first_line(error)}") from error
        if len(model.inputs) != 1:
            raise EngineError(f"network {path} has {len(model.inputs)} inputs; only one is supported")
        manifest = Manifest(
            name=path.stem.lower(),
            task="other",
            version=digest[:12],
            inputs=_spec(model.inputs[0], batched),
            outputs=tuple(_spec(port, batched) for port in model.outputs),
            training=Training(data="see its origin", licence="see its origin", command=""),
            file=path.name,
            sha256=digest,
            folder=path.parent,
        )
        return cls(manifest, device=device, threads=threads, cache_dir=cache_dir)

    @property
    def name(self) -> str:
        return self._manifest.name

    @property
    def sha256(self) -> str:
        return self._manifest.sha256

    @property
    def backend(self) -> str:
        return self._backend

    @property
    def manifest(self) -> Manifest:
        """What is running; for ``from_file``, what was read from the file."""
        return self._manifest

    def run(self, batch: NDArray[np.generic]) -> tuple[NDArray[np.generic], ...]:
        """Run a batch; see ``protocols.Engine``.

        It is run in pieces of 1, 2, 4, 8 ... items: OpenVINO keeps what it has prepared for every size of
        batch it has seen (for ``cnn-mer`` 11.5 MB and some 30 ms each, measured), and live batches come in
        any size.
        """
        name = self._manifest.name
        if not self._requests:
            raise EngineError(f"engine {name} is closed; open it again to use it")
        self._manifest.inputs.require(batch, name)
        if len(batch) == 0:
            return tuple(spec.empty() for spec in self._manifest.outputs)
        if not self._manifest.inputs.batched:
            return self._run_piece(batch, name)
        pieces = [self._run_piece(piece, name) for piece in _in_powers_of_two(batch)]
        if len(pieces) == 1:
            return pieces[0]
        return tuple(np.concatenate(parts) for parts in zip(*pieces, strict=True))

    def _run_piece(self, batch: NDArray[np.generic], name: str) -> tuple[NDArray[np.generic], ...]:
        slices = [part for part in np.array_split(batch, len(self._requests)) if len(part)]
        busy = self._requests[: len(slices)]
        try:
            for request, part in zip(busy, slices, strict=True):
                request.start_async([np.ascontiguousarray(part)], share_inputs=True)
            for request in busy:
                request.wait()
        except RuntimeError as error:
            raise EngineError(f"engine {name}: OpenVINO failed: {_first_line(error)}") from error
        results = tuple(self._collect(busy, index) for index in self._outputs)
        for spec, result in zip(self._manifest.outputs, results, strict=True):
            spec.require(result, name)
        return results

    def _collect(self, busy: list[openvino.InferRequest], index: int) -> NDArray[np.generic]:
        # A copy, because the tensor is OpenVINO's own memory and the next run writes over it.
        parts = [request.get_output_tensor(index).data for request in busy]
        whole: NDArray[np.generic] = parts[0].copy() if len(parts) == 1 else np.concatenate(parts)
        return whole

    def close(self) -> None:
        """Free the network; idempotent."""
        self._requests.clear()


def _in_powers_of_two(batch: NDArray[np.generic]) -> Iterator[NDArray[np.generic]]:
    while len(batch):
        size = 1 << (len(batch).bit_length() - 1)
        yield batch[:size]
        batch = batch[size:]


def _first_line(error: Exception) -> str:
    """The line of an OpenVINO error that says something; the first ones are its own source files."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith("Exception from ")]
    return told[0] if told else type(error).__name__


def _spec(port: openvino.Output, batched: bool) -> TensorSpec:
    sizes = [None if size.is_dynamic else size.get_length() for size in port.get_partial_shape()]
    dtype = np.dtype(port.get_element_type().to_dtype()).name
    return TensorSpec(port.get_any_name(), (None if batched else sizes[0], *sizes[1:]), dtype)


def _make_batch_free(model: openvino.Model, manifest: Manifest) -> None:
    """Give a network with a fixed batch the free one its manifest promises."""
    spec = manifest.inputs
    if not spec.batched or len(model.inputs) != 1 or model.inputs[0].get_partial_shape()[0].is_dynamic:
        return
    model.reshape([-1, *spec.shape[1:]])
    shapes = [port.get_partial_shape() for port in model.outputs]
    if not all(shape[0].is_dynamic and all(size.is_static for size in list(shape)[1:]) for shape in shapes):
        raise EngineError(
            f"engine {manifest.name}: the network mixes the items of a batch: outputs become {shapes}\n"
            "use it with its fixed batch"
        )


def _port(ports: list[openvino.Output], spec: TensorSpec, manifest: Manifest) -> int:
    """Index of the network's port that a manifest's tensor means.

    Raises:
        EngineError: no port of that name, or shape or dtype are others than the manifest says.
    """
    for index, port in enumerate(ports):
        if spec.name not in port.get_names():
            continue
        found = _spec(port, batched=False)
        if found.shape != spec.shape or found.dtype != spec.dtype:
            raise EngineError(
                f"engine {manifest.name}: manifest says {spec.name} is {spec}, network: {found}"
            )
        return index
    names = sorted(name for port in ports for name in port.get_names())
    raise EngineError(f"engine {manifest.name}: the network has no tensor {spec.name!r}; it has {names}")
