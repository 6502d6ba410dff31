"""A picture to the network's input: one window, one square."""

import numpy as np
from numpy.typing import NDArray

from gateway.imaging.grey_window import grey_window
from gateway.imaging.letterbox import letterbox

INPUT_SIZE_PX = 512
"""Side of the network's square input; a contract test holds it against the graph."""


def network_input(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Window a picture by its own grey levels and place it in the network's square.

    Parameters
    ----------
    picture
        uint8 (rows, columns), air dark, bone bright.

    Returns
    -------
    float32 (1, INPUT_SIZE_PX, INPUT_SIZE_PX) in [0, 1]; the padding is 0. Points follow by
    `letterbox.placement(columns, rows, INPUT_SIZE_PX)`.
    """
    lower, upper = grey_window(picture)
    square = letterbox(picture, INPUT_SIZE_PX).astype(np.float32)
    square -= lower
    square *= np.float32(1 / max(upper - lower, 1))
    return np.asarray(square.clip(0, 1)[np.newaxis], np.float32)
