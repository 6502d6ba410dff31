"""Where the drawn dog lies on its picture, and what draws it: sub-pixel polygons, tubes, solids, clouds.

The dog lives in its vertebral frame: origin at the cranial edge of T4, x towards the caudal edge of T9, y
ventral, one vertebra (body and disc) long per unit. OpenCV smooths edges of 8-bit images only, so shapes are
drawn as bytes and scaled.
"""

from dataclasses import dataclass

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
        cv2.fillPoly(self._bytes, [self._fixed(outline)], [_byte(level)], cv2.LINE_AA, SHIFT)
        return self

    def patches(self, outlines: list[Points], level: float = 1.0) -> "Layer":
        """Fill polygons that do not cross."""
        for outline in outlines:
            self.patch(outline, level)
        return self

    def tube(self, line: Points, widths: np.ndarray | float, level: float = 1.0) -> "Layer":
        """Fill a band around a line; its width may change from point to point."""
        return self.patch(band(line, widths), level)

    def lines(self, lines: list[Points], width: float, level: float = 1.0) -> "Layer":
        """Draw thin lines of one width in vertebrae, at least a pixel."""
        thick = max(1, round(width * self._view.unit_px))
        fixed = [self._fixed(line) for line in lines]
        cv2.polylines(self._bytes, fixed, False, [_byte(level)], thick, cv2.LINE_AA, SHIFT)
        return self

    def density(self, blur_v: float = 0.0) -> np.ndarray:
        """Give what was drawn, float32 (rows, columns), blurred by a sigma in vertebrae."""
        image = self._bytes.astype(np.float32) * np.float32(1 / UNIT)
        return blur(image, blur_v * self._view.unit_px)

    def solid(self, depth_v: float) -> np.ndarray:
        """Give a rounded body over what was drawn: 0 at its edge, 1 where `depth_v` from it."""
        depth = max(depth_v * self._view.unit_px, 1.0)
        inside = cv2.distanceTransform((self._bytes > UNIT // 2).astype(np.uint8), cv2.DIST_L2, 3)
        near = np.minimum(inside * np.float32(1 / depth), 1)
        return np.asarray(np.sqrt(near * (2 - near)))

    def _fixed(self, points: Points) -> np.ndarray:
        place = self._view.pixels(np.asarray(points)) - 0.5
        return np.asarray((np.clip(place, -4000, 4000) * 2**SHIFT).round().astype(np.int32))


def _byte(level: float) -> float:
    return float(np.clip(level * UNIT, 0, 255))


def band(line: Points, widths: np.ndarray | float) -> Points:
    """Give the outline of a band around a line of N points, (2N, 2)."""
    steps = np.gradient(np.asarray(line, float), axis=0)
    normals = (
        np.stack([-steps[:, 1], steps[:, 0]], 1) / np.maximum(np.linalg.norm(steps, axis=1), 1e-9)[:, None]
    )
    half = np.broadcast_to(np.asarray(widths, float) / 2, len(line))[:, None]
    return np.concatenate([line + normals * half, (line - normals * half)[::-1]])


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


def clouds(rng: np.random.Generator, shape: tuple[int, int], scale_px: float) -> np.ndarray:
    """Give smooth noise of unit variance, float32 (rows, columns)."""
    factor = max(scale_px, 1.0)
    coarse = rng.standard_normal((int(shape[0] / factor) + 3, int(shape[1] / factor) + 3), np.float32)
    return np.asarray(1.3 * cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC))
