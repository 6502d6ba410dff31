"""The grey levels that a picture's own pixels lie between."""

import cv2
import numpy as np

SHARES = (0.01, 0.99)
"""Of the pixels; what is darker than the first is black, what is brighter than the second white."""


def grey_window(picture: np.ndarray) -> tuple[int, int]:
    """Give the levels below which 1 % and 99 % of a picture's pixels lie.

    Parameters
    ----------
    picture
        uint8 or uint16, (rows, columns).
    """
    levels = int(np.iinfo(picture.dtype).max) + 1
    counts = cv2.calcHist([picture], [0], None, [levels], [0, levels])[:, 0]
    shares = np.cumsum(counts, dtype=np.float64) / picture.size
    lower, upper = np.searchsorted(shares, SHARES)
    return int(lower), int(min(upper, levels - 1))
