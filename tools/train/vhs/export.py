"""Write the trained landmark network as one ONNX graph."""

import io
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

from tools.train.vhs.layout import FOLDS, POINTS, SIDE
from tools.train.vhs.networks import LandmarkNetwork

OPSET = 17
OUTPUTS = {
    "fold_landmarks": (FOLDS, POINTS, 2),
    "fold_peaks": (FOLDS, POINTS),
    "fold_validity": (FOLDS,),
}
"""Shapes without the batch axis, in the order of the graph's outputs."""
_SMALL = 1024
"""Values up to which a tensor is left in float32."""


def export(network: LandmarkNetwork, path: Path) -> None:
    """Write the network with a free batch size; large weights lie in float16 and are computed in float32.

    Parameters
    ----------
    network
        The trained network; set to evaluation here.
    path
        The file to write.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter through TorchScript is deprecated, but the new one needs onnxscript.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (torch.zeros(1, 1, SIDE, SIDE),),
            buffer,
            input_names=["letterbox"],
            output_names=list(OUTPUTS),
            dynamic_axes={name: {0: "N"} for name in ("letterbox", *OUTPUTS)},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    for output in model.graph.output:
        _fix_shape(output, OUTPUTS[output.name])
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
