"""Write the five corner networks as one ONNX graph."""

from pathlib import Path

from gateway.imaging.vhs.network_input import INPUT_SIZE_PX
from tools.train.graph import write_graph
from tools.train.screen.networks import CORNERS, FiveFolds


def export(folds: FiveFolds, path: Path) -> None:
    """Write the folds with a free batch size; large weights lie in float16."""
    count = len(folds.folds)
    outputs = {
        "fold_corners": (count, CORNERS, 2),
        "fold_corner_peaks": (count, CORNERS),
        "fold_screen": (count,),
    }
    write_graph(folds, path, input_name="letterbox", side=INPUT_SIZE_PX, outputs=outputs, halved=True)
