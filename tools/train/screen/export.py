"""Write the five corner networks as one ONNX graph."""

import io
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

from gateway.imaging.vhs.network_input import INPUT_SIZE_PX
from tools.train.screen.networks import CORNERS, FiveFolds

OPSET = 17


def export(folds: FiveFolds, path: Path) -> None:
    """Write the folds with a free batch size; weights are stored as float16 and used as float32.

    Parameters
    ----------
    folds
        The trained networks; set to evaluation here.
    path
        The file to write.
    """
    count = len(folds.folds)
    shapes = {
        "fold_corners": (count, CORNERS, 2),
        "fold_corner_peaks": (count, CORNERS),
        "fold_screen": (count,),
    }
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter through TorchScript is deprecated, but the new one needs onnxscript.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            folds.eval(),
            (torch.zeros(1, 1, INPUT_SIZE_PX, INPUT_SIZE_PX),),
            buffer,
            input_names=["letterbox"],
            output_names=list(shapes),
            dynamic_axes={name: {0: "N"} for name in ("letterbox", *shapes)},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    for output in model.graph.output:
        dimensions = output.type.tensor_type.shape.dim[1:]
        for dimension, length in zip(dimensions, shapes[output.name], strict=True):
            dimension.dim_value = length
    _halve(model.graph)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))


def _halve(graph: onnx.GraphProto) -> None:
    """Store large weights as float16, each with a cast that runtimes fold away when they load the graph."""
    casts = []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < 1024:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))
    for cast in reversed(casts):
        graph.node.insert(0, cast)
