"""A network that is nothing but products of large matrices, in every precision: what a device can reach.

The bound of an engine is what this network reaches, through the same library and in the same precision, over
the engine's own operations.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from stream_mer.runtime.quantised_onnx import INT8_LARGEST, MIDDLE, fp8_network, signed_network
from stream_mer.runtime.typed_onnx import typed_network

SPREAD = 5.0
"""Largest value that the int8 form can hold: five standard deviations of what is multiplied."""


def typed_products(size: int, products: int, precision: str) -> bytes:
    """The network as a plan of that precision is built from.

    Raises:
        EngineError: no such precision.
    """
    if precision not in ("int8", "fp8"):
        return typed_network(product_network(size, products), precision)
    lower = signed_network if precision == "int8" else fp8_network
    return typed_network(lower(product_network(size, products, quantised=True)), "f32")


def product_network(size: int, products: int, *, quantised: bool = False) -> bytes:
    """A chain of products whose matrices never cross the bus: one number in, one number out, in f32.

    Args:
        size: of the square matrices.
        products: one after another.
        quantised: with Q/DQ nodes before every product, as in an engine's int8 copy.
    """
    matrix = np.random.default_rng(0).standard_normal((size, size), np.float32) / np.float32(size) ** 0.5
    nodes = [
        helper.make_node(
            "ReduceMean", ["seed"], ["factor"], keepdims=0
        ),  # known at run time only: no folding
        helper.make_node("Mul", ["matrix", "factor"], ["x0"]),
        helper.make_node("ReduceMax", [f"x{products}"], ["largest"], keepdims=1),
        helper.make_node("Add", ["largest", "seed"], ["peak"]),
    ]
    multiply = _quantised_product if quantised else _plain_product
    nodes[2:2] = [node for step in range(products) for node in multiply(step)]
    weights = {"matrix": matrix} | (_quantised(matrix) if quantised else {})
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 1]) for n in ("seed", "peak")]
    graph = helper.make_graph(
        nodes, "products", values[:1], values[1:], [numpy_helper.from_array(v, k) for k, v in weights.items()]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    written: bytes = model.SerializeToString()
    return written


def _plain_product(step: int) -> list[onnx.NodeProto]:
    return [helper.make_node("Gemm", [f"x{step}", "matrix"], [f"x{step + 1}"])]


def _quantised_product(step: int) -> list[onnx.NodeProto]:
    levels, rounded, weight = f"levels{step}", f"rounded{step}", f"weight{step}"
    return [
        helper.make_node("QuantizeLinear", [f"x{step}", "scale", "zero"], [levels]),
        helper.make_node("DequantizeLinear", [levels, "scale", "zero"], [rounded]),
        helper.make_node("DequantizeLinear", ["weight", "weight_scale", "weight_zero"], [weight]),
        helper.make_node("MatMul", [rounded, weight], [f"x{step + 1}"]),
    ]


def _quantised(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """Weights as int8, activations as uint8 around the middle: the form of the shipped int8 copies."""
    scale = np.float32(np.abs(matrix).max() / INT8_LARGEST)
    # A product of two such matrices has the deviation of either, so one scale fits all of them.
    return {
        "scale": np.array(SPREAD * matrix.std() / INT8_LARGEST, np.float32),
        "zero": np.array(MIDDLE, np.uint8),
        "weight": np.clip(np.rint(matrix / scale), -INT8_LARGEST, INT8_LARGEST).astype(np.int8),
        "weight_scale": np.array(scale, np.float32),
        "weight_zero": np.array(0, np.int8),
    }
