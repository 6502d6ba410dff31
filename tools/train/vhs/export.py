"""Write the trained landmark network as one ONNX graph."""

from pathlib import Path

from tools.train.graph import write_graph
from tools.train.vhs.layout import FOLDS, POINTS, SIDE
from tools.train.vhs.networks import LandmarkNetwork

OUTPUTS = {
    "fold_landmarks": (FOLDS, POINTS, 2),
    "fold_peaks": (FOLDS, POINTS),
    "fold_validity": (FOLDS,),
}
"""Shapes without the batch axis, in the order of the graph's outputs."""


def export(network: LandmarkNetwork, path: Path) -> None:
    """Write the network with a free batch size; large weights lie in float16."""
    write_graph(network, path, input_name="letterbox", side=SIDE, outputs=OUTPUTS, halved=True)
