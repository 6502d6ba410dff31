"""Photos rendered once, as the corner network sees them, and what is true of them."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from gateway.imaging.letterbox import placement
from gateway.imaging.vhs.network_input import INPUT_SIZE_PX, network_input
from tools.phantoms.screen_films import Film, direct_radiograph, films, varied
from tools.phantoms.screen_photo import screen_photo, screenless_photo

SIDE = 256
"""Side of the square that the network looks at after halving its input."""
PHOTO_PX = 512
"""Longer side of a rendered photo: no more than the network can see."""
DIRECT_SHARE, SCREENLESS_SHARE = 0.24, 0.11


class Pool(NamedTuple):
    """Examples for training or for judging."""

    squares: np.ndarray
    """uint8 (N, SIDE, SIDE): windowed, letterboxed, 255 for 1."""
    corners: np.ndarray
    """float32 (N, 4, 2): TL, TR, BR, BL in shares of the square; 0 where there is no screen."""
    screen: np.ndarray
    """bool (N,): a photo of a radiograph on a screen."""


def square_of(picture: np.ndarray) -> np.ndarray:
    """Give a grey picture as the network sees it, uint8 (SIDE, SIDE)."""
    square = network_input(picture)[0]
    halved = square.reshape(SIDE, 2, SIDE, 2).mean((1, 3))
    return np.asarray((halved * 255).round().astype(np.uint8))


def in_square(corners: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Map corners in pixels of a picture to shares of the network's square, float32."""
    place = placement(picture.shape[1], picture.shape[0], INPUT_SIZE_PX)
    return np.asarray(place.to_square(corners) / INPUT_SIZE_PX, np.float32)


def render(seed: int, count: int, bank: Sequence[Film] | None = None) -> Pool:
    """Render a pool: two thirds photos of screens, the rest direct radiographs and other photos.

    Parameters
    ----------
    seed
        Of every scene; pools of other seeds have no scene in common.
    count
        Number of examples.
    bank
        Radiographs to show; drawn from the seed where None.
    """
    bank = films(seed, max(8, min(count // 25, 240))) if bank is None else bank
    rng = np.random.default_rng([seed, 1])
    pool = Pool(
        np.zeros((count, SIDE, SIDE), np.uint8), np.zeros((count, 4, 2), np.float32), np.zeros(count, bool)
    )
    for index in range(count):
        kind = rng.random()
        if kind < DIRECT_SHARE:
            pool.squares[index] = square_of(direct_radiograph(rng, bank))
        elif kind < DIRECT_SHARE + SCREENLESS_SHARE:
            pool.squares[index] = square_of(_grey(screenless_photo(rng, long_side_px=PHOTO_PX)))
        else:
            photo = screen_photo(rng, varied(rng, bank), long_side_px=PHOTO_PX)
            grey = _grey(photo.picture)
            pool.squares[index] = square_of(grey)
            pool.corners[index] = in_square(photo.corners, grey)
            pool.screen[index] = True
    return pool


def _grey(picture: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))
