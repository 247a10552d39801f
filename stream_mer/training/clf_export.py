"""Writes a trained classifier as an ONNX file."""

from __future__ import annotations

from pathlib import Path

import torch

from stream_mer.errors import OutputError
from stream_mer.training.clf_net import Classifier
from stream_mer.types import HR_SIZE

OPSET = 17
"""ONNX operator set: everything used here is in it, TensorRT reads it from 8.6 on."""
FLOW_GFLOP = 0.15
"""Arithmetic of one window's flow, in 10^9 operations (matrix products)."""
MEMBER_GFLOP = 0.05
"""... and of each member of the committee, which looks twice."""


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
