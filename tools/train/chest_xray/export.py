"""Write the trained chest X-ray classifier as one ONNX graph."""

from pathlib import Path

from gateway.imaging.chest_xray import FINDINGS
from tools.train.chest_xray.layout import MAP_SIDE, SIZE
from tools.train.chest_xray.networks import Classifier
from tools.train.graph import write_graph

OUTPUTS = {
    "logits": (len(FINDINGS),),
    "activation_maps": (len(FINDINGS), MAP_SIDE, MAP_SIDE),
    "chest_logit": (1,),
}
"""Shapes without the batch axis, in the order of the graph's outputs."""


def export(classifier: Classifier, path: Path) -> None:
    """Write the classifier with float32 weights and a free batch size."""
    write_graph(classifier, path, input_name="image", side=SIZE, outputs=OUTPUTS)
