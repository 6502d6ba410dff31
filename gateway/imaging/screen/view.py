"""A photo straightened by a rough quadrilateral, with what lies around it: what the sides' network sees."""

from typing import NamedTuple

import cv2
import numpy as np

from gateway.imaging.grey_window import grey_window

VIEW_PX = 256
"""Side of the view; a contract test holds it against the graph."""
MARGIN = 0.25
"""Width of what is seen around the quadrilateral, in its own sides."""
START_PX = VIEW_PX * MARGIN / (1 + 2 * MARGIN)
END_PX = VIEW_PX - START_PX
"""Where the quadrilateral's left and upper, right and lower sides lie in the view."""
BEYOND = -1.0
"""Value where the photo has ended: no grey that it can have."""
OVERSAMPLING = 1.25
"""Pixels of the photo per pixel of the view that bilinear sampling can still take in."""


class View(NamedTuple):
    """What is seen, and where it lies in the photo."""

    square: np.ndarray
    """float32 (1, VIEW_PX, VIEW_PX): 0 to 1 between the view's own darkest and brightest 1 %; BEYOND where
    the photo has ended."""
    to_picture: np.ndarray
    """float64 (3, 3): from continuous pixels of the view to those of the photo."""


def view_of(grey: np.ndarray, corners: np.ndarray) -> View:
    """Straighten a photo by a quadrilateral.

    Parameters
    ----------
    grey
        uint8 (rows, columns).
    corners
        (4, 2), TL, TR, BR, BL in continuous pixels, convex.
    """
    pixels, inside, to_picture = straightened(grey, corners)
    return View(windowed(pixels, inside), to_picture)


def straightened(grey: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the view's grey levels, uint8, where the photo is, bool, both squares, and `View.to_picture`."""
    start, end = START_PX, END_PX
    square = np.array([[start, start], [end, start], [end, end], [start, end]], np.float32)
    to_picture = cv2.getPerspectiveTransform(square, np.asarray(corners, np.float32))
    # Averaging first: a warp that shrinks by more than two would skip pixels.
    length = float(np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1).mean())
    scale = min(1.0, OVERSAMPLING * (end - start) / max(length, 1.0))
    rows, columns = grey.shape
    size = (max(round(columns * scale), 1), max(round(rows * scale), 1))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA) if scale < 1 else grey
    shrink = np.diag([size[0] / columns, size[1] / rows, 1.0]) if scale < 1 else np.eye(3)
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    matrix = np.linalg.inv(half) @ shrink @ to_picture @ half
    shape = (VIEW_PX, VIEW_PX)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    pixels = cv2.warpPerspective(small, matrix, shape, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpPerspective(
        np.ones_like(small), matrix, shape, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    )
    return pixels, inside > 0, to_picture


def windowed(pixels: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Bring a view's grey levels, uint8 (VIEW_PX, VIEW_PX), to the network's input, `View.square`."""
    seen = pixels[inside]
    lower, upper = grey_window(seen[np.newaxis]) if seen.size else (0, 255)
    square = (pixels.astype(np.float32) - lower) * np.float32(1 / max(upper - lower, 1))
    return np.where(inside, square.clip(0, 1), np.float32(BEYOND))[np.newaxis]
