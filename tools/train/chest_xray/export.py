"""Write the trained chest X-ray classifier as one ONNX graph."""

import io
import warnings
from pathlib import Path

import onnx
import torch

from gateway.imaging.chest_xray import FINDINGS
from tools.train.chest_xray.layout import MAP_SIDE, SIZE
from tools.train.chest_xray.networks import Classifier

OPSET = 17
OUTPUTS = {
    "logits": (len(FINDINGS),),
    "activation_maps": (len(FINDINGS), MAP_SIDE, MAP_SIDE),
    "chest_logit": (1,),
}
"""Shapes without the batch axis, in the order of the graph's outputs."""


def export(classifier: Classifier, path: Path) -> None:
    """Write the classifier with float32 weights and a free batch size.

    Parameters
    ----------
    classifier
        The trained networks; set to evaluation here.
    path
        The file to write.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter through TorchScript is deprecated, but the new one needs onnxscript.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            classifier.eval(),
            (torch.zeros(1, 1, SIZE, SIZE),),
            buffer,
            input_names=["image"],
            output_names=list(OUTPUTS),
            dynamic_axes={name: {0: "N"} for name in ("image", *OUTPUTS)},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    for output in model.graph.output:
        _fix_shape(output, OUTPUTS[output.name])
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))


def _fix_shape(output: onnx.ValueInfoProto, shape: tuple[int, ...]) -> None:
    """Write the known lengths where the exporter left names."""
    for dimension, length in zip(output.type.tensor_type.shape.dim[1:], shape, strict=True):
        dimension.dim_value = length
