"""An ONNX graph in half precision from its first convolution to its last.

TensorRT types an engine as its graph is typed, TensorRT 11 in no other way, so precision goes into the graph.
What normalises the input before the first convolution, and what decodes after the last, stays in float32:
float16 knows a coordinate of 512 pixels to half a pixel. So do sums and normalisations in between.

onnxconverter-common 1.16 would do this with a list of nodes to leave alone, but rounds what goes from one of
those to several others to float16 all the same.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from gateway.triton.networks.engine import EngineUnfit

CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})
EXACT = frozenset(
    {
        "ReduceMean", "ReduceSum", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp", "CumSum",
        "InstanceNormalization", "GroupNormalization", "LayerNormalization", "LpNormalization",
        "Softmax", "LogSoftmax", "Exp", "Log", "Pow", "Sqrt", "Reciprocal", "Range", "Cast",
    }
)  # fmt: skip
"""What adds up many values, or leaves the range of float16, also between convolutions."""
DATA_INPUTS = {"Resize": 1, "Upsample": 1}
"""How many inputs follow the data's type, where not all do: scales are float32 in any case."""


class NotHalved(EngineUnfit):
    """The graph has what this cannot convert."""


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """Convert a graph; its inputs and outputs keep their types.

    Raises
    ------
    NotHalved
        A node holds a graph of its own, or the graph has no convolution.
    """
    model = unpacked(model)
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    graph = model.graph
    if any(attribute.type == AttributeProto.GRAPH for node in graph.node for attribute in node.attribute):
        raise NotHalved("a node of the graph holds a graph of its own")
    body = _body(graph)
    if not body:
        raise NotHalved("the graph has no convolution")
    nodes = list(_Typing(graph, body).nodes())
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.value_info[:]  # tells the types from before
    onnx.checker.check_model(model, full_check=True)
    return model


def unpacked(model: onnx.ModelProto) -> onnx.ModelProto:
    """Turn weights that are stored as float16 with a cast into float32 ones; nothing else changes."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    casts = [node for node in graph.node if _is_weight_cast(node, stored)]
    for node in casts:
        weights = numpy_helper.to_array(stored[node.input[0]]).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(weights, node.output[0]))
        graph.node.remove(node)
    _drop_unused(graph)
    return copy


def _is_weight_cast(node: onnx.NodeProto, stored: dict[str, TensorProto]) -> bool:
    return (
        node.op_type == "Cast"
        and node.input[0] in stored
        and stored[node.input[0]].data_type == TensorProto.FLOAT16
        and node.attribute[0].i == TensorProto.FLOAT
    )


def _drop_unused(graph: onnx.GraphProto) -> None:
    used = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _body(graph: onnx.GraphProto) -> set[int]:
    """Give the numbers of the nodes from the first convolution to the last: behind one, and before one."""
    behind = _reached(list(enumerate(graph.node)), backwards=False)
    before = _reached(list(enumerate(graph.node))[::-1], backwards=True)
    return {
        number
        for number in behind & before
        if graph.node[number].op_type not in EXACT and graph.node[number].op_type != "Constant"
    }


def _reached(nodes: Iterable[tuple[int, onnx.NodeProto]], *, backwards: bool) -> set[int]:
    """Give the numbers of the convolutions and of all that hangs on one; nodes come in topological order."""
    tensors: set[str] = set()
    found = set()
    for number, node in nodes:
        entry, other = (node.output, node.input) if backwards else (node.input, node.output)
        if node.op_type in CONVOLUTIONS or tensors & set(entry):
            tensors |= set(other)
            found.add(number)
    return found


class _Typing:
    """Writes a graph's nodes anew, with casts where body and rest meet."""

    def __init__(self, graph: onnx.GraphProto, body: set[int]) -> None:
        self._graph = graph
        self._body = body
        self._weights = {tensor.name: tensor for tensor in graph.initializer}
        self._floats = _float_tensors(graph)
        self._halves: set[str] = set()
        self._outside = {
            name
            for number, node in enumerate(graph.node)
            for index, name in enumerate(node.input)
            if number not in body or not _follows(node, index)
        } | {value.name for value in graph.output}

    def nodes(self) -> Iterator[onnx.NodeProto]:
        """Yield the nodes in order."""
        for number, node in enumerate(list(self._graph.node)):
            if number in self._body:
                yield from self._in_half(node)
            else:
                yield node
        _drop_unused_weights(self._graph, self._weights, self._outside)

    def _in_half(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        for index, name in enumerate(node.input):
            if name in self._floats and _follows(node, index):
                yield from self._made_half(name)
                node.input[index] = _half(name)
        floats = [(index, name) for index, name in enumerate(node.output) if name in self._floats]
        for index, name in floats:
            node.output[index] = _half(name)
            self._halves.add(name)
        yield node
        for _, name in floats:
            if name in self._outside:
                yield helper.make_node(
                    "Cast", [_half(name)], [name], name=f"{name}.full", to=TensorProto.FLOAT
                )

    def _made_half(self, name: str) -> Iterator[onnx.NodeProto]:
        """Make the tensor in half precision, once: a weight is converted, anything else cast."""
        if name in self._halves:
            return
        self._halves.add(name)
        if name in self._weights:
            weights = numpy_helper.to_array(self._weights[name])
            self._graph.initializer.append(numpy_helper.from_array(_to_half(weights), _half(name)))
        else:
            yield helper.make_node(
                "Cast", [name], [_half(name)], name=f"{name}.halved", to=TensorProto.FLOAT16
            )


def _follows(node: onnx.NodeProto, index: int) -> bool:
    """Whether an input of a node in half precision is in half precision, too."""
    return index < DATA_INPUTS.get(node.op_type, len(node.input))


def _to_half(weights: np.ndarray) -> np.ndarray:
    largest = np.abs(weights).max(initial=0.0)
    if largest > np.finfo(np.float16).max:
        raise NotHalved(f"a weight of {largest:g} does not fit into float16")
    return weights.astype(np.float16)


def _half(name: str) -> str:
    return f"{name}.half"


def _float_tensors(graph: onnx.GraphProto) -> set[str]:
    values = [*graph.input, *graph.output, *graph.value_info]
    typed = {value.name for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT}
    return typed | {tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}


def _drop_unused_weights(graph: onnx.GraphProto, weights: dict[str, TensorProto], outside: set[str]) -> None:
    """Leave out the float32 weights that only the body reads, now in half precision."""
    for name, tensor in weights.items():
        if tensor.data_type == TensorProto.FLOAT and name not in outside:
            graph.initializer.remove(tensor)
