"""Decoding a latent in overlapping windows, blended by a Gaussian, a slab of it in memory at a time."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np

FACTOR = 4
"""Voxels of the image for one of the latent, along each axis."""
SIGMA = 0.125
"""Of the Gaussian, in windows."""
LEAST_WEIGHT = 1e-3
Decode = Callable[[np.ndarray], np.ndarray]
"""Latent [1, c, x, y, z] to image [1, k, 4x, 4y, 4z], float32."""


def starts(length: int, window: int, overlap: float) -> list[int]:
    """Give where windows begin along an axis; the last one ends with it.

    Parameters
    ----------
    length, window
        In voxels of the latent; the window is not longer.
    overlap
        Part of a window that it shares with the next, 0 to below 1.
    """
    interval = window if window == length else max(int(window * (1 - overlap)), 1)
    count = -(-(length - window) // interval) + 1
    return [min(index * interval, length - window) for index in range(count)]


def window_weights(sides: tuple[int, ...]) -> np.ndarray:
    """Give each voxel's weight in a window of the image, float32: a Gaussian about its middle.

    Parameters
    ----------
    sides
        Of the window, in voxels of the latent; all voxels of the image that belong to one weigh the same.

    References
    ----------
    MONAI, `compute_importance_map` with mode `gaussian`, and `sliding_window_inference`.
    """
    weights = np.ones((), np.float32)
    for size in sides:
        at = np.arange(size, dtype=np.float32) - (size - 1) / 2
        weights = weights[..., np.newaxis] * np.exp(-(at**2) / np.float32(2 * (SIGMA * size) ** 2))
    weights = np.maximum(weights, max(float(weights.min()), LEAST_WEIGHT)).astype(np.float32)
    for axis in range(weights.ndim):
        weights = weights.repeat(FACTOR, axis)
    return weights


def decode_windows(
    latent: np.ndarray, decode: Decode, *, window: int, overlap: float
) -> Iterator[tuple[int, int, int, np.ndarray | None]]:
    """Decode a latent window by window, in the order of z, and hand over what is finished.

    Parameters
    ----------
    latent
        float32 [c, x, y, z], already divided by its scale.
    window
        Longest side of a window, in voxels of the latent. A latent that is no larger than such a cube is
        decoded in one piece, as by MAISI.

    Yields
    ------
    How many windows are done, how many there are, the first slice of what is finished, and that: float32
    [k, 4x, 4y, slices], or None when nothing new is.
    """
    shape = latent.shape[1:]
    if np.prod(shape) <= window**3:
        yield 1, 1, 0, decode(latent[np.newaxis])[0]
        return
    sides = tuple(min(window, n) for n in shape)
    corners = [starts(n, side, overlap) for n, side in zip(shape, sides, strict=True)]
    weights = window_weights(sides)
    total, done, finished = int(np.prod([len(axis) for axis in corners])), 0, 0
    blend: _Blend | None = None
    for z, following in zip(corners[2], [*corners[2][1:], shape[2]], strict=True):
        for x, y in itertools.product(corners[0], corners[1]):
            part = decode(latent[np.newaxis, :, x : x + sides[0], y : y + sides[1], z : z + sides[2]])[0]
            blend = blend or _Blend(len(part), shape, sides[2])
            blend.add(part, weights, (FACTOR * x, FACTOR * y, FACTOR * (z - finished)))
            done += 1
            if done % (len(corners[0]) * len(corners[1])):
                yield done, total, FACTOR * finished, None
        assert blend is not None
        yield done, total, FACTOR * finished, blend.take(FACTOR * (following - finished))
        finished = following


class _Blend:
    """The sum of windows and of their weights, for the slices that more windows may come to."""

    def __init__(self, channels: int, shape: tuple[int, ...], depth: int) -> None:
        x, y = FACTOR * shape[0], FACTOR * shape[1]
        self._sum = np.zeros((channels, x, y, FACTOR * depth), np.float32)
        self._weight = np.zeros((x, y, FACTOR * depth), np.float32)

    def add(self, part: np.ndarray, weights: np.ndarray, at: tuple[int, int, int]) -> None:
        """Add a window at a place."""
        place = tuple(slice(start, start + size) for start, size in zip(at, weights.shape, strict=True))
        self._sum[(slice(None), *place)] += part * weights
        self._weight[place] += weights

    def take(self, slices: int) -> np.ndarray:
        """Give the first slices, to which no more windows come, and move on."""
        image = self._sum[..., :slices] / self._weight[..., :slices]
        for array in (self._sum, self._weight):
            kept = array.shape[-1] - slices
            array[..., :kept] = array[..., slices:].copy()
            array[..., kept:] = 0
        return image


def to_hu(image: np.ndarray) -> np.ndarray:
    """Map the decoder's 0…1 to HU, int16: -1000 to 1000, what is out of range saturates."""
    return np.asarray(np.rint(np.clip(image, 0, 1) * 2000 - 1000).astype(np.int16))
