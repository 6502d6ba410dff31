"""Where the drawn dog lies on its picture, and what draws it: sub-pixel polygons, tubes, solids, clouds.

The dog lives in its vertebral frame: origin at the cranial edge of T4, x towards the caudal edge of T9, y
ventral, one vertebra (body and disc) long per unit. OpenCV smooths edges of 8-bit images only, so shapes are
drawn as bytes and scaled.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

Points = np.ndarray
"""float (N, 2): x, y in vertebrae."""

SHIFT = 4
"""Fractional bits of OpenCV's coordinates: edges lie between pixels too."""
UNIT = 128
"""Byte that stands for 1 while drawing."""


@dataclass(frozen=True)
class View:
    """From the vertebral frame to pixels of the picture."""

    matrix: np.ndarray
    """float (2, 3): pixels, continuous coordinates, from (x, y, 1) in vertebrae."""
    shape: tuple[int, int]
    """Rows and columns."""
    unit_px: float
    """Pixels per vertebra."""

    def pixels(self, points: Points) -> np.ndarray:
        """Map (..., 2) points in vertebrae to pixels, continuous coordinates."""
        return np.asarray(points @ self.matrix[:, :2].T + self.matrix[:, 2])

    def layer(self) -> "Layer":
        """Give an empty layer to draw on."""
        return Layer(self)


class Layer:
    """Bytes to draw on; where shapes cross, the later one counts."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._bytes = np.zeros(view.shape, np.uint8)

    def patch(self, outline: Points, level: float = 1.0) -> "Layer":
        """Fill a polygon."""
        return self.patches(np.asarray(outline)[None], level)

    def patches(self, outlines: Points, level: float = 1.0) -> "Layer":
        """Fill polygons, (count, N, 2)."""
        for corners in self._fixed(outlines):
            cv2.fillPoly(self._bytes, [corners], [_byte(level)], cv2.LINE_AA, SHIFT)
        return self

    def tube(self, line: Points, widths: np.ndarray | float, level: float = 1.0) -> "Layer":
        """Fill a band around a line; its width may change from point to point."""
        return self.patch(band(line, widths), level)

    def lines(self, lines: Points, width: float, level: float = 1.0) -> "Layer":
        """Draw thin lines, (count, N, 2), of one width in vertebrae, at least a pixel."""
        thick = width * self._view.unit_px
        level *= min(thick, 1.0)
        fixed = list(self._fixed(lines))
        cv2.polylines(self._bytes, fixed, False, [_byte(level)], max(1, round(thick)), cv2.LINE_AA, SHIFT)
        return self

    def density(self, blur_v: float = 0.0) -> np.ndarray:
        """Give what was drawn, float32 (rows, columns), blurred by a sigma in vertebrae."""
        image = self._bytes.astype(np.float32) * np.float32(1 / UNIT)
        return blur(image, blur_v * self._view.unit_px)

    def solid(self, depth_v: float, blur_v: float = 0.0) -> np.ndarray:
        """Give a rounded body over what was drawn: 0 at its edge, 1 where `depth_v` from it."""
        rows, columns = self._view.shape
        depth = max(depth_v * self._view.unit_px / 2, 1.0)
        half = cv2.resize(self._bytes, ((columns + 1) // 2, (rows + 1) // 2), interpolation=cv2.INTER_AREA)
        # Beyond the picture's edge the body goes on.
        half = np.pad(half, int(depth), "edge")
        inside = cv2.distanceTransform((half > UNIT // 2).astype(np.uint8), cv2.DIST_L2, 3)
        trim = slice(int(depth), -int(depth))
        near = np.minimum(inside[trim, trim] * np.float32(1 / depth), 1)
        rounded = blur(np.sqrt(near * (2 - near)), blur_v * self._view.unit_px / 2)
        return np.asarray(cv2.resize(rounded, (columns, rows), interpolation=cv2.INTER_LINEAR))

    def _fixed(self, points: Points) -> np.ndarray:
        place = self._view.pixels(np.asarray(points)) - 0.5
        return np.asarray((np.clip(place, -4000, 4000) * 2**SHIFT).round().astype(np.int32))


def _byte(level: float) -> float:
    return float(np.clip(level * UNIT, 0, 255))


def band(line: Points, widths: np.ndarray | float) -> Points:
    """Give the outline of a band around a line, or lines, of N points: (..., N, 2) to (..., 2N, 2)."""
    line = np.asarray(line, float)
    ahead = np.empty_like(line)
    ahead[..., 1:-1, :] = line[..., 2:, :] - line[..., :-2, :]
    ahead[..., 0, :] = line[..., 1, :] - line[..., 0, :]
    ahead[..., -1, :] = line[..., -1, :] - line[..., -2, :]
    normals: np.ndarray = (
        ahead[..., ::-1] * (-1, 1) / np.maximum(np.hypot(ahead[..., 0], ahead[..., 1]), 1e-9)[..., None]
    )
    off = normals * np.broadcast_to(np.asarray(widths, float) / 2, line.shape[:-1])[..., None]
    outline: np.ndarray = np.concatenate([line + off, (line - off)[..., ::-1, :]], -2)
    return outline


def ellipse(centre: Points, radii: tuple[float, float], turn: float = 0.0, wobble: float = 0.0) -> Points:
    """Give an ellipse's outline, (30, 2), turned by radians and wobbling by a share of its radii."""
    around = np.linspace(0, 2 * np.pi, 30, endpoint=False)
    size = (1 + wobble * np.sin(3 * around + 40 * wobble)) * np.array(radii)[:, None]
    x, y = size * np.stack([np.cos(around), np.sin(around)])
    cos, sin = np.cos(turn), np.sin(turn)
    return np.asarray(np.stack([cos * x - sin * y, sin * x + cos * y], 1) + centre)


def smooth(points: Points, count: int = 40) -> Points:
    """Give a centripetal Catmull-Rom curve through points, (count, 2)."""
    points = np.asarray(points, float)
    padded = np.concatenate([[2 * points[0] - points[1]], points, [2 * points[-1] - points[-2]]])
    place = np.linspace(0, len(points) - 1 - 1e-9, count)
    index = place.astype(int)
    t = (place - index)[:, None]
    a, b, c, d = (padded[index + k] for k in range(4))
    return np.asarray(b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))))


def blur(image: np.ndarray, sigma_px: float) -> np.ndarray:
    """Blur by a Gaussian; wide ones on a coarser grid, where nothing is lost by it."""
    if sigma_px < 0.25:
        return image
    factor = int(sigma_px // 3)
    if factor < 2:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px))
    rows, columns = image.shape
    small = (max(1, columns // factor), max(1, rows // factor))
    coarse = cv2.GaussianBlur(
        cv2.resize(image, small, interpolation=cv2.INTER_AREA), (0, 0), sigma_px / factor
    )
    return np.asarray(cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_LINEAR))


@cache
def _bank() -> np.ndarray:
    """Give white noise to cut pieces from: drawing it anew for every picture costs more than the rest."""
    return np.random.default_rng(20260105).standard_normal((1500, 1500), np.float32)


def white(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Give white noise of unit variance, float32 (rows, columns)."""
    bank = _bank()
    if max(shape) > len(bank):
        return rng.standard_normal(shape, np.float32)
    row, column = (int(rng.integers(0, len(bank) - size + 1)) for size in shape)
    piece = bank[row : row + shape[0], column : column + shape[1]]
    flips = rng.choice([-1, 1], 3)
    return np.asarray(piece[:: flips[0], :: flips[1]] * np.float32(flips[2]))


def clouds(rng: np.random.Generator, shape: tuple[int, ...], scale_px: float) -> np.ndarray:
    """Give smooth noise of about unit variance, float32 (rows, columns)."""
    factor = max(scale_px, 1.0)
    coarse = white(rng, (int(shape[0] / factor) + 3, int(shape[1] / factor) + 3))
    size = shape[::-1]
    if factor >= 8:
        coarse = cv2.resize(coarse, (size[0] // 4 + 1, size[1] // 4 + 1), interpolation=cv2.INTER_CUBIC)
    return np.asarray(1.3 * cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR))
