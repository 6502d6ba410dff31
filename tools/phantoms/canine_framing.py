"""Which part of the dog a picture shows: size, position, slope and format as in published previews."""

import numpy as np

from tools.phantoms.canine_canvas import View
from tools.phantoms.canine_chest import Dog

MARGIN = 0.025
"""Least distance of a landmark from the picture's edge, as a share of its long side."""


def view_of(dog: Dog, rng: np.random.Generator, long_side_px: int) -> View:
    """Draw a view that shows all landmarks; the head is on the left."""
    aspect = float(np.exp(rng.normal(np.log(1.27), 0.1)))
    if rng.random() < 0.07:
        aspect = rng.uniform(0.75, 1.0)
    width, height = (1.0, 1 / aspect) if aspect >= 1 else (aspect, 1.0)
    slope = np.deg2rad(np.clip(rng.normal(18, 7), -3, 35) if rng.random() < 0.92 else rng.uniform(-18, 40))
    unit = float(np.clip(rng.normal(0.325, 0.045), 0.2, 0.45)) * width / 6
    points = dog.landmarks() @ _turn(slope).T
    room = np.array([width, height]) - 2 * MARGIN
    unit = min(unit, float(np.min(room / np.ptp(points, axis=0))))
    middle = (points[0] + points[1]) / 2 * unit
    place = np.array([width, height]) * (rng.normal(0.52, 0.06), rng.normal(0.63, 0.05)) - middle
    low, high = MARGIN - points.min(0) * unit, np.array([width, height]) - MARGIN - points.max(0) * unit
    offset = np.clip(place, low, high)
    matrix = np.concatenate([unit * _turn(slope), offset[:, None]], 1) * long_side_px
    return View(matrix, (round(height * long_side_px), round(width * long_side_px)), unit * long_side_px)


def _turn(slope: float) -> np.ndarray:
    """Give the rotation that lifts the spine's caudal end by an angle."""
    cos, sin = np.cos(slope), np.sin(slope)
    return np.array([[cos, sin], [-sin, cos]])
