"""Soft tissue and air of a drawn chest, as thicknesses along the beam.

Lengths are centimetres. `x` runs from the midline to the patient's left, which is the film's right; `y` runs
down from the upper edge of a film 42 cm high, so that the lungs begin near 6 and the diaphragm lies near 29.
"""

from typing import NamedTuple

import cv2
import numpy as np

Knots = tuple[tuple[float, float], ...]

FIELD_CM = 37.0
"""Longer side of the film."""
MIDDLE_Y = 20.5
"""Height of the film's middle."""

TORSO_HALF_WIDTH: Knots = (
    (0, 6.0), (2.5, 6.4), (4.5, 10.0), (6, 16.0), (8, 19.5), (11, 20.0), (14, 19.2), (18, 18.4),
    (24, 17.6), (30, 17.2),
    (42, 17.2),
)  # fmt: skip
TORSO_DEPTH: Knots = ((0, 11.5), (5, 13.0), (9, 16.5), (14, 19.5), (20, 21.0), (30, 22.5), (42, 23.0))
LUNG_LATERAL: Knots = (
    (4.2, 3.6), (4.6, 5.0), (5.4, 7.0), (7, 9.0), (9, 10.4), (12, 11.7), (16, 12.7), (21, 13.4),
    (26, 13.7), (34, 13.8), (42, 13.5),
)  # fmt: skip
LUNG_DEPTH: Knots = ((4.4, 0.0), (5.0, 4.5), (7.0, 9.5), (12, 14.0), (19, 16.5), (28, 16.5), (42, 16.0))
HEART_LEFT: Knots = (
    (0, 2.6), (5, 2.9), (8, 2.35), (11.5, 2.6), (13.3, 3.7), (14.6, 3.9), (16.2, 3.1), (17.4, 3.4),
    (19, 4.4), (22, 6.4), (25, 8.2), (27, 9.0), (29, 8.9), (33, 6.5), (42, 6),
)  # fmt: skip
HEART_RIGHT: Knots = (
    (0, 2.6), (5, 2.8), (8, 2.4), (11, 2.75), (14, 3.15), (16, 2.9), (18.5, 3.2), (20.5, 4.1), (23, 4.9),
    (25.5, 5.0), (28, 4.4), (31, 3.6), (42, 3.5),
)  # fmt: skip


class Grid(NamedTuple):
    """Where the pixels of a film lie."""

    x: np.ndarray
    """float32 (1, columns), cm."""
    y: np.ndarray
    """float32 (rows, 1), cm."""
    pixels_per_cm: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.y.size, self.x.size


class Build(NamedTuple):
    """How one drawn person differs from another."""

    female: bool
    age_years: int
    girth: float
    """Width and depth of the body, as a ratio to the drawn one."""
    heart: float
    """Width of the heart, likewise."""
    inspiration_cm: float
    """How much lower than drawn the diaphragm stands."""
    shift_cm: tuple[float, float]
    """How far the chest lies right of and below the film's middle."""
    tilt: float
    """Sideways lean, centimetres per centimetre of height."""


def build_of(generator: np.random.Generator) -> Build:
    """Draw a person."""
    return Build(
        female=bool(generator.random() < 0.5),
        age_years=int(generator.integers(22, 78)),
        girth=generator.uniform(0.92, 1.06),
        heart=generator.uniform(0.84, 1.08),
        inspiration_cm=generator.uniform(-1.8, 1.0),
        shift_cm=(generator.normal(0, 0.4), generator.normal(0, 0.4)),
        tilt=generator.normal(0, 0.012),
    )


def grid_of(rows: int, columns: int, build: Build) -> Grid:
    """Lay the pixels over the chest, both centred."""
    pixels_per_cm = max(rows, columns) / FIELD_CM
    x = (np.arange(columns, dtype=np.float32) + 0.5 - columns / 2) / pixels_per_cm - build.shift_cm[0]
    y = (np.arange(rows, dtype=np.float32) + 0.5 - rows / 2) / pixels_per_cm + MIDDLE_Y
    return Grid(x[np.newaxis], (y - build.shift_cm[1])[:, np.newaxis], pixels_per_cm)


def along(coordinate: np.ndarray, knots: Knots, smooth_cm: float = 0.8) -> np.ndarray:
    """Interpolate between knots, their corners rounded over `smooth_cm`; float32, shape of `coordinate`."""
    fine = np.arange(-20, 65, 0.05, dtype=np.float32)
    at, level = np.array(knots).T
    values = np.interp(fine, at, level).astype(np.float32)[np.newaxis]
    rounded = cv2.GaussianBlur(values, (0, 0), smooth_cm / 0.05, borderType=cv2.BORDER_REPLICATE)[0]
    return np.interp(coordinate, fine, rounded).astype(np.float32)


def blur(image: np.ndarray, sigma_cm: float, grid: Grid) -> np.ndarray:
    """Blur; wide blurs on a smaller copy, which looks the same and is many times quicker."""
    sigma = sigma_cm * grid.pixels_per_cm
    step = int(max(sigma / 4, 1))
    if step == 1:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), max(sigma, 0.3)))
    rows, columns = grid.shape
    small = cv2.resize(image, (max(columns // step, 1), max(rows // step, 1)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / step)
    return np.asarray(cv2.resize(small, (columns, rows), interpolation=cv2.INTER_CUBIC))


def ellipsoid(
    grid: Grid, centre: tuple[float, float], axes: tuple[float, float], depth: float, degrees: float = 0.0
) -> np.ndarray:
    """Give the thickness of an ellipsoid, float32 (rows, columns) in cm; `axes` are half-axes."""
    angle = np.deg2rad(degrees)
    x, y = grid.x - centre[0], grid.y - centre[1]
    u = (x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))) / axes[0]
    v = (y * np.float32(np.cos(angle)) - x * np.float32(np.sin(angle))) / axes[1]
    return np.asarray(np.float32(depth) * np.sqrt(np.maximum(1 - u * u - v * v, 0), dtype=np.float32))


def clouds(generator: np.random.Generator, grid: Grid, scale_cm: float) -> np.ndarray:
    """Give smooth noise, mean 0 and deviation 1, whose blobs are about `scale_cm` wide."""
    cells = [max(round(size / grid.pixels_per_cm / scale_cm), 2) + 2 for size in grid.shape]
    noise = generator.standard_normal(cells).astype(np.float32)
    rows, columns = grid.shape
    smooth = cv2.resize(noise, (columns, rows), interpolation=cv2.INTER_CUBIC)
    return np.asarray((smooth - smooth.mean()) / smooth.std())


def body(grid: Grid, build: Build) -> np.ndarray:
    """Give the thickness of neck, shoulders, arms and trunk, float32 (rows, columns) in cm."""
    half_width = along(grid.y, TORSO_HALF_WIDTH) * build.girth
    u = np.abs(grid.x / half_width)
    # A trunk is boxier than an ellipse, so its walls are thick enough to hide the lungs' outer edge.
    trunk = along(grid.y, TORSO_DEPTH) * build.girth * np.maximum(1 - u**3.2, 0) ** np.float32(0.55)
    whole = trunk
    for side in (-1, 1):
        whole = np.maximum(whole, _arm(grid, side * build.girth))
        if build.female:
            whole += _breast(grid, side * build.girth)
    return np.asarray(whole)


def _arm(grid: Grid, side: float) -> np.ndarray:
    start, slope, radius_cm = 19.0, 0.13, 5.0
    middle = start + slope * (grid.y - 10)
    across = (np.abs(grid.x - side * middle)) ** 2 + np.maximum(10 - grid.y, 0) ** 2
    return np.asarray(2 * np.sqrt(np.maximum(radius_cm**2 - across, 0), dtype=np.float32))


def _breast(grid: Grid, side: float) -> np.ndarray:
    shape = ellipsoid(grid, (side * 8.4, 24.0), (6.6, 6.9), 3.4, side * -12)
    return np.asarray(shape * along(grid.y, ((0, 0), (17, 0), (25, 1), (42, 1)), 2.0))


def lungs(grid: Grid, build: Build) -> np.ndarray:
    """Give the thickness of aerated lung without what lies between the lungs, float32 (rows, columns)."""
    lateral = along(grid.y, LUNG_LATERAL, 0.4) * build.girth
    depth = along(grid.y, LUNG_DEPTH, 0.3) * build.girth
    tilted = grid.x + build.tilt * (grid.y - 20)
    inner = 0.28 * lateral
    u = (np.abs(tilted) - inner) / np.where(np.abs(tilted) > inner, lateral - inner, inner)
    apex = np.maximum(1 - np.abs(u) ** 2.2, 0) ** np.float32(0.5)
    aerated = np.where(np.abs(tilted) > inner, apex, 1.0) * depth
    return np.asarray(aerated * _above_diaphragm(grid, build), np.float32)


def diaphragm_y(x: np.ndarray, build: Build) -> np.ndarray:
    """Give the height of the domes over `x`: the right one higher, both falling to the outer angles."""
    right, left = 28.4 + build.inspiration_cm, 29.7 + build.inspiration_cm
    knots: Knots = (
        (-14.5, right + 5.2), (-13, right + 3.4), (-11, right + 1.4), (-8.5, right + 0.2), (-6.5, right),
        (-4, right + 0.6), (-1, right + 1.4),
        (2, left + 0.8), (5, left + 0.2), (7, left), (9, left + 0.3), (11.2, left + 1.6), (13, left + 3.4),
        (14.5, left + 5.2),
    )  # fmt: skip
    return along(x / build.girth, knots, 0.6)


def _above_diaphragm(grid: Grid, build: Build) -> np.ndarray:
    """Give the share of lung that is left: all above the domes, little in the recess behind them."""
    below = grid.y - diaphragm_y(grid.x, build)
    behind = 0.16 * np.exp(-np.maximum(below, 0) / 2.5)
    sharp = 1 / (1 + np.exp(np.clip(below / 0.06, -30, 30)))
    return np.asarray(sharp + (1 - sharp) * behind, np.float32)


def heart_and_vessels(grid: Grid, build: Build) -> np.ndarray:
    """Give the thickness of what displaces lung in the middle, float32 (rows, columns) in cm."""
    y = grid.y - 0.6 * build.inspiration_cm * np.clip((grid.y - 14) / 12, 0, 1)
    left, right = along(y, HEART_LEFT, 0.45), along(y, HEART_RIGHT, 0.5)
    left, right = (np.where(edge > 3.2, 3.2 + (edge - 3.2) * build.heart, edge) for edge in (left, right))
    u = np.abs(grid.x) / np.where(grid.x > 0, left, right)
    return np.asarray(17 * np.maximum(1 - u**3, 0) ** np.float32(0.5), np.float32)


def airways(grid: Grid) -> np.ndarray:
    """Give the thickness of air in the trachea and the main bronchi, float32 (rows, columns) in cm."""
    middle = along(grid.y, ((0, 0.0), (8, -0.1), (15, -0.5), (42, -0.5)))
    u = (grid.x - middle) / 0.88
    trachea = (
        2.6
        * np.sqrt(np.maximum(1 - u * u, 0))
        * along(grid.y, ((0, 1.0), (15.6, 1.0), (16.4, 0), (42, 0)), 0.2)
    )
    for tip, reach, radius in ((-3.6, 19.2, 0.7), (4.2, 19.4, 0.6)):
        t = np.clip((grid.y - 15.2) / (reach - 15.2), 0, 1)
        off = (grid.x - (-0.5 + t * (tip + 0.5))) / (radius * 1.3)
        bronchus = 1.3 * radius * np.sqrt(np.maximum(1 - off * off, 0)) * (t > 0) * (1 - t)
        trachea = np.maximum(trachea, bronchus)
    return blur(trachea.astype(np.float32), 0.05, grid)


def abdominal_gas(grid: Grid, build: Build, generator: np.random.Generator) -> np.ndarray:
    """Give the thickness of gas in the stomach and the bowel below the left dome, in cm."""
    top = 29.7 + build.inspiration_cm
    centre = (generator.uniform(6.0, 7.5), top + generator.uniform(2.0, 2.6))
    bubble = ellipsoid(grid, centre, (generator.uniform(2.2, 3.2), 1.5), generator.uniform(3, 5))
    for _ in range(5):
        place = (generator.uniform(3, 11), top + generator.uniform(4.5, 9))
        bubble += ellipsoid(grid, place, (generator.uniform(0.6, 1.5), generator.uniform(0.5, 1)), 1.6)
    return blur(bubble, 0.08, grid)


def cavitated_opacity(grid: Grid, generator: np.random.Generator) -> np.ndarray:
    """Give the thickness of a patchy opacity in an upper lobe with a thick-walled cavity, in cm."""
    side = generator.choice([-1, 1])
    x, y = side * generator.uniform(5.6, 7.2), generator.uniform(8.8, 10.6)
    distance = ((grid.x - x) / 2.6) ** 2 + ((grid.y - y) / 2.3) ** 2
    patches = np.clip(0.7 + 0.45 * clouds(generator, grid, 0.9) + 0.25 * clouds(generator, grid, 0.3), 0, 2)
    opacity = 2.6 * np.exp(-distance) * patches
    wall, hollow = generator.uniform(1.25, 1.6), generator.uniform(0.75, 0.95)
    opacity = np.maximum(opacity, ellipsoid(grid, (x, y), (wall, wall * 0.9), 3.4))
    opacity -= ellipsoid(grid, (x + 0.1, y - 0.1), (hollow, hollow * 0.92), 3.4)
    for _ in range(14):
        place = (x + side * generator.normal(0, 1.8), y + generator.normal(0.8, 1.8))
        opacity += ellipsoid(grid, place, (0.28, 0.24), generator.uniform(0.4, 1.2))
    return blur(np.maximum(opacity, 0).astype(np.float32), 0.08, grid)
