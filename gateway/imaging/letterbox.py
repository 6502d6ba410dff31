"""Pictures of any shape in a network's square, and points back out of it."""

from typing import NamedTuple

import cv2
import numpy as np


class Placement(NamedTuple):
    """Where a picture lies in its square; continuous coordinates, the first pixel spans 0 to 1."""

    scale: float
    """Pixels of the square per pixel of the picture, the same in both directions."""
    left: float
    """Where the picture's left edge lies in the square, in pixels of the square."""
    top: float

    def to_square(self, points: np.ndarray) -> np.ndarray:
        """Map (..., 2) points (x, y) in pixels of the picture to pixels of the square."""
        return points * self.scale + (self.left, self.top)

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Map (..., 2) points (x, y) in pixels of the square to pixels of the picture."""
        return (points - (self.left, self.top)) / self.scale


def placement(width: int, height: int, side: int) -> Placement:
    """Centre a picture in a square, scaled uniformly until its longer side fits."""
    scale = side / max(width, height)
    return Placement(scale, (side - width * scale) / 2, (side - height * scale) / 2)


def letterbox(picture: np.ndarray, side: int) -> np.ndarray:
    """Place a picture in the centre of a black square.

    Parameters
    ----------
    picture
        (rows, columns) or (rows, columns, channels), any dtype that OpenCV warps.
    side
        Side of the square in pixels.

    Returns
    -------
    (side, side) or (side, side, channels), same dtype; outside the picture 0. Points follow by
    `placement(columns, rows, side)`.
    """
    rows, columns = picture.shape[:2]
    place = placement(columns, rows, side)
    if place.scale < 1:
        # Averaging first: a warp that shrinks by more than two would skip pixels.
        size = (max(1, round(columns * place.scale)), max(1, round(rows * place.scale)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    sx, sy = columns * place.scale / picture.shape[1], rows * place.scale / picture.shape[0]
    # OpenCV's coordinates have pixel centres at whole numbers, ours at halves.
    matrix = np.array([[sx, 0, place.left + sx / 2 - 0.5], [0, sy, place.top + sy / 2 - 0.5]])
    return cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_LINEAR)
