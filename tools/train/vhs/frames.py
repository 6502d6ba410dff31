"""Random framing of a film: turned, scaled, cropped, mirrored, seen at a slight angle."""

from typing import NamedTuple

import cv2
import numpy as np

Generator = np.random.Generator

UNTURNED_DEGREES = 15.0
FAR_TURNED_SHARE = 0.05
"""Share of films turned by up to 90 degrees."""
TIGHT_SHARE = 0.2
"""Share of films cropped closely about the landmarks: often without the ribs from which T4 is counted."""
CARELESS_SHARE = 0.08
"""Share of films cropped without regard to the landmarks."""
PERSPECTIVE_SHARE = 0.15
PERSPECTIVE = 0.03
"""Greatest move of a corner, as a share of the long side: what a rectified photo leaves."""
SCALES = (0.7, 1.3)
MARGIN = 0.015
"""Least distance of the landmarks from the border of a careful crop, as a share of the long side."""


class Frame(NamedTuple):
    """A new picture cut from a film."""

    matrix: np.ndarray
    """float64 (3, 3): pixels of the film to pixels of the new picture, continuous coordinates."""
    width: int
    height: int

    def move(self, points: np.ndarray) -> np.ndarray:
        """Give (..., 2) points of the film in pixels of the new picture."""
        moved = points @ self.matrix[:, :2].T + self.matrix[:, 2]
        return np.asarray(moved[..., :2] / moved[..., 2:])

    def shows(self, points: np.ndarray) -> np.ndarray:
        """Tell which (..., 2) points of the new picture lie inside it."""
        return np.asarray(((points >= 0) & (points <= (self.width, self.height))).all(-1))

    def cut(self, film: np.ndarray, background: int) -> np.ndarray:
        """Give the new picture, uint8 (height, width)."""
        if self.matrix[0, 0] ** 2 + self.matrix[0, 1] ** 2 < 0.36:  # a warp would skip pixels
            film = cv2.resize(film, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            return self._replaced(self.matrix @ np.diag([2.0, 2.0, 1.0])).cut(film, background)
        # OpenCV's coordinates have pixel centres at whole numbers, ours at halves.
        matrix = _shift(-0.5, -0.5) @ self.matrix @ _shift(0.5, 0.5)
        size = (self.width, self.height)
        if np.allclose(matrix[2], (0, 0, 1)):
            return np.asarray(cv2.warpAffine(film, matrix[:2], size, borderValue=[background]))
        return np.asarray(cv2.warpPerspective(film, matrix, size, borderValue=[background]))

    def _replaced(self, matrix: np.ndarray) -> "Frame":
        return Frame(matrix, self.width, self.height)


def as_taken(width: int, height: int, generator: Generator, long_side_px: int) -> Frame:
    """Leave a film as it was taken but for its size, and mirror every other one."""
    ratio = long_side_px / max(width, height)
    size = np.maximum(np.rint(np.array([width, height]) * ratio), 1)
    matrix = np.diag([size[0] / width, size[1] / height, 1.0])
    if generator.random() < 0.5:
        matrix = _shift(size[0], 0) @ np.diag([-1.0, 1.0, 1.0]) @ matrix
    return Frame(matrix, int(size[0]), int(size[1]))


def frame_of(
    width: int, height: int, points: np.ndarray | None, generator: Generator, long_side_px: int
) -> Frame:
    """Frame a film anew.

    Parameters
    ----------
    width, height
        Of the film in pixels.
    points
        (7, 2), its landmarks in pixels; None for a film without.
    generator
        Source of every choice.
    long_side_px
        Of the new picture.
    """
    far = generator.random() < FAR_TURNED_SHARE
    degrees = generator.uniform(-90, 90) if far else generator.uniform(-1, 1) * UNTURNED_DEGREES
    turn = _turn(degrees) @ np.diag([-1.0 if generator.random() < 0.5 else 1.0, 1.0, 1.0])
    turn = turn @ _shift(-width / 2, -height / 2)
    scale = np.exp(generator.uniform(*np.log(SCALES)))
    extent = np.array([width, height]) / scale * np.exp(generator.normal(0, 0.08, 2))
    centre = generator.uniform(-0.12, 0.12, 2) * (width, height)
    if points is not None:
        centre, extent = _kept(points @ turn[:2, :2].T + turn[:2, 2], centre, extent, generator)
    ratio = long_side_px / extent.max()
    size = np.maximum(np.rint(extent * ratio), 16)
    matrix = np.diag([ratio, ratio, 1.0]) @ _shift(*(extent / 2 - centre)) @ turn
    if generator.random() < PERSPECTIVE_SHARE:
        matrix = _tilt(size, generator) @ matrix
    return Frame(matrix, int(size[0]), int(size[1]))


def _kept(
    points: np.ndarray, centre: np.ndarray, extent: np.ndarray, generator: Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Move and widen a crop, about a centre, so that it holds the points; now and then barely or not."""
    manner = generator.random()
    if manner < CARELESS_SHARE:
        return centre, extent * generator.uniform(0.75, 1)
    low, high = points.min(0), points.max(0)
    if manner < CARELESS_SHARE + TIGHT_SHARE:
        room = (high - low).max()
        low = low - room * generator.uniform(0.03, 0.3, 2)
        high = high + room * generator.uniform(0.03, 0.3, 2)
        return (low + high) / 2, high - low
    margin = MARGIN * extent.max()
    extent = np.maximum(extent, high - low + 2.5 * margin)
    nearest, farthest = high + margin - extent / 2, low - margin + extent / 2
    return np.clip(centre, nearest, farthest), extent


def _shift(x: float, y: float) -> np.ndarray:
    return np.array([[1.0, 0, x], [0, 1.0, y], [0, 0, 1.0]])


def _turn(degrees: float) -> np.ndarray:
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])


def _tilt(size: np.ndarray, generator: Generator) -> np.ndarray:
    """Give a homography that moves a picture's corners a little."""
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size
    moved = corners + generator.uniform(-PERSPECTIVE, PERSPECTIVE, (4, 2)) * size.max()
    tilted: np.ndarray = cv2.getPerspectiveTransform(corners.astype(np.float32), moved.astype(np.float32))
    return tilted
