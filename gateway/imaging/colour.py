"""How much of a picture has a colour: phones photograph in colour, what leaves an X-ray system is grey."""

import cv2
import numpy as np

BLOCK_PX = 8
"""Side of the blocks that are averaged first: a camera's noise has colours as well."""
COLOURED_FROM = 5
"""Levels of 255 between a block's strongest and weakest channel, from which it has a colour."""


def coloured_share(pixels: np.ndarray) -> float:
    """Give the share of a picture's blocks that have a colour, 0 to 1.

    Parameters
    ----------
    pixels
        uint8 (rows, columns, 3).
    """
    rows, columns = (max(length // BLOCK_PX, 1) for length in pixels.shape[:2])
    blocks = cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA)
    return float((np.ptp(blocks, axis=2) >= COLOURED_FROM).mean())
