"""Writes a trained classifier as an ONNX file, and what its scores mean as a calibration file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from stream_mer.errors import OutputError
from stream_mer.training.clf_net import Classifier
from stream_mer.types import HR_SIZE

OPSET = 17
"""ONNX operator set: everything used here is in it, TensorRT reads it from 8.6 on."""
GFLOP = 0.2
"""Arithmetic of one window, in 10^9 operations: 0.15 of flow (matrix products), 0.05 of network (twice)."""


def write_onnx(classifier: Classifier, file: Path) -> None:
    """Write the whole engine: uint8 ``pictures`` in, float32 ``logits`` and ``extent`` out, batch size free.

    Raises:
        OutputError: the file cannot be written.
    """
    classifier.eval()
    example = torch.randint(0, 256, (2, 3, HR_SIZE, HR_SIZE, 3), dtype=torch.uint8)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.onnx.export(
            classifier,
            (example,),
            str(file),
            input_names=["pictures"],
            output_names=["logits", "extent"],
            dynamic_axes={name: {0: "N"} for name in ("pictures", "logits", "extent")},
            opset_version=OPSET,
            dynamo=False,  # keeps the matrix products as they are written and the batch size free
        )
    except OSError as error:
        raise OutputError(f"{file}: cannot be written: {error.strerror}") from error


def write_calibration(
    file: Path,
    engine_sha256: str,
    temperature: float,
    threshold: float,
    points: Sequence[tuple[float, float, float]],
) -> None:
    """Write ``calibration/score/<engine>.toml``.

    Args:
        file: where.
        engine_sha256: digest of the network the figures belong to.
        temperature: the logits are divided by it.
        threshold: shipped operating point, on the probability of any event.
        points: (threshold, unmatched events a minute, recall of injected events).

    Raises:
        OutputError: the file cannot be written.
    """
    lines = [
        "# How the scores of this classifier are to be read; belongs to one network file.",
        f'engine_sha256 = "{engine_sha256}"',
        f"temperature = {temperature:.4f}",
        f"threshold = {threshold:.5f}",
    ]
    for at, alarms, recall in points:
        lines += ["", "[[operating_point]]", f"threshold = {at:.5f}"]
        lines += [f"far_per_minute = {alarms:.3f}", f"recall = {recall:.4f}"]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{file}: cannot be written: {error.strerror}") from error
