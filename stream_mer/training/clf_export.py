"""Writes a trained classifier as an engine folder: ONNX file, manifest with its figures, calibration."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeAlias

import torch

from stream_mer.training.clf_net import Classifier, parameters
from stream_mer.types import HR_SIZE, LABELS

OPSET = 17
"""ONNX operator set: the first with everything used here, read by TensorRT 8.6 and later."""
GFLOP = 0.20
"""Arithmetic of one window, flow and network, counted by hand from the matrix sizes."""

Value: TypeAlias = "str | bool | int | float | Sequence[int | float | str]"
Tables: TypeAlias = Mapping[str, "Mapping[str, Value] | Value"]


def write_onnx(classifier: Classifier, file: Path) -> str:
    """Write the graph (batch size free) and return the file's sha256."""
    classifier.eval()
    example = torch.zeros((2, 3, HR_SIZE, HR_SIZE, 3), dtype=torch.uint8)
    example[:, 1, 40:80] = 90
    torch.onnx.export(
        classifier,
        (example,),
        str(file),
        input_names=["pictures"],
        output_names=["logits"],
        dynamic_axes={"pictures": {0: "n"}, "logits": {0: "n"}},
        opset_version=OPSET,
        dynamo=False,  # the older exporter keeps matrix products as they are written
    )
    return hashlib.sha256(file.read_bytes()).hexdigest()


def manifest(name: str, version: str, sha256: str, classifier: Classifier, training: Mapping[str, Value]) -> Tables:
    """The manifest's tables, without metrics."""
    return {
        "name": name,
        "task": "classification",
        "version": version,
        "file": "model.onnx",
        "sha256": sha256,
        "precision": "f32",
        "parameters": parameters(classifier),
        "gflop": GFLOP,
        "trained": True,
        "input": {
            "name": "pictures",
            "shape": [-1, 3, HR_SIZE, HR_SIZE, 3],
            "dtype": "uint8",
            "layout": "N3HWC: mean RGB picture before onset, at the apex, after offset",
        },
        "output": {"name": "logits", "shape": [-1, len(LABELS) + 1], "dtype": "float32", "labels": [*LABELS, "none"]},
        "preprocess": {
            "crop": "canonical 128x128, registered (core.tracking), cut by core.warp.sample",
            "normalise": "in the graph",
            "flow": "in the graph; run it in float32 (no bf16, fp16 or TF32): motions are 0.1 px",
        },
        "training": {**training, "date": datetime.now(tz=timezone.utc).date().isoformat()},
    }


def to_toml(tables: Tables) -> str:
    """A document of plain values and one level of tables, as TOML."""
    lines = [f"{key} = {_value(value)}" for key, value in tables.items() if not isinstance(value, Mapping)]
    for key, value in tables.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{key}]", *(f"{_key(k)} = {_value(v)}" for k, v in value.items())]
    return "\n".join(lines) + "\n"


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() else _value(key)


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    if isinstance(value, (int, float)):
        return repr(round(value, 5)) if isinstance(value, float) else str(value)
    return "[" + ", ".join(_value(v) for v in value) + "]"
