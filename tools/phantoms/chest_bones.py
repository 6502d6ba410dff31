"""Bones and vessels of a drawn chest: curves, drawn as tubes with the thickness that the beam meets.

Lengths are centimetres on the film of `chest_anatomy`. OpenCV smooths edges of 8-bit images only, so lines
are drawn as bytes and scaled.
"""

import cv2
import numpy as np

from tools.phantoms.chest_anatomy import Build, Grid, blur

Points = np.ndarray
"""float (N, 2) or (N, 3): x, y and, towards the detector, z, in cm."""

SHIFT = 4
"""Fractional bits of OpenCV's coordinates: lines lie between pixels too."""
UNIT = 64
"""Byte that stands for 1 while drawing."""

RIB_HALF_WIDTH = (6.6, 9.7, 11.3, 12.3, 13.0, 13.5, 13.85, 14.05, 14.15, 14.1)


class Canvas:
    """Bytes to draw tubes on; where tubes cross, the later one counts.

    Attributes
    ----------
    thinnest_cm
        What is thinner leaves no trace.
    """

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._bytes = np.zeros(grid.shape, np.uint8)
        self.thinnest_cm = max(0.05, 0.2 / grid.pixels_per_cm)

    def tube(self, points: Points, widths: np.ndarray, densities: np.ndarray | float = 1.0) -> None:
        """Draw a line of N points, whose width and density may change from point to point."""
        pixels, scale = self._pixels(points).tolist(), self._grid.pixels_per_cm
        levels = np.clip(np.broadcast_to(densities, len(points)) * UNIT, 0, 255)
        thick = np.maximum((np.broadcast_to(widths, len(points)) * scale).round(), 1).astype(int)
        for start, end, width, level in zip(pixels[:-1], pixels[1:], thick[:-1], levels[:-1], strict=True):
            cv2.line(self._bytes, start, end, [float(level)], int(width), cv2.LINE_AA, SHIFT)

    def patch(self, outline: Points) -> None:
        """Fill a polygon."""
        cv2.fillPoly(self._bytes, [self._pixels(outline)], [UNIT], cv2.LINE_AA, SHIFT)

    def _pixels(self, points: Points) -> np.ndarray:
        place = (points[:, :2] - (self._grid.x[0, 0], self._grid.y[0, 0])) * self._grid.pixels_per_cm
        return np.asarray((place * 2**SHIFT).round().astype(np.int32))

    def density(self, blur_cm: float = 0.0) -> np.ndarray:
        """Give what was drawn, float32 (rows, columns), 1 where the density was 1."""
        image = self._bytes.astype(np.float32) / UNIT
        return blur(image, blur_cm, self._grid) if blur_cm else image


def bones(grid: Grid, build: Build, generator: np.random.Generator) -> np.ndarray:
    """Give the thickness of bone mineral, float32 (rows, columns) in cm of compact bone."""
    whole = spine(grid) + ribs(grid, build, generator)
    for side in (-1, 1):
        whole += _clavicle(grid, side * build.girth, generator)
        whole += _shoulder(grid, side * build.girth, generator)
    return np.asarray(whole)


def ribs(grid: Grid, build: Build, generator: np.random.Generator) -> np.ndarray:
    """Give ten ribs a side: posterior arcs nearly level, anterior ones steep, dense where they turn."""
    whole = np.zeros(grid.shape, np.float32)
    arcs = [_rib(number, side, build, generator) for number in range(10) for side in (-1, 1)]
    # Ribs that overlap lie on different canvases, where their shadows add up; five apart, none do.
    for first in range(5):
        outer, inner = Canvas(grid), Canvas(grid)
        for points, widths, densities in (
            arcs[i] for i in (2 * first, 2 * first + 1, 2 * first + 10, 2 * first + 11)
        ):
            outer.tube(points, widths, densities)
            # The cortex is thicker above: the groove for the vessels runs along the lower edge.
            inner.tube(points + np.array([0, 0.03, 0]), np.maximum(widths - 0.26, 0.1), densities)
        whole += blur(0.5 * outer.density() - 0.2 * inner.density(), 0.05, grid)
    return whole


def _rib(
    number: int, side: int, build: Build, generator: np.random.Generator
) -> tuple[Points, np.ndarray, np.ndarray]:
    """Give a rib's curve around the chest from the spine to its cartilage, widths and beam densities."""
    angle = np.linspace(0.0, np.deg2rad(152 - 2 * max(number - 6, 0) ** 2), 61)
    reach = RIB_HALF_WIDTH[number] * build.girth + generator.normal(0, 0.08)
    fall = 3.3 + 0.72 * number + generator.normal(0, 0.12)
    begin = 4.4 + 2.28 * number + 0.4 * build.inspiration_cm * number / 9
    turned = 0.5 * (1 - np.cos(angle))
    x = side * (1.3 + (reach - 1.3) * np.sin(angle) ** 0.85)
    y = begin + fall * turned**0.9 - 0.5 * np.sin(2 * np.minimum(angle, np.pi / 2))
    z = -0.75 * reach * np.cos(angle)
    points = np.stack([x, y, z], 1)
    steps = np.gradient(points, axis=0)
    seen = np.linalg.norm(steps[:, :2], axis=1)
    densities = np.clip(np.linalg.norm(steps, axis=1) / np.maximum(seen, 1e-3), 1, 2.2) ** 0.6
    widths = np.interp(angle, (0, 0.6, 2.2, 2.6), (0.95, 1.15, 1.2, 1.4)) * (0.85 if number == 0 else 1)
    fade = np.interp(angle, (0, 2.2, angle[-1]), (1, 0.8, 0.05))
    return points, widths, densities * fade


def _clavicle(grid: Grid, side: float, generator: np.random.Generator) -> np.ndarray:
    t = np.linspace(0, 1, 40)
    lift = generator.uniform(2.0, 3.6)
    x = side * (2.2 + 14.3 * t)
    y = 9.0 - lift * t + 0.75 * np.sin(2 * np.pi * t) * (1 - 0.3 * t)
    points = np.stack([x, y], 1)
    widths = np.interp(t, (0, 0.12, 0.45, 0.8, 1), (1.7, 1.4, 1.1, 1.25, 1.5))
    densities = np.interp(t, (0, 0.2, 0.8, 1), (0.6, 1, 1, 0.7))
    outer, inner = Canvas(grid), Canvas(grid)
    outer.tube(points, widths, densities)
    inner.tube(points, widths - 0.35, densities)
    return np.asarray(0.9 * outer.density(0.06) - 0.4 * inner.density(0.1))


def _shoulder(grid: Grid, side: float, generator: np.random.Generator) -> np.ndarray:
    """Give scapula and upper arm."""
    away = generator.uniform(0, 1.2)
    mirror = np.array([side, 1.0])
    blade = np.array([
        (10.0 + away, 9.0), (15.2, 8.6), (15.6, 11.2), (13.6 + away, 15.5), (12.3 + away, 20.6),
        (11.3 + away, 20.0), (10.2 + away, 14.0),
    ])  # fmt: skip
    plate = Canvas(grid)
    plate.patch(blade * mirror)
    whole = 0.18 * plate.density(0.15)
    edges = Canvas(grid)
    edges.tube(blade[2:6] * mirror, np.array([0.9, 0.6, 0.45, 0.4]), 0.9)
    edges.tube(blade[[5, 6, 0]] * mirror, np.full(3, 0.22), 0.45)
    edges.tube(
        np.array([(10.4 + away, 10.8), (13.5, 8.6), (17.6, 6.9)]) * mirror, np.array([0.5, 0.8, 1.2]), 0.7
    )
    edges.tube(np.array([(14.8, 9.2), (13.9, 8.4), (13.4, 8.9)]) * mirror, np.array([0.9, 0.9, 0.8]), 0.7)
    whole += 0.8 * edges.density(0.15)
    arm = np.array([(17.9, 10.0), (17.9, 10.2), (18.3, 11.8), (18.8, 14.0), (20.9 + away / 2, 34.0)]) * mirror
    outer, inner = Canvas(grid), Canvas(grid)
    for width, canvas in ((0.0, outer), (0.45, inner)):
        canvas.tube(arm, np.array([4.7, 4.4, 3.2, 2.4, 2.2]) - width)
    return np.asarray(whole + 0.9 * outer.density(0.1) - 0.4 * inner.density(0.2))


def spine(grid: Grid) -> np.ndarray:
    """Give the vertebrae from the neck to the loins: bodies, pedicles, spinous processes."""
    outer, inner, knobs = Canvas(grid), Canvas(grid), Canvas(grid)
    y = -2.0
    while y < 48:
        height = 1.55 + 0.028 * max(y, 0)
        half = 1.45 + 0.02 * max(y, 0)
        outer.patch(_box(half, y, height / 2))
        inner.patch(_box(half - 0.2, y, height / 2 - 0.15))
        for side in (-1, 1):
            eye = np.array([(side * half * 0.7, y - 0.25), (side * half * 0.7, y + 0.2)])
            knobs.tube(eye, np.full(2, 0.5), 0.7)
            wing = np.array([(side * half, y - 0.1), (side * (half + 1.1), y - 0.35)])
            knobs.tube(wing, np.full(2, 0.65), 0.6)
        knobs.tube(np.array([(0, y + 0.3), (0, y + 1.0)]), np.full(2, 0.4), 0.8)
        y += height + 0.36
    return np.asarray(0.8 * outer.density(0.13) - 0.2 * inner.density(0.13) + 0.4 * knobs.density(0.1))


def _box(half: float, y: float, tall: float) -> Points:
    """Give a vertebral body's outline: the sides drawn in at the waist."""
    waist = 0.9 * half
    return np.array(
        [(-half, y - tall), (half, y - tall), (waist, y), (half, y + tall), (-half, y + tall), (-waist, y)]
    )


def vessels(grid: Grid, generator: np.random.Generator) -> np.ndarray:
    """Give the thickness of the lungs' vessels, branching from both hila, float32 (rows, columns) in cm."""
    canvas = Canvas(grid)
    for side, hilum in ((-1, (-3.4, 18.4)), (1, (3.9, 17.6))):
        for direction in np.linspace(-80, 84, 11) + generator.normal(0, 5, 11):
            width = generator.uniform(0.4, 0.62) * (1.15 if direction > 20 else 0.9)
            start = (hilum[0] + generator.normal(0, 0.3), hilum[1] + 1.5 * direction / 80)
            _branch(canvas, generator, start, np.deg2rad(direction), width, side)
        t = np.linspace(0, 1, 25)
        stem = np.stack([side * (3.0 + 2.7 * t**0.7), hilum[1] - 0.7 + 6 * t**1.3], 1)
        canvas.tube(
            stem, np.interp(t, (0, 0.4, 1), (1.35, 1.1, 0.45)), np.interp(t, (0, 0.3, 1), (0.8, 0.95, 0.4))
        )
    return canvas.density(0.06)


def _branch(
    canvas: Canvas,
    generator: np.random.Generator,
    start: tuple[float, float],
    angle: float,
    width: float,
    side: int,
) -> None:
    """Draw a vessel and what springs from it, until it is too thin to be seen."""
    if width < canvas.thinnest_cm:
        return
    steps = 6
    bends = angle + np.cumsum(generator.normal(0, 0.11, steps))
    stride = (0.16 + 0.42 * width**0.6) * generator.uniform(0.8, 1.3)
    moves = np.stack([side * np.cos(bends), np.sin(bends)], 1) * stride
    points = np.concatenate([[start], start + np.cumsum(moves, 0)])
    canvas.tube(
        points, np.linspace(width, width * 0.8, steps + 1), np.linspace(width, width * 0.8, steps + 1)
    )
    end = (float(points[-1, 0]), float(points[-1, 1]))
    spread = generator.uniform(0.25, 0.5)
    _branch(canvas, generator, end, bends[-1] - spread, width * generator.uniform(0.6, 0.78), side)
    _branch(canvas, generator, end, bends[-1] + spread, width * generator.uniform(0.6, 0.78), side)
