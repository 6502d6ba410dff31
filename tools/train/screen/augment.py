"""Changes to rendered squares that make each epoch another one."""

from typing import NamedTuple

import cv2
import numpy as np

from tools.train.screen.pool import SIDE, Pool

Generator = np.random.Generator

MIRRORED = [1, 0, 3, 2]
"""Which corner of a mirrored picture was which: TL and TR, BR and BL change places."""
UPSIDE_DOWN = [3, 2, 1, 0]
TURNED = [1, 2, 3, 0]
"""After a quarter turn anticlockwise the corner that was top right is top left."""


class Batch(NamedTuple):
    """Squares as the network takes them."""

    squares: np.ndarray
    """float32 (N, 1, SIDE, SIDE) in [0, 1]."""
    corners: np.ndarray
    """float32 (N, 4, 2) in shares of the square."""
    screen: np.ndarray
    """bool (N,)."""


def batch(rng: Generator, pool: Pool, indices: np.ndarray) -> Batch:
    """Take examples out of a pool, each changed at random."""
    squares, corners = zip(*(_example(rng, pool.squares[i], pool.corners[i]) for i in indices), strict=True)
    stacked = np.stack(squares)[:, np.newaxis].astype(np.float32) / 255
    return Batch(stacked, np.stack(corners).astype(np.float32), pool.screen[indices])


def _example(rng: Generator, square: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if rng.random() < 0.5:
        square, corners = square[:, ::-1], (corners * (-1, 1) + (1, 0))[MIRRORED]
    if rng.random() < 0.15:
        square, corners = square[::-1], (corners * (1, -1) + (0, 1))[UPSIDE_DOWN]
    if rng.random() < 0.15:
        square, corners = np.rot90(square), (corners[:, ::-1] * (1, -1) + (0, 1))[TURNED]
    square = np.ascontiguousarray(square)
    if rng.random() < 0.6:
        square, corners = _moved(rng, square, corners)
    return lit(rng, square), corners


def _moved(rng: Generator, square: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn, scale and shift a little; what comes in is black."""
    turn, scale = float(rng.normal(0, 4)), rng.uniform(0.75, 1.06)
    matrix: np.ndarray = np.array(cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), turn, scale))
    matrix[:, 2] += rng.normal(0, 5, 2)
    moved = (corners * SIDE) @ matrix[:, :2].T + matrix[:, 2]
    half = np.array(matrix)  # OpenCV's pixel centres are whole numbers
    half[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    return cv2.warpAffine(square, half, (SIDE, SIDE), flags=cv2.INTER_LINEAR), moved / SIDE


def lit(rng: Generator, square: np.ndarray) -> np.ndarray:
    """Change contrast, sharpness and noise; hide a part."""
    if rng.random() < 0.6:
        curve = (np.arange(256) / 255) ** (2 ** rng.normal(0, 0.5)) * rng.uniform(0.75, 1.15)
        square = cv2.LUT(square, np.clip(255 * curve, 0, 255).astype(np.uint8))
    if rng.random() < 0.2:
        square = cv2.GaussianBlur(square, (0, 0), rng.uniform(0.4, 1.4))
    if rng.random() < 0.3:
        grain = rng.standard_normal(square.shape, np.float32) * np.float32(rng.uniform(1, 10))
        square = np.clip(square + grain, 0, 255).astype(np.uint8)
    if rng.random() < 0.12:
        left, top, across, down = *rng.integers(0, SIDE - 8, 2), *rng.integers(8, 60, 2)
        square = square.copy()
        square[top : top + down, left : left + across] = rng.integers(0, 256)
    return np.asarray(square)
