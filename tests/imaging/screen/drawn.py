"""A drawn screen whose corners are known, and networks that say where they see it."""

from collections.abc import Callable

import cv2
import numpy as np

from gateway.imaging.letterbox import placement
from gateway.imaging.screen.locate import Found, Network
from gateway.imaging.screen.sides import PLACES, SIDES
from gateway.imaging.screen.view import END_PX, START_PX, VIEW_PX
from gateway.imaging.vhs.network_input import INPUT_SIZE_PX

CORNERS = np.array([[210.3, 140.8], [1010.6, 105.2], [985.1, 760.4], [240.7, 720.9]])


def screen(corners: np.ndarray = CORNERS, *, inside: int = 190, outside: int = 40) -> np.ndarray:
    """Draw a quadrilateral with smooth edges and noise, uint8 (900, 1200)."""
    # Four times as large, for OpenCV fills polygons half a pixel beyond their outline.
    large = np.full((3600, 4800), outside, np.uint8)
    fixed = np.round((corners * 4 - 0.5) * 256).astype(np.int32)
    cv2.fillConvexPoly(large, fixed, (inside,), cv2.LINE_8, 8)
    picture = cv2.resize(large, (1200, 900), interpolation=cv2.INTER_AREA)
    noise = np.random.default_rng(0).normal(0, 4, picture.shape)
    return np.clip(cv2.GaussianBlur(picture, (0, 0), 1.2) + noise, 0, 255).astype(np.uint8)


def found(
    corners: np.ndarray = CORNERS, *, spread: float = 0.0, peak: float = 0.9, logit: float = 4.0
) -> Found:
    """Give what the corner network would say of a picture of 1200 by 900 pixels; `spread` in long sides."""
    square = placement(1200, 900, INPUT_SIZE_PX).to_square(corners) / INPUT_SIZE_PX
    noise = np.random.default_rng(3).normal(0, spread, (5, 4, 2))
    folds = (square + noise).astype(np.float32)
    return Found(folds, np.full((5, 4), peak, np.float32), np.full(5, logit, np.float32))


def ridges(lines: np.ndarray, *, sharpness_px: float = 1.0) -> np.ndarray:
    """Give maps, float32 (SIDES, PLACES, VIEW_PX), that know each side; lines (SIDES, 2) from end to end."""
    along = (np.arange(PLACES) + 0.5) / PLACES
    middle = lines[:, :1] + (lines[:, 1:] - lines[:, :1]) * along
    across = np.arange(VIEW_PX) + 0.5
    maps = np.exp(-((across - middle[..., np.newaxis]) ** 2) / (2 * sharpness_px**2))
    return (maps / maps.sum(2, keepdims=True)).astype(np.float32)


def steps_seen(view: np.ndarray) -> np.ndarray:
    """Take the steepest step at each place for the side, as a trained network does of a plain screen."""
    square = cv2.GaussianBlur(view[0].clip(0), (0, 0), 1.0)
    half = VIEW_PX // 2
    maps = np.zeros((SIDES, PLACES, VIEW_PX), np.float32)
    for side, axis in enumerate((0, 1, 0, 1)):
        steps = abs(np.gradient(square, axis=axis))
        steps = steps if axis == 0 else steps.T
        steps = steps.reshape(VIEW_PX, PLACES, -1).mean(2).T
        part = slice(0, half) if side in (0, 3) else slice(half, VIEW_PX)
        sharp = steps[:, part] ** 4
        maps[side, :, part] = sharp / np.maximum(sharp.sum(1, keepdims=True), 1e-9)
    return maps


def agrees(view: np.ndarray) -> np.ndarray:
    """See each side just where the view was looked through."""
    return ridges(np.array([[START_PX] * 2, [END_PX] * 2, [END_PX] * 2, [START_PX] * 2]))


def sides(maps: Callable[[np.ndarray], np.ndarray] = steps_seen, *, logit: float = 4.0) -> Network:
    """Stand in for the sides' network; `maps` gives what it says of one view."""

    def run(inputs):
        (view,) = inputs["view"]
        return {"side_places": maps(view)[np.newaxis], "view_screen": np.array([logit], np.float32)}

    return run
