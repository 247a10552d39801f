"""Makes a Q/DQ network out of an f32 one with ONNX Runtime's quantiser, and tries which way is best.

Only convolutions are quantised: weights per channel, activations as uint8 around 128, which is symmetric
int8 by another name (TensorRT needs symmetric; OpenVINO 2026.4 miscomputes signed ones). The first and the
last convolution stay in f32: INT8 super-resolution shifts colour and darkens when the picture's own values
are quantised, and the two hold a hundredth of the work.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from stream_mer.core.metrics import psnr
from stream_mer.types import ImageU8

METHODS: dict[str, CalibrationMethod] = {
    "minmax": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}

SPEED_FLOOR_DB = 45.0
"""Layers are left in f32 only until this is reached: 7 dB above the gate, and at a super-resolver's own error
of 30 dB a loss of .14 dB. Every f32 layer more costs speed."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One way of quantising: how, and what came out on crops that ranges were not found on.

    ``psnr_db`` against the f32 network, mean ``bias`` in grey levels, ``worst`` difference, file ``size``.
    """

    method: str
    high: tuple[str, ...]
    psnr_db: float
    bias: float
    worst: int
    size: int

    @classmethod
    def of(cls, method: str, high: Sequence[str], truth: ImageU8, ours: ImageU8, size: int) -> Trial:
        """The figures of one result."""
        difference = ours.astype(np.int16) - truth
        worst = int(np.abs(difference).max())
        return cls(method, tuple(high), psnr(truth, ours), float(difference.mean()), worst, size)


class _Crops(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no type hints
    """Crops one by one, as the quantiser wants them."""

    def __init__(self, name: str, lr: ImageU8) -> None:
        self._left = iter([{name: crop[None]} for crop in lr])

    def get_next(self) -> dict[str, ImageU8] | None:
        return next(self._left, None)


def high_sets(network: bytes) -> tuple[tuple[str, ...], ...]:
    """Which convolutions to leave in f32, the fastest choice first: the two ends, then more of the tail."""
    convs = [n.name for n in onnx.load_model_from_string(network).graph.node if n.op_type == "Conv"]
    tails = [1, 2, 4] if len(convs) > 6 else [1]
    return tuple((convs[0], *convs[-tail:]) for tail in tails)


def quantise(network: bytes, lr: ImageU8, method: str, high: Sequence[str]) -> bytes:
    """The Q/DQ form of a network.

    Args:
        network: f32 ONNX with one input.
        lr: ``(N, 32, 32, 3)`` uint8 crops that ranges are found on.
        method: key of ``METHODS``.
        high: names of convolutions that stay in f32.
    """
    name = onnx.load_model_from_string(network).graph.input[0].name
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        plain, folded, made = (Path(folder) / f"{stage}.onnx" for stage in ("plain", "folded", "made"))
        plain.write_bytes(network)
        quant_pre_process(str(plain), str(folded), skip_symbolic_shape=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quantize_static(
                str(folded),
                str(made),
                _Crops(name, lr),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv"],
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=METHODS[method],
                nodes_to_exclude=list(high),
                extra_options={"ActivationSymmetric": True, "WeightSymmetric": True},
            )
        return made.read_bytes()


def run_onnx(network: bytes, lr: ImageU8) -> ImageU8:
    """What a network makes of crops, with ONNX Runtime on one thread, in slices that fit any memory."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    parts = [session.run(None, {name: part})[0] for part in np.array_split(lr, -(-len(lr) // 8))]
    return np.concatenate(parts)


def choose_trial(trials: Sequence[Trial]) -> Trial:
    """Best ranges for the fastest choice of layers that reaches ``SPEED_FLOOR_DB``; else the best of all."""
    for high in dict.fromkeys(trial.high for trial in trials):
        best = max((t for t in trials if t.high == high), key=lambda t: t.psnr_db)
        if best.psnr_db >= SPEED_FLOOR_DB:
            return best
    return max(trials, key=lambda t: t.psnr_db)


def trial_table(trials: Sequence[Trial], chosen: Trial) -> str:
    """Markdown: a line per trial, the chosen one in bold."""
    lines = [
        "| ranges by | convolutions in f32 | dB from f32 | bias, levels | largest, levels | kB |",
        "|---|---|---|---|---|---|",
    ]
    for one in trials:
        high = ", ".join(name.rsplit("/", 2)[-2] if "/" in name else name for name in one.high)
        mark = "**" if one == chosen else ""
        figures = f"{one.psnr_db:.2f} | {one.bias:+.3f} | {one.worst} | {one.size / 1e3:.0f}"
        lines.append(f"| {mark}{one.method}{mark} | {high} | {figures} |")
    return "\n".join(lines)


def quantiser_version() -> str:
    """Library and version that made it."""
    return f"onnxruntime {onnxruntime.__version__}"
