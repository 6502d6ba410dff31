"""What light, glass, lens and sensor do to a photo of a screen."""

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np

from tools.phantoms.screen_pose import rectangle
from tools.phantoms.screen_room import clouds, polygon

Generator = np.random.Generator

LEVELS = 4096
"""Steps of linear light when it is brought to the camera's tone curve."""


@cache
def to_linear(gamma: float) -> np.ndarray:
    """Give the light of each 8-bit value, float32 (256,), 0 to 1."""
    return np.asarray((np.arange(256) / 255) ** gamma, np.float32)


class Lens(NamedTuple):
    """Radial distortion about the middle of the photo."""

    k1: float
    focal_px: float
    centre: tuple[float, float]

    def map(self, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        """Give where each pixel's light came from without distortion, for `cv2.remap`."""
        x = (np.arange(width, dtype=np.float32) + 0.5 - self.centre[0]) / self.focal_px
        y = (np.arange(height, dtype=np.float32) + 0.5 - self.centre[1]) / self.focal_px
        stretch = 1 + np.float32(self.k1) * (x**2 + (y**2)[:, np.newaxis])
        focal = np.float32(self.focal_px)
        across = stretch * x * focal + np.float32(self.centre[0] - 0.5)
        return across, stretch * y[:, np.newaxis] * focal + np.float32(self.centre[1] - 0.5)

    def distort(self, points: np.ndarray) -> np.ndarray:
        """Map (N, 2) undistorted points to where the lens puts them."""
        straight = (points - self.centre) / self.focal_px
        bent = straight
        for _ in range(20):  # the stretch is small, so this converges in a few steps
            bent = straight / (1 + self.k1 * (bent**2).sum(1, keepdims=True))
        return np.asarray(bent * self.focal_px + self.centre)


def moire(rng: Generator, to_screen: np.ndarray, width: int, height: int) -> np.ndarray:
    """Give the beat of the screen's sub-pixels against the sensor's, float32 (height, width, 3), about 1.

    Red, green and blue stripes lie a third of a pixel apart, so their beats are shifted in phase, which
    gives the coloured bands of real photos. Cosines of the stripes' phase, taken at the sensor's pixels
    only, alias into the beat by themselves; what the lens blurs away is taken off by the amplitude.

    Parameters
    ----------
    rng
        Source of every choice.
    to_screen
        float64 (3, 3): from pixels of the photo to pixels of the screen.
    width, height
        Of the photo.
    """
    # Near a whole number of stripes per sensor pixel the beat is slow and strong.
    pitch = rng.choice([1.0, 1.0, 2.0, 0.5]) * (1 + rng.normal(0, 0.03))
    scale = abs(np.linalg.det(to_screen[:2, :2])) ** 0.5 / abs(to_screen[2, 2])
    x, y = np.arange(width, dtype=np.float32) + 0.5, np.arange(height, dtype=np.float32)[:, np.newaxis] + 0.5
    matrix = (to_screen / to_screen[2, 2]).astype(np.float32)
    depth = matrix[2, 0] * x + matrix[2, 1] * y + 1
    rate = np.float32(2 * np.pi * pitch / max(scale, 1e-6))
    stripes = (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]) / depth * rate
    lines = (matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]) / depth * rate
    strength = np.float32(rng.uniform(0.02, 0.22))
    colourful = rng.uniform(0.3, 1)
    beat = np.empty((height, width, 3), np.float32)
    rows = 1 + 0.5 * strength * np.cos(lines)
    for channel in range(3):
        phase = np.float32(2 * np.pi * channel / 3 * colourful)
        np.multiply(rows, 1 + strength * np.cos(stripes + phase), out=beat[..., channel])
    return beat


def glare(rng: Generator, width: int, height: int) -> np.ndarray:
    """Give reflected light, float32 (height, width, 1): lamps, a window, a matte haze.

    Drawn at a quarter of the size: reflections on a screen are out of focus.
    """
    w, h = width // 4 + 1, height // 4 + 1
    light = np.zeros((h, w), np.float32)
    for _ in range(int(rng.integers(0, 3))):
        lamp = np.zeros((h, w), np.uint8)
        radii = tuple(int(v) for v in rng.uniform(0.01, 0.12, 2) * max(w, h) + 1)
        centre = tuple(int(v) for v in rng.uniform(0, 1, 2) * (w, h))
        cv2.ellipse(lamp, centre, radii, float(rng.uniform(0, 180)), 0, 360, (255,), -1, cv2.LINE_AA)
        light += _soft(lamp, rng.uniform(0.005, 0.06) * w) * rng.uniform(0.05, 1.6)
    if rng.random() < 0.3:
        light += _soft(_reflected_window(rng, w, h), rng.uniform(0.3, 3)) * rng.uniform(0.03, 0.5)
    if rng.random() < 0.5:
        light += rng.uniform(0, 0.12) * np.clip(1 + 0.7 * clouds(rng, w, h, (2, 2)), 0, 3)
    return np.asarray(cv2.resize(light, (width, height), interpolation=cv2.INTER_LINEAR)[..., np.newaxis])


def _soft(mask: np.ndarray, sigma: float) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), max(sigma, 0.4)))


def _reflected_window(rng: Generator, width: int, height: int) -> np.ndarray:
    """Draw panes of a window, uint8 (height, width)."""
    mask = np.zeros((height, width), np.uint8)
    size, corner = rng.uniform(0.08, 0.35, 2), rng.uniform(-0.1, 0.9, 2)
    shear = rng.normal(0, 0.15)
    for column in range(2):
        for row in range(int(rng.integers(1, 4))):
            left, top = corner + size * (column * 0.55, row * 0.4)
            pane = rectangle(left, top, left + 0.5 * size[0], top + 0.36 * size[1])
            pane[:, 0] += shear * (pane[:, 1] - corner[1])
            polygon(mask, pane * (width, height), (255,))
    return mask


def vignette(rng: Generator, width: int, height: int) -> np.ndarray:
    """Give the fall of light towards the corners, float32 (height, width, 1), 1 in the middle."""
    x = np.linspace(-1, 1, width, dtype=np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, np.newaxis]
    return np.asarray(1 - np.float32(rng.uniform(0, 0.4)) * (x**2 + y**2) / 2)[..., np.newaxis]


def expose(rng: Generator, light: np.ndarray) -> np.ndarray:
    """Meter, balance and develop linear light, float32 (rows, columns, 3), to uint8."""
    metered = float(light[::8, ::8].mean()) + 1e-4
    gain = rng.uniform(0.1, 0.3) / metered * rng.normal(1, 0.07, 3)
    levels = light * (gain * LEVELS).astype(np.float32)
    np.clip(levels, 0, LEVELS - 1, out=levels)
    return np.asarray(_tone_curve(round(rng.uniform(1.9, 2.5), 1))[levels.astype(np.uint16)])


@cache
def _tone_curve(gamma: float) -> np.ndarray:
    """Give the 8-bit value of each level of light, uint8 (LEVELS,)."""
    x = np.arange(LEVELS) / (LEVELS - 1)
    return np.asarray((255 * x ** (1 / gamma)).round().astype(np.uint8))


def blur(rng: Generator, image: np.ndarray) -> np.ndarray:
    """Put the photo out of focus or let the hand shake, or neither."""
    unit = max(image.shape) / 640
    if rng.random() < 0.55:
        sigma = rng.exponential(0.6) * unit
        if sigma > 0.3:
            image = cv2.GaussianBlur(image, (0, 0), min(sigma, 2.5 * unit))
    if rng.random() < 0.2:
        image = cv2.filter2D(image, -1, _shake(rng, rng.uniform(2, 9) * unit))
    return np.asarray(image)


def _shake(rng: Generator, length: float) -> np.ndarray:
    """Give a straight kernel of a length in pixels, float32, sum 1."""
    side = int(length) | 1
    kernel = np.zeros((side, side), np.float32)
    angle = rng.uniform(0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    middle = np.array([side / 2, side / 2])
    ends = [tuple(int(v) for v in (middle + sign * reach).clip(0, side - 1)) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], (1.0,), 1)
    return np.asarray(kernel / max(kernel.sum(), 1e-6))


@cache
def _grain() -> np.ndarray:
    """Give normal noise to cut from: drawing it anew would take a third of a photo's time."""
    return np.random.default_rng(0).standard_normal(3 << 20, np.float32)


def noise(rng: Generator, image: np.ndarray) -> np.ndarray:
    """Add the sensor's noise, which the tone curve has made about even, to uint8."""
    grain = _grain()
    start = int(rng.integers(0, len(grain) - 1))
    drawn = np.take(grain, np.arange(start, start + image.size), mode="wrap").reshape(image.shape)
    sigma = np.float32(min(rng.exponential(2.5), 12))
    return np.asarray(np.clip(image + sigma * drawn, 0, 255).astype(np.uint8))


def jpeg(rng: Generator, image: np.ndarray) -> np.ndarray:
    """Compress as a phone or a messenger does, quality 50 to 95, and decode again."""
    quality = int(rng.integers(50, 96))
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
