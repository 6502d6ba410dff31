"""Pictures that are no lateral canine thorax, for the network's sense of validity."""

import cv2
import numpy as np

from tools.phantoms.canine_canvas import clouds


def negative(rng: np.random.Generator, *, long_side_px: int = 640) -> np.ndarray:
    """Draw a picture without the landmarks, uint8 (rows, columns)."""
    aspect = float(rng.uniform(0.6, 1.7))
    width, height = (1.0, 1 / aspect) if aspect >= 1 else (aspect, 1.0)
    shape = (round(height * long_side_px), round(width * long_side_px))
    scale = float(np.exp(rng.uniform(0, np.log(long_side_px / 3))))
    grey = 128 + rng.uniform(2, 70) * clouds(rng, shape, scale) + rng.uniform(-100, 100)
    return np.asarray(cv2.convertScaleAbs(np.clip(grey, 0, 255)))
