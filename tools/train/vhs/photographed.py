"""Films as the pipeline sees them through a photo of a screen: straightened, with light and moiré on them."""

import cv2
import numpy as np

from gateway.imaging.screen.rectify import rectified, straightening
from tools.phantoms.canine_thorax import CanineThorax
from tools.phantoms.screen_photo import screen_photo
from tools.phantoms.screen_pose import project

Generator = np.random.Generator

PHOTO_PX = 1024
"""Longer side of the photo."""
SLACK = 0.003
"""Deviation of the corners that are found, in long sides of the photo."""


def photographed(
    film: CanineThorax, points: np.ndarray, generator: Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Photograph a film on a screen and straighten the photo, as well as its corners are found.

    Parameters
    ----------
    film
        The film.
    points
        (N, 2) in its pixels, continuous.
    generator
        Source of every choice.

    Returns
    -------
    uint8 of another size, and the points in its pixels, float32; outside it where the screen did not show
    them.
    """
    photo = screen_photo(generator, film, long_side_px=PHOTO_PX, turn=False)
    grey = cv2.cvtColor(photo.picture, cv2.COLOR_BGR2GRAY)
    corners = photo.corners + generator.normal(0, SLACK * PHOTO_PX, (4, 2))
    moved = project(straightening(corners) @ photo.homography, points)
    return rectified(grey, corners), moved.astype(np.float32)
