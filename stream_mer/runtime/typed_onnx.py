"""Rewrites a network so that every tensor's type stands in the file, which is all TensorRT goes by.

TensorRT from 11 on is strongly typed: it computes in the types the ONNX says and nothing else, so a
half-precision plan needs a half-precision file. uint8 goes in and out as before; TensorRT wants the
casts from and to uint8 directly at the borders. What lies before the first convolution (scaling, the
classifier's optical flow: motions of 0.1 px) and after the last one (residual of the picture, rounding)
stays in f32.
"""

from __future__ import annotations

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

from stream_mer.errors import EngineError

TYPES: dict[str, int] = {"f32": TensorProto.FLOAT, "fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
"""Precisions that casts alone can make, and ONNX's name for their elements."""

WEIGHTED = ("Conv", "ConvTranspose", "Gemm")
"""What the low-precision region is bounded by, and what costs the time."""

FIRST_INPUT_ONLY = ("Resize", "Reshape", "Slice", "Pad", "Squeeze", "Unsqueeze", "Gather", "Expand", "Tile")
"""Their other inputs are shapes, indices or scales with a type of their own."""

MOVERS = ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity")
"""They move values without computing, so a cast may be done on either side."""


def typed_network(network: bytes, precision: str) -> bytes:
    """A copy of ``network`` that says for every tensor what TensorRT shall compute it in.

    Args:
        network: ONNX with f32 weights, uint8 or f32 inputs and outputs. A file that holds Q/DQ nodes
            keeps them and takes ``f32``.
        precision: ``f32``, ``fp16`` or ``bf16``.

    Returns:
        ONNX that every runtime can still load, with the same inputs and outputs.

    Raises:
        EngineError: not ONNX, another precision, or nothing in it to make smaller.
    """
    if precision not in TYPES:
        raise EngineError(f"no typed network in {precision!r}; casts can make {', '.join(TYPES)}")
    try:
        model = onnx.load_model_from_string(network)
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, DecodeError) as error:
        raise EngineError(f"this is no ONNX network: {str(error).splitlines()[0]}") from error
    graph = model.graph
    _constants_to_initializers(graph)
    _cast_inputs_first(graph)
    _cast_outputs_last(graph)
    if precision != "f32":
        _lower(model, TYPES[precision])
    _drop_unused(graph)
    del graph.value_info[:]
    onnx.checker.check_model(model)
    written: bytes = model.SerializeToString()
    return written


def _constants_to_initializers(graph: onnx.GraphProto) -> None:
    for node in [n for n in graph.node if n.op_type == "Constant" and n.attribute[0].name == "value"]:
        tensor = onnx.TensorProto()
        tensor.CopyFrom(node.attribute[0].t)
        tensor.name = node.output[0]
        graph.initializer.append(tensor)
        graph.node.remove(node)


def _element_type(value: onnx.ValueInfoProto) -> int:
    found: int = value.type.tensor_type.elem_type
    return found


def _cast_inputs_first(graph: onnx.GraphProto) -> None:
    """Every uint8 input goes through one cast to f32 and nothing else."""
    for value in graph.input:
        if _element_type(value) != TensorProto.UINT8:
            continue
        raised = f"{value.name}_f32"
        for node in graph.node:
            if node.input and node.input[0] == value.name:
                node.input[0] = raised
        # The old cast, further down, now meets f32 and does nothing; TensorRT folds it.
        graph.node.insert(0, helper.make_node("Cast", [value.name], [raised], raised, to=TensorProto.FLOAT))


def _cast_outputs_last(graph: onnx.GraphProto) -> None:
    """Every uint8 output comes straight out of a cast from f32."""
    for value in graph.output:
        if _element_type(value) != TensorProto.UINT8:
            continue
        makers = {node.output[0]: node for node in graph.node}
        movers, node = [], makers[value.name]
        while node.op_type in MOVERS:
            movers.append(node)
            node = makers[node.input[0]]
        if node.op_type != "Cast" or not movers:
            continue  # already last, or TensorRT's own parser will say what is wrong
        node.attribute[0].i = TensorProto.FLOAT
        movers[0].output[0] = f"{value.name}_f32"
        last = helper.make_node("Cast", [f"{value.name}_f32"], [value.name], f"{value.name}_u8")
        last.attribute.append(helper.make_attribute("to", TensorProto.UINT8))
        graph.node.append(last)


def _region(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Nodes after the first weighted layer on which a later one depends, weighted layers included."""
    ends = [i for i, node in enumerate(graph.node) if node.op_type in WEIGHTED]
    if not ends:
        raise EngineError("no convolution in this network: nothing would become faster in half precision")
    after: set[str] = set(graph.node[ends[0]].output)
    for node in graph.node[ends[0] :]:
        if any(name in after for name in node.input):
            after.update(node.output)
    before: set[str] = {name for i in ends for name in graph.node[i].output}
    inside = []
    for node in reversed(graph.node):
        if any(name in before for name in node.output):
            before.update(node.input)
            if any(name in after for name in node.output):
                inside.append(node)
    return inside[::-1]


def _lower(model: onnx.ModelProto, element: int) -> None:
    """Compute the region between first and last weighted layer in ``element``."""
    graph, floats = model.graph, _float_tensors(model)
    inside = _region(graph)
    made = {name for node in inside for name in node.output if name in floats}
    weights = {tensor.name: tensor for tensor in graph.initializer}
    lowered: dict[str, str] = {}
    casts: dict[str, onnx.NodeProto] = {}
    for node in inside:
        count = 1 if node.op_type in FIRST_INPUT_ONLY else len(node.input)
        for slot in range(count):
            name = node.input[slot]
            if name in made or name not in floats:
                continue
            if name not in lowered:
                lowered[name] = f"{name}_low"
                if name in weights:
                    graph.initializer.append(_converted(weights[name], element, lowered[name]))
                else:
                    casts[name] = helper.make_node("Cast", [name], [lowered[name]], lowered[name], to=element)
            node.input[slot] = lowered[name]
        if node.op_type == "Cast" and node.output[0] in made:
            node.attribute[0].i = element
    _raise_outputs(graph, inside, made, casts)
    chosen = {id(node) for node in inside}
    for name in sorted(made):
        readers = [node for node in graph.node if id(node) not in chosen and name in node.input]
        if readers:
            casts[name] = helper.make_node(
                "Cast", [name], [f"{name}_f32"], f"{name}_f32", to=TensorProto.FLOAT
            )
            for node in readers:
                for slot, read in enumerate(node.input):
                    if read == name:
                        node.input[slot] = f"{name}_f32"
    _insert(graph, list(casts.values()))


def _raise_outputs(
    graph: onnx.GraphProto, inside: list[onnx.NodeProto], made: set[str], casts: dict[str, onnx.NodeProto]
) -> None:
    """Outputs that come straight from a weighted layer stay f32 under their own name, behind a cast."""
    for name in [value.name for value in graph.output if value.name in made]:
        low = f"{name}_low"
        made.remove(name)
        made.add(low)
        for node in inside:
            for names in (node.input, node.output):
                for slot, old in enumerate(names):
                    if old == name:
                        names[slot] = low
        casts[f"{low} out"] = helper.make_node("Cast", [low], [name], f"{name}_f32", to=TensorProto.FLOAT)


def _float_tensors(model: onnx.ModelProto) -> set[str]:
    """Names of all f32 tensors: inferred, because exporters do not write them all down."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    values = [*inferred.value_info, *inferred.input, *inferred.output]
    found = {value.name for value in values if _element_type(value) == TensorProto.FLOAT}
    return found | {t.name for t in inferred.initializer if t.data_type == TensorProto.FLOAT}


def _converted(tensor: onnx.TensorProto, element: int, name: str) -> onnx.TensorProto:
    values = np.asarray(numpy_helper.to_array(tensor), np.float32)
    kind = helper.tensor_dtype_to_np_dtype(element)
    return numpy_helper.from_array(values.astype(kind), name)


def _insert(graph: onnx.GraphProto, casts: list[onnx.NodeProto]) -> None:
    """Put each cast directly after the node that makes what it reads (ONNX wants makers first)."""
    waiting: dict[str, list[onnx.NodeProto]] = {}
    for cast in casts:
        waiting.setdefault(cast.input[0], []).append(cast)
    ordered = [cast for value in graph.input for cast in waiting.pop(value.name, [])]
    for node in graph.node:
        ordered.append(node)
        ordered += [cast for name in node.output for cast in waiting.pop(name, [])]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in ordered]
    del graph.node[:]
    graph.node.extend(copies)


def _drop_unused(graph: onnx.GraphProto) -> None:
    used = {name for node in graph.node for name in node.input}
    for tensor in [t for t in graph.initializer if t.name not in used]:
        graph.initializer.remove(tensor)
