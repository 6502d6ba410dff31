"""A photographed screen straightened, in the size that the public contract's example shows."""

import cv2
import numpy as np

from gateway.imaging.errors import ImageError
from gateway.imaging.screen.quad import edge_lengths, is_convex, signed_area

SIDE_PX = (16, 4096)
"""Bounds of a rectified picture's sides."""
GIVEN_AREA_MIN = 0.005
"""Share of the picture that corners from outside must enclose."""
GIVEN_OUTSIDE = 0.1
"""How far outside they may lie, in sides of the picture."""


class InvalidCorners(ImageError):
    """The corners given are not those of a photographed screen."""


def checked_corners(corners: object, width: int, height: int) -> np.ndarray:
    """Take corners that came from outside.

    Parameters
    ----------
    corners
        Expected: four pairs of finite numbers, clockwise around a convex quadrilateral that encloses at
        least 0.5 % of the picture, none more than 10 % of a side outside.
    width, height
        Of the picture, upright.

    Returns
    -------
    float64 (4, 2).

    Raises
    ------
    InvalidCorners
        They are not; the message says which it was.
    """
    points = _numbers(corners)
    share = points / (width, height)
    if (share < -GIVEN_OUTSIDE).any() or (share > 1 + GIVEN_OUTSIDE).any():
        raise InvalidCorners("corners: one lies more than 10 % outside the picture")
    if not is_convex(points):
        raise InvalidCorners("corners: expected clockwise around a convex quadrilateral, TL, TR, BR, BL")
    if signed_area(points) < GIVEN_AREA_MIN * width * height:
        raise InvalidCorners("corners: expected to enclose at least 0.5 % of the picture")
    return points


def _numbers(corners: object) -> np.ndarray:
    pairs = corners if isinstance(corners, list | tuple) else ()
    if len(pairs) != 4 or not all(_is_pair(pair) for pair in pairs):
        raise InvalidCorners("corners: expected four pairs of numbers [x, y]")
    points = np.array(pairs, np.float64)
    if not np.isfinite(points).all():
        raise InvalidCorners("corners: expected finite numbers")
    return points


def _is_pair(pair: object) -> bool:
    return (
        isinstance(pair, list | tuple)
        and len(pair) == 2
        and all(isinstance(v, int | float) and not isinstance(v, bool) and abs(v) < 1e9 for v in pair)
    )


def rectified_size(corners: np.ndarray) -> tuple[int, int]:
    """Give width and height of the rectified picture: truncated means of opposite edges, 16 to 4096."""
    top, right, bottom, left = edge_lengths(corners)
    low, high = SIDE_PX
    width, height = int((top + bottom) / 2), int((left + right) / 2)
    return min(max(width, low), high), min(max(height, low), high)


def straightening(corners: np.ndarray) -> np.ndarray:
    """Give the homography from continuous pixels of a picture to those of the rectified one, (3, 3)."""
    width, height = rectified_size(corners)
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    return np.asarray(cv2.getPerspectiveTransform(np.asarray(corners, np.float32), target))


def rectified(picture: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Warp what the corners enclose to a rectangle.

    Parameters
    ----------
    picture
        uint8 (rows, columns) or (rows, columns, channels).
    corners
        (4, 2), TL, TR, BR, BL in continuous pixels.

    Returns
    -------
    The same type; `rectified_size` says how large. Outside the picture is black.
    """
    # OpenCV's coordinates have pixel centres at whole numbers, ours at halves.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    matrix = np.linalg.inv(half) @ straightening(corners) @ half
    size = rectified_size(corners)
    return np.asarray(cv2.warpPerspective(picture, matrix, size, flags=cv2.INTER_CUBIC))
