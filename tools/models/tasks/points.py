"""Points of several folds, as `vhs_landmarks` and `screen_corners` answer with."""

import numpy as np

from gateway.imaging.vhs.folds import consensus
from gateway.imaging.vhs.network_input import INPUT_SIZE_PX


def together(folds: np.ndarray) -> np.ndarray:
    """Give what the folds say together, in pixels of the square; (N, K, points, 2) to (N, points, 2)."""
    return np.stack([consensus(each.astype(np.float64)) * INPUT_SIZE_PX for each in folds])
