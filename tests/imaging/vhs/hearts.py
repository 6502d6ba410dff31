"""Hearts with known measurements, and networks' outputs that see them."""

import numpy as np

from gateway.imaging.letterbox import placement
from gateway.imaging.vhs.assessment import View
from gateway.imaging.vhs.folds import FOLDS, Folds
from gateway.imaging.vhs.network_input import INPUT_SIZE_PX

VIEW = View(1000, 800)
UNIT_PX = 50.0
"""One vertebra of `heart()`."""
FRAME = np.array(
    [
        (1.4, 2.0),  # heart_top
        (2.0, 7.0),  # heart_bottom: long axis sqrt(0.6² + 5²) = 5.0359
        (-1.0, 4.2),  # heart_right
        (3.2, 3.6),  # heart_left: short axis sqrt(4.2² + 0.6²) = 4.2426
        (3.0, 3.2),  # VLAS: sqrt(1.6² + 1.2²) = 2.0
        (0.0, 0.0),  # Vertebra A
        (6.0, 0.0),  # Vertebra B
    ]
)
"""A heart in the vertebral frame, in vertebrae, in the order of LANDMARKS."""
VHS = float(np.hypot(0.6, 5.0) + np.hypot(4.2, 0.6))
VLAS_LENGTH = 2.0


def heart(frame=FRAME, *, at=(330.0, 300.0), unit=UNIT_PX, slope=-18.0):
    """Give (7, 2) points in pixels; the spine's caudal end lies up by `slope` degrees."""
    turn = np.radians(slope)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return frame @ matrix.T * unit + at


def moved(landmark, by, points=None):
    """Give a heart with one landmark elsewhere, by (x, y) in pixels."""
    points = heart() if points is None else points.copy()
    points[landmark] += by
    return points


def folds_of(points, view=VIEW, *, offsets=0.0, peak=0.8, logit=4.0, count=FOLDS):
    """Give the output of a network whose folds see `points`, in pixels, each off by its offset."""
    seen = np.broadcast_to(points, (count, 7, 2)) + np.broadcast_to(offsets, (count, 7, 2))
    square = placement(view.width, view.height, INPUT_SIZE_PX).to_square(seen) / INPUT_SIZE_PX
    return Folds(
        square.astype(np.float32),
        np.full((count, 7), peak, np.float32),
        np.full(count, logit, np.float32),
    )


def fanned(sd, view=VIEW, count=FOLDS):
    """Offsets along x and y that give every landmark this spread, a fraction of the longer side."""
    steps = np.linspace(-1, 1, count)
    steps *= sd * max(view.width, view.height) / steps.std()
    return np.stack([steps, -steps], axis=1)[:, np.newaxis]
