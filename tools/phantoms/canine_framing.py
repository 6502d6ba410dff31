"""Which part of the dog a picture shows: size, position, slope and format as in published previews."""

from dataclasses import dataclass

import numpy as np

from tools.phantoms.canine_canvas import View
from tools.phantoms.canine_chest import Dog

MARGIN = 0.025
"""Least distance of a landmark from the picture's edge, as a share of its long side."""
TIGHT = 0.13
"""Share of pictures cut close before the heart, most of them without T1."""


@dataclass(frozen=True)
class Framing:
    """A view and the part of the picture that the detector covers; the rest is padding."""

    view: View
    field: np.ndarray
    """bool (rows, columns)."""


def framing_of(dog: Dog, rng: np.random.Generator, long_side_px: int) -> Framing:
    """Draw a view that shows all landmarks, the head on the left, and rarely pad it to another format."""
    aspect = float(np.exp(rng.normal(np.log(1.27), 0.1)))
    if rng.random() < 0.07:
        aspect = rng.uniform(0.75, 1.0)
    outer = aspect if rng.random() < 0.88 else float(rng.choice([0.75, 1.0, 1.0, 1.33, 1.78]))
    canvas = np.array([min(1.0, outer), min(1.0, 1 / outer)])
    # The largest rectangle of the detector's aspect within the picture, in long sides.
    width = min(canvas[0], canvas[1] * aspect)
    size = np.array([width, width / aspect])
    left_top = (canvas - size) * rng.choice([0.5, 0.5, 0.0])
    matrix = _placed(dog.landmarks(), size, rng)
    matrix[:, 2] += left_top
    shape = (round(canvas[1] * long_side_px), round(canvas[0] * long_side_px))
    field = np.zeros(shape, bool)
    (x0, y0), (x1, y1) = (left_top * long_side_px).round(), ((left_top + size) * long_side_px).round()
    field[int(y0) : int(y1), int(x0) : int(x1)] = True
    unit = float(np.hypot(*matrix[:, 0]))
    return Framing(View(matrix * long_side_px, shape, unit * long_side_px), field)


def _placed(landmarks: np.ndarray, size: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give (2, 3): the vertebral frame on a detector of this width and height, where dogs usually lie."""
    slope = np.deg2rad(np.clip(rng.normal(18, 7), -3, 35) if rng.random() < 0.92 else rng.uniform(-18, 40))
    unit = float(np.clip(rng.normal(0.325, 0.045), 0.22, 0.45)) * size[0] / 6
    points = landmarks @ _turn(slope).T
    unit = min(unit, float(np.min((size - 2 * MARGIN) / np.ptp(points, axis=0))))
    place = size * (rng.normal(0.52, 0.06), rng.normal(0.63, 0.05)) - (points[0] + points[1]) / 2 * unit
    if rng.random() < TIGHT:
        place[0] = size[0] * rng.uniform(MARGIN, 0.1) - points[:, 0].min() * unit
    offset = np.clip(place, MARGIN - points.min(0) * unit, size - MARGIN - points.max(0) * unit)
    return np.concatenate([unit * _turn(slope), offset[:, None]], 1)


def _turn(slope: float) -> np.ndarray:
    """Give the rotation that lifts the spine's caudal end by an angle."""
    cos, sin = np.cos(slope), np.sin(slope)
    return np.array([[cos, sin], [-sin, cos]])
