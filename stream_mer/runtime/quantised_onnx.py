"""Turns the shipped Q/DQ network into the forms that TensorRT wants: signed int8, or fp8.

The file has uint8 activations with zero point 128, because OpenVINO 2026.4 gives wrong pictures for
signed ones (27 dB where ONNX Runtime has 50 for the same file, measured on rrdb-light-x4). TensorRT wants
signed int8 with zero point 0. Both are the same arithmetic: the numbers are those minus 128.
"""

from __future__ import annotations

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

from stream_mer.errors import EngineError

MIDDLE = 128
E4M3_LARGEST, INT8_LARGEST = 448.0, 127.0
FP8_OPSET = 19
"""First ONNX opset whose Q/DQ know fp8."""


def signed_network(network: bytes) -> bytes:
    """The same Q/DQ network with signed activations and f32 biases; equal to the last bit.

    Raises:
        EngineError: an activation's zero point is not 128, or it is no Q/DQ network.
    """
    model = _loaded(network)
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for node in list(graph.node):
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        if node.op_type == "DequantizeLinear" and _kind(weights.get(node.input[0])) == TensorProto.INT32:
            _restore_bias(graph, node, weights)
            continue
        zero = weights.get(node.input[2])
        if zero is not None and zero.data_type == TensorProto.UINT8:
            values = numpy_helper.to_array(zero)
            if not np.all(values == MIDDLE):
                raise EngineError(
                    f"this Q/DQ network has zero point {values.tolist()}, TensorRT wants symmetric ranges"
                )
            name = f"{zero.name}_signed"
            if name not in weights:
                weights[name] = numpy_helper.from_array(np.zeros_like(values, np.int8), name)
                graph.initializer.append(weights[name])
            node.input[2] = name
    return _written(model)


def fp8_network(network: bytes) -> bytes:
    """The Q/DQ network with fp8 (e4m3) in place of int8, covering the same ranges.

    Weights go through int8 on their way, whose error is a quarter of fp8's own.

    Raises:
        EngineError: as ``signed_network``.
    """
    model = _loaded(signed_network(network))
    graph = model.graph
    for opset in model.opset_import:
        if opset.domain in ("", "ai.onnx"):
            opset.version = max(opset.version, FP8_OPSET)
    model.ir_version = max(model.ir_version, 9)
    weights = {tensor.name: tensor for tensor in graph.initializer}
    scales = {n.input[1] for n in graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")}
    kind = helper.tensor_dtype_to_np_dtype(TensorProto.FLOAT8E4M3FN)
    for name in scales:
        wider = numpy_helper.to_array(weights[name]) * np.float32(INT8_LARGEST / E4M3_LARGEST)
        weights[name].CopyFrom(numpy_helper.from_array(wider, name))
    for tensor in weights.values():
        if tensor.data_type == TensorProto.INT8:
            values = numpy_helper.to_array(tensor).astype(np.float32) * (E4M3_LARGEST / INT8_LARGEST)
            tensor.CopyFrom(numpy_helper.from_array(values.astype(kind), tensor.name))
    return _written(model)


def _loaded(network: bytes) -> onnx.ModelProto:
    try:
        model = onnx.load_model_from_string(network)
    except DecodeError as error:
        raise EngineError(f"this is no ONNX network: {error}") from error
    if not any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        raise EngineError("this network has no Q/DQ nodes: it was not calibrated")
    return model


def _kind(tensor: onnx.TensorProto | None) -> int:
    return TensorProto.UNDEFINED if tensor is None else int(tensor.data_type)


def _restore_bias(graph: onnx.GraphProto, node: onnx.NodeProto, weights: dict[str, onnx.TensorProto]) -> None:
    """TensorRT takes biases as they are: put the f32 values where the int32 ones were unpacked."""
    whole, scale = (numpy_helper.to_array(weights[name]) for name in node.input[:2])
    graph.initializer.append(numpy_helper.from_array((whole * scale).astype(np.float32), node.output[0]))
    graph.node.remove(node)


def _written(model: onnx.ModelProto) -> bytes:
    used = {name for node in model.graph.node for name in node.input}
    for tensor in [t for t in model.graph.initializer if t.name not in used]:
        model.graph.initializer.remove(tensor)
    onnx.checker.check_model(model)
    written: bytes = model.SerializeToString()
    return written
