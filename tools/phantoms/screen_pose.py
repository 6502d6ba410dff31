"""Poses of a phone before a screen: where a flat picture comes to lie in the photo."""

from typing import NamedTuple

import cv2
import numpy as np

from gateway.imaging.screen.quad import signed_area

Generator = np.random.Generator

FOCAL = (0.65, 0.90)
"""Focal lengths of phone cameras, in long sides of the photo: 23 to 32 mm of a 35 mm film."""
AREA = (0.12, 0.95)
"""Share of the frame that the picture fills."""
ROLL_DEGREES, TILT_DEGREES = 25.0, 35.0
OUTSIDE = 0.05
"""How far a corner may lie outside the frame, in its sides."""
OUTSIDE_CORNERS = 2
"""With more of them outside nothing would tell the photo from the radiograph itself."""


class Pose(NamedTuple):
    """A pinhole camera before the plane of a screen."""

    matrix: np.ndarray
    """float64 (3, 3): from the plane to pixels of the photo; the picture is 1 high around the origin."""
    focal_px: float

    def project(self, points: np.ndarray) -> np.ndarray:
        """Map (N, 2) points of the plane to the photo, float64."""
        return project(self.matrix, points)


def project(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map (N, 2) points by a homography, float64 (N, 2)."""
    return np.asarray(cv2.perspectiveTransform(np.asarray(points, np.float64)[np.newaxis], matrix)[0])


def rectangle(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """Give a rectangle's corners TL, TR, BR, BL, float64 (4, 2)."""
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


def pose(rng: Generator, aspect: float, width: int, height: int) -> Pose:
    """Hold a phone before a picture of the given aspect (width / height), as people do or worse.

    Parameters
    ----------
    rng
        Source of every choice.
    aspect
        Width / height of the picture on the screen.
    width, height
        Size of the photo in pixels.

    Returns
    -------
    A pose by which the picture fills 12 to 95 % of the frame, turned by up to 25° and tilted by up to
    35°, with at most two corners outside and none by more than 5 % of a side.
    """
    focal = rng.uniform(*FOCAL) * max(width, height)
    corners = rectangle(-aspect / 2, -0.5, aspect / 2, 0.5)
    largest = AREA[1]
    for _ in range(200):
        candidate = _candidate(rng, aspect, rng.uniform(AREA[0], largest), focal, (width, height))
        if acceptable(candidate.project(corners), width, height):
            return candidate
        largest = max(0.98 * largest, 0.2)
    return _candidate(rng, aspect, 0.15, focal, (width, height), steady=True)


def _candidate(
    rng: Generator,
    aspect: float,
    area: float,
    focal: float,
    size: tuple[int, int],
    *,
    steady: bool = False,
) -> Pose:
    spread = 0.0 if steady else 1.0
    roll = np.radians(np.clip(rng.normal(0, 9), -ROLL_DEGREES, ROLL_DEGREES)) * spread
    tilt = np.radians(min(abs(rng.normal(0, 16)), TILT_DEGREES)) * spread
    towards = rng.uniform(0, 2 * np.pi)
    axis = np.array([np.cos(towards), np.sin(towards), 0.0]) * tilt
    rotation = cv2.Rodrigues(np.array([0.0, 0.0, roll]))[0] @ cv2.Rodrigues(axis)[0]
    distance = focal * np.sqrt(aspect * np.cos(tilt) / (area * size[0] * size[1]))
    shift = rng.normal(0, 0.11 * spread, 2) * size * distance / focal
    camera = np.array([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1]])
    plane = np.column_stack([rotation[:, :2], [shift[0], shift[1], distance]])
    return Pose(camera @ plane, focal)


def acceptable(corners: np.ndarray, width: int, height: int) -> bool:
    """Tell whether corners, before the lens bends them, keep the bounds of `pose`."""
    share = corners / (width, height)
    outside = ((share < 0) | (share > 1)).any(1).sum()
    filled = signed_area(corners) / (width * height)
    within = bool((share > -OUTSIDE).all() and (share < 1 + OUTSIDE).all())
    return within and outside <= OUTSIDE_CORNERS and AREA[0] <= filled <= AREA[1]
