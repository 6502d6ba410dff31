"""A trained network as an ONNX graph."""

import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import nn

OPSET = 17
_SMALL = 1024
"""Values up to which a tensor is never halved."""


def write_graph(
    network: nn.Module,
    path: Path,
    *,
    input_name: str,
    side: int,
    outputs: Mapping[str, tuple[int, ...]],
    halved: bool = False,
) -> None:
    """Write a network of one grey square with a free batch size.

    Parameters
    ----------
    network
        The trained network; set to evaluation here.
    path
        The file to write.
    side
        Of the square, in pixels.
    outputs
        Shapes without the batch axis by name, in the network's order.
    halved
        Store large weights as float16; they are computed with as float32 all the same.
    """
    export_graph(
        network,
        path,
        inputs={input_name: torch.zeros(1, 1, side, side)},
        outputs=list(outputs),
        free_axes={name: {0: "N"} for name in (input_name, *outputs)},
        fixed_shapes=outputs,
        halved=halved,
    )


def export_graph(
    network: nn.Module,
    path: Path,
    *,
    inputs: Mapping[str, torch.Tensor],
    outputs: Sequence[str],
    free_axes: Mapping[str, Mapping[int, str]],
    fixed_shapes: Mapping[str, tuple[int, ...]] | None = None,
    halved: bool = False,
) -> None:
    """Write a network as a graph.

    Parameters
    ----------
    network
        The trained network; set to evaluation here.
    path
        The file to write.
    inputs
        Examples by name, in the network's order.
    outputs
        Names, in the network's order.
    free_axes
        By name of a tensor, the names of its axes whose length is free.
    fixed_shapes
        Shapes of outputs after the first axis, where the exporter would not find them.
    halved
        Store large weights as float16; they are computed with as float32 all the same.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter through TorchScript is deprecated, but the new one needs onnxscript.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            tuple(inputs.values()),
            buffer,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: dict(axes) for name, axes in free_axes.items()},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    for output in model.graph.output:
        if fixed_shapes and output.name in fixed_shapes:
            _fix_shape(output, fixed_shapes[output.name])
    if halved:
        _halve(model.graph)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))


def _fix_shape(output: onnx.ValueInfoProto, shape: tuple[int, ...]) -> None:
    """Write the known lengths where the exporter left names."""
    for dimension, length in zip(output.type.tensor_type.shape.dim[1:], shape, strict=True):
        dimension.dim_value = length


def _halve(graph: onnx.GraphProto) -> None:
    """Store large weights in half the bytes, each with a cast that ONNX Runtime does once, on loading."""
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size > _SMALL:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
            casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
