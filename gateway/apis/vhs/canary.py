"""The known picture that the canary sends."""

import functools

import numpy as np

from gateway.imaging.png import encode_png

SIDE_PX = 64


@functools.cache
def canary_picture() -> bytes:
    """Draw the picture: a bright bar and a bright disc on grey, 64 by 64 pixels, as PNG."""
    rows, columns = np.mgrid[:SIDE_PX, :SIDE_PX]
    picture = np.full((SIDE_PX, SIDE_PX), 60, np.uint8)
    picture[8:16] = 200
    picture[np.hypot(rows - 40, columns - 32) < 14] = 160
    return encode_png(picture)
