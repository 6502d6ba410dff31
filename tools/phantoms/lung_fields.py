"""Where the lungs are on a chest film, by its dark fields."""

from typing import NamedTuple

import cv2
import numpy as np


class Lungs(NamedTuple):
    """The lung fields of a film, each bool (rows, columns)."""

    left: np.ndarray
    """On the image's left: the patient's right lung."""
    right: np.ndarray

    @property
    def both(self) -> np.ndarray:
        """Give both fields as one mask."""
        return np.asarray(self.left | self.right)


class Box(NamedTuple):
    """The extent of a lung field in pixels."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def height(self) -> int:
        """Give the number of rows."""
        return self.bottom - self.top


def lung_fields(pixels: np.ndarray) -> Lungs | None:
    """Find the lungs: the two large dark fields that do not reach the film's border.

    Parameters
    ----------
    pixels
        uint8 (rows, columns), square, bones bright.

    Returns
    -------
    The fields, or None where two of plausible size are not found.
    """
    side = pixels.shape[0]
    smooth = cv2.GaussianBlur(pixels, (0, 0), side / 64)
    coarse = cv2.GaussianBlur(cv2.resize(smooth, (64, 64), interpolation=cv2.INTER_AREA), (0, 0), 64 / 5)
    local = cv2.resize(coarse, (side, side)).astype(np.int16)
    # A stricter threshold parts lungs that run into the dark beside the chest.
    for offset, opening in ((2, 5), (2, 9), (8, 5), (8, 9), (14, 7), (20, 7), (26, 7)):
        below = (smooth < local - offset).astype(np.uint8)
        dark = np.asarray(cv2.morphologyEx(below, cv2.MORPH_OPEN, np.ones((opening, opening), np.uint8)))
        left = _largest_inside(dark, slice(0, side // 2))
        right = _largest_inside(dark, slice(side // 2, side))
        if left is not None and right is not None:
            return Lungs(_filled(left), _filled(right))
    return None


def _largest_inside(dark: np.ndarray, columns: slice) -> np.ndarray | None:
    """Give the largest dark component of one half that keeps off the border, if it is a lung's size."""
    half = np.zeros_like(dark)
    half[:, columns] = dark[:, columns]
    _, labels, stats, centres = cv2.connectedComponentsWithStats(half)
    side = dark.shape[0]
    best = None
    for label in range(1, len(stats)):
        left, top, width, height, area = stats[label]
        inside = left > 1 and left + width < side - 1 and top > 0.02 * side and top + height < side - 1
        large = 0.05 < area / side**2 < 0.25 and height > 0.3 * side
        if inside and large and abs(centres[label][1] / side - 0.42) < 0.2:
            best = label if best is None or area > stats[best][4] else best
    return None if best is None else np.asarray(labels == best)


def _filled(field: np.ndarray) -> np.ndarray:
    """Close vessels and ribs that cut into a field."""
    side = field.shape[0]
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side // 12, side // 12))
    return cv2.morphologyEx(field.astype(np.uint8), cv2.MORPH_CLOSE, kernel).astype(bool)


def hull_of(field: np.ndarray) -> np.ndarray:
    """Give the convex hull of a field: its outline without the notches of the ribs."""
    contours, _ = cv2.findContours(field.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.convexHull(max(contours, key=len))
    return cv2.fillPoly(np.zeros(field.shape, np.uint8), [hull], (1,)).astype(bool)


def box_of(field: np.ndarray) -> Box:
    """Give the extent of a field."""
    rows, columns = np.flatnonzero(field.any(1)), np.flatnonzero(field.any(0))
    return Box(int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1]))
