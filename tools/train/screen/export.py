"""Write the five corner networks as one ONNX graph, and the sides' network as another."""

from pathlib import Path

from gateway.imaging.screen.sides import PLACES, SIDES
from gateway.imaging.screen.view import VIEW_PX
from gateway.imaging.vhs.network_input import INPUT_SIZE_PX
from tools.train.graph import write_graph
from tools.train.screen.networks import CORNERS, FiveFolds
from tools.train.screen.side_network import ShippedSides, SideNetwork


def export(folds: FiveFolds, path: Path) -> None:
    """Write the folds with a free batch size; large weights lie in float16."""
    count = len(folds.folds)
    outputs = {
        "fold_corners": (count, CORNERS, 2),
        "fold_corner_peaks": (count, CORNERS),
        "fold_screen": (count,),
    }
    write_graph(folds, path, input_name="letterbox", side=INPUT_SIZE_PX, outputs=outputs, halved=True)


def export_sides(network: SideNetwork, path: Path) -> None:
    """Write the sides' network with a free batch size; large weights lie in float16."""
    outputs = {"side_places": (SIDES, PLACES, VIEW_PX), "view_screen": ()}
    write_graph(ShippedSides(network), path, input_name="view", side=VIEW_PX, outputs=outputs, halved=True)
