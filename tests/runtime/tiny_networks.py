"""Networks of a few kilobytes for the tests of the runtime, built with ``onnx.helper``."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from stream_mer.runtime.schema import Manifest, TensorSpec, Training

SR_INPUT = TensorSpec("lr", (None, 32, 32, 3), "uint8", "NHWC")
SR_OUTPUT = TensorSpec("sr", (None, 128, 128, 3), "uint8", "NHWC")
CLASSIFIER_INPUT = TensorSpec("pictures", (None, 3, 128, 128, 3), "uint8")
CLASSIFIER_OUTPUT = TensorSpec("logits", (None, 6), "float32")
ORIGIN = Training(data="noise", licence="CC0-1.0", command="python nothing.py --seed 1", seed=1, steps=10)


def _constant(name: str, values: np.ndarray) -> onnx.TensorProto:
    return numpy_helper.from_array(values, name)


def super_resolver(seed: int = 0, shift: float = 0.0) -> bytes:
    """uint8 NHWC in and out, two convolutions and a depth-to-space: nearest x4 plus some texture.

    ``shift`` is added to every picture, in grey levels: a network that gives other numbers.
    """
    rng = np.random.default_rng(seed)
    first = rng.normal(0, 0.15, (16, 3, 3, 3)).astype(np.float32)
    second = rng.normal(0, 0.03, (48, 16, 3, 3)).astype(np.float32)
    for colour in range(3):  # the colours pass through unchanged, to each of the 16 sub-pixels
        first[colour] = 0.0
        first[colour, colour, 1, 1] = 1.0
        second[colour * 16 : (colour + 1) * 16, colour, 1, 1] += 1.0
    nodes = [
        helper.make_node("Cast", ["lr"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["levels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["planes", "to_unit"], ["unit"]),
        helper.make_node("Conv", ["unit", "first"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("LeakyRelu", ["a"], ["b"], alpha=0.2),
        helper.make_node("Conv", ["b", "second"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("DepthToSpace", ["c"], ["d"], blocksize=4, mode="CRD"),
        helper.make_node("Mul", ["d", "to_level"], ["e"]),
        helper.make_node("Add", ["e", "shift"], ["f"]),
        helper.make_node("Round", ["f"], ["g"]),
        helper.make_node("Clip", ["g", "low", "high"], ["h"]),
        helper.make_node("Transpose", ["h"], ["i"], perm=[0, 2, 3, 1]),
        helper.make_node("Cast", ["i"], ["sr"], to=TensorProto.UINT8),
    ]
    scalars = {"to_unit": 1 / 255, "to_level": 255.0, "shift": shift, "low": 0.0, "high": 255.0}
    constants = [_constant(name, np.array(value, dtype=np.float32)) for name, value in scalars.items()]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("lr", TensorProto.UINT8, ["n", 32, 32, 3])],
        [helper.make_tensor_value_info("sr", TensorProto.UINT8, ["n", 128, 128, 3])],
        [*constants, _constant("first", first), _constant("second", second)],
    )
    return _serialised(graph)


def classifier(seed: int = 0) -> bytes:
    """uint8 (N, 3, 128, 128, 3) to float32 (N, 6): means of the pictures through one matrix."""
    rng = np.random.default_rng(seed)
    nodes = [
        helper.make_node("Cast", ["pictures"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["levels"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Mul", ["means", "to_unit"], ["unit"]),
        helper.make_node("Reshape", ["unit", "flat"], ["features"]),
        helper.make_node("MatMul", ["features", "weights"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["n", 3, 128, 128, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 6])],
        [
            _constant("to_unit", np.array(1 / 255, dtype=np.float32)),
            _constant("flat", np.array([-1, 9], dtype=np.int64)),
            _constant("weights", rng.normal(0, 3, (9, 6)).astype(np.float32)),
        ],
    )
    return _serialised(graph)


def _serialised(graph: onnx.GraphProto) -> bytes:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def install(
    root: Path,
    name: str,
    network: bytes,
    *,
    task: str = "super-resolution",
    metrics: dict[str, float] | None = None,
) -> Manifest:
    """Put a network into ``root/name`` and return its manifest, which is not written."""
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(network)
    pictures = task == "super-resolution"
    return Manifest(
        name=name,
        task=task,
        version="1",
        inputs=SR_INPUT if pictures else CLASSIFIER_INPUT,
        outputs=(SR_OUTPUT if pictures else CLASSIFIER_OUTPUT,),
        training=ORIGIN,
        file="model.onnx",
        sha256=sha256(network).hexdigest(),
        metrics=metrics or {},
        folder=folder,
    )


def pictures(count: int, seed: int = 0, shape: tuple[int, ...] = (32, 32, 3)) -> np.ndarray:
    """``count`` random uint8 pictures."""
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)
