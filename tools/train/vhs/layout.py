"""Sizes that the network, its training and its graph share."""

from gateway.imaging.vhs.folds import FOLDS
from gateway.imaging.vhs.landmarks import LANDMARKS
from gateway.imaging.vhs.network_input import INPUT_SIZE_PX

SIDE = INPUT_SIZE_PX
"""Side of the square that the network sees."""
CELL_PX = 4
"""Pixels of the square per cell of a landmark's map."""
POINTS = len(LANDMARKS)
EDGES = 14
"""Cranial edges of vertebrae, T1 to L1: they teach counting, and tell how long a vertebra is."""
OUTLINE = 25
"""Points of the heart's outline, which teaches where it ends."""
GUIDE_CELL_PX = 8
"""Pixels of the square per cell of the maps of the heart and the edges."""

__all__ = ["CELL_PX", "EDGES", "FOLDS", "GUIDE_CELL_PX", "OUTLINE", "POINTS", "SIDE"]
