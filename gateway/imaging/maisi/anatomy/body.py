"""One body: what a seed draws of it, and the surfaces that its organs are fitted to."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gateway.imaging.maisi.anatomy.lattice import Bend, Points
from gateway.imaging.maisi.anatomy.shapes import Shape, ellipsoid, join, mirrored, tube, where

RIGHT, LEFT = 1, -1
SIDES = {"right": RIGHT, "left": LEFT}
"""x grows to the right."""

# Half width, half depth and centre (y) at heights z, all in mm, of an adult of about 1.72 m.
CAVITY = np.array([
    (-70, 40, 30, -5), (-20, 62, 52, -5), (30, 82, 62, 0), (80, 108, 74, 3), (130, 122, 80, 5),
    (180, 120, 80, 6), (240, 124, 84, 6), (300, 132, 90, 5), (360, 139, 94, 3), (420, 139, 92, -2),
    (480, 130, 84, -10), (520, 108, 70, -18), (550, 82, 54, -22), (575, 56, 36, -24), (592, 30, 14, -24),
], float)  # fmt: skip
WALL = np.array([
    (-75, 130, 86, -5), (-20, 158, 96, -8), (30, 163, 98, -8), (80, 152, 98, -5), (130, 141, 97, -3),
    (180, 134, 95, -2), (240, 138, 99, -1), (300, 146, 105, -1), (360, 153, 109, -3), (420, 156, 109, -6),
    (480, 154, 102, -14), (520, 146, 92, -22), (550, 122, 78, -24), (575, 86, 66, -20), (600, 63, 58, -10),
    (640, 56, 56, -5), (690, 54, 58, 0),
], float)  # fmt: skip
FAT = np.array(
    [(-75, 1.3), (30, 1.4), (130, 1.3), (240, 1.0), (360, 0.7), (480, 0.6), (600, 0.35), (690, 0.2)]
)
"""Height, and the part of the body's fat thickness there."""
SPINE = np.array([
    (-10, -62), (20, -76), (50, -78), (80, -62), (105, -42), (132, -31), (168, -27), (203, -29), (238, -34),
    (272, -40), (305, -46), (334, -51), (361, -55), (387, -58), (412, -60), (436, -61), (459, -60),
    (481, -57), (503, -52), (524, -46), (545, -40), (565, -34), (584, -28), (601, -23), (617, -19),
    (633, -17), (649, -16), (668, -15), (690, -12), (720, -12),
], float)  # fmt: skip
"""Height and y of the vertebral bodies' line."""


def at_height(table: np.ndarray, z: np.ndarray, column: int) -> np.ndarray:
    """Look a column up at heights, smoothly enough for a body."""
    return np.interp(z, table[:, 0], table[:, column]).astype(np.float32)


def spine_y(z: float) -> float:
    """Give y of the vertebral bodies' line."""
    return float(np.interp(z, SPINE[:, 0], SPINE[:, 1]))


@dataclass(frozen=True)
class Body:
    """What a seed draws; every shape takes its own random numbers from it by name."""

    seed: int
    sizes: Mapping[str, float]
    """Of the five organs whose size can be asked for, 0..1; without those to be left out."""
    scale: np.ndarray
    """The body's size against the template's, (3,)."""
    turn_degrees: float
    fat_mm: float
    arms_up: bool
    bend: Bend

    @classmethod
    def draw(cls, seed: int, organ_sizes: Mapping[str, float], *, arms_down: bool) -> "Body":
        """Draw one; organs that `organ_sizes` leaves open get a size from the seed, tumours do not."""
        rng = np.random.default_rng([seed, 1])
        sizes = {
            name: float(rng.uniform(0.2, 0.8))
            for name in ("gallbladder", "liver", "stomach", "pancreas", "colon")
        }
        build = rng.normal(0, 0.03)
        scale = np.clip(1 + build + rng.normal(0, 0.025, 3), 0.9, 1.1)
        return cls(
            seed=seed,
            sizes={**sizes, **organ_sizes},
            scale=scale,
            turn_degrees=float(rng.normal(0, 1.5)),
            fat_mm=float(np.clip(rng.gamma(4, 3.6), 5, 34)),
            arms_up=bool(rng.random() < 0.75) and not arms_down,
            bend=Bend.draw(rng),
        )

    def rng(self, name: str) -> np.random.Generator:
        """Give random numbers that depend on the seed and a name alone."""
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])

    def size(self, name: str, least: float, most: float) -> float:
        """Give a linear measure between the least and the most by the organ's size."""
        return least + (most - least) * self.sizes[name]


def contour(table: np.ndarray, z_range: tuple[float, float], *, back_mm: float = 0.0, grow_mm: float = 0.0,
            power: float = 2.5) -> Shape:  # fmt: skip
    """Give what is inside a table's outline, over a range of heights; `back_mm` takes off at the back."""

    def at(p: Points) -> np.ndarray:
        height = p.z.mean((0, 1))  # the bend moves heights little along one slice
        a = at_height(table, height, 1) + np.float32(grow_mm)
        b = at_height(table, height, 2) + np.float32(grow_mm - back_mm / 2)
        x, y = np.abs(p.x) / a, np.abs(p.y - at_height(table, height, 3) - np.float32(back_mm / 2)) / b
        level = (x**power + y**power + np.float32(1e-6)) ** np.float32(1 / power)
        slope = np.sqrt((x ** (power - 1) / a) ** 2 + (y ** (power - 1) / b) ** 2) * level ** (1 - power)
        return np.asarray((level - 1) / np.maximum(slope, 1e-4), np.float32)

    widest, deepest = table[:, 1].max() + grow_mm, (table[:, 2] + abs(table[:, 3])).max() + grow_mm
    low = np.array([-widest, -deepest, z_range[0]])
    return between(Shape(low, np.array([widest, deepest, z_range[1]]), at), *z_range)


def between(shape: Shape, low_z: float, high_z: float) -> Shape:
    """Cut a shape at two heights."""
    slab = where(lambda p: np.maximum(low_z - p.z, p.z - high_z))
    return shape.within(slab)


def dome() -> Shape:
    """Give what is below the diaphragm."""

    def at(p: Points) -> np.ndarray:
        y = (p.y - 22) / 100
        right = 380 - 78 * (((p.x - 62) / 82) ** 2 + y**2)
        left = 366 - 76 * (((p.x + 66) / 76) ** 2 + y**2)
        gap = np.clip(1 - np.abs(right - left) / 40, 0, None)
        return np.asarray((p.z - np.maximum(right, left) - 10 * gap * gap) / 1.35, np.float32)

    return where(at)


def cavity(shrink_mm: float = 0.0) -> Shape:
    """Give the room of chest and abdomen, inside the ribs and the muscles of the wall."""
    return contour(CAVITY, (-75, 592), back_mm=8, grow_mm=-shrink_mm)


def skin(body: Body) -> Shape:
    """Give the whole body inside its skin."""
    parts = [_trunk(body), _head(body)]
    for side in (RIGHT, LEFT):
        parts += [_leg(body, side), _buttock(body, side), _arm(body, side)]
    return join(*parts, blend_mm=22)


def _trunk(body: Body) -> Shape:
    fat = np.interp(WALL[:, 0], FAT[:, 0], FAT[:, 1]) * body.fat_mm
    table = WALL + np.column_stack([0 * fat, fat, 0.9 * fat, 0 * fat])
    return contour(table, (-75, 690), power=2.4)


def _leg(body: Body, side: int) -> Shape:
    line = mirrored(
        [
            (82, -8, 0),
            (84, -8, -90),
            (84, -2, -220),
            (78, 0, -430),
            (78, -8, -560),
            (74, -8, -800),
            (76, 30, -860),
        ],
        side,
    )
    return tube(line, np.array([80, 78, 70, 55, 56, 38, 38]) + 0.7 * body.fat_mm, step_mm=40)


def _buttock(body: Body, side: int) -> Shape:
    return ellipsoid((side * 66, -70, 4), (60 + 0.5 * body.fat_mm, 53 + 0.9 * body.fat_mm, 84))


def arm_line(body: Body, side: int) -> np.ndarray:
    """Give shoulder, middle of the upper arm, elbow and wrist, (4, 3)."""
    if body.arms_up:
        return mirrored([(158, -22, 536), (192, -8, 660), (208, 12, 790), (120, 40, 1010)], side)
    return mirrored([(163, -22, 532), (200, -24, 410), (222, -22, 260), (216, 20, 20)], side)


def _arm(body: Body, side: int) -> Shape:
    radii = np.array([46, 42, 36, 25]) + 0.35 * body.fat_mm
    return tube(arm_line(body, side), radii, step_mm=30)


def _head(body: Body) -> Shape:
    fat = 0.12 * body.fat_mm
    cranium = ellipsoid((0, 8, 776), (76 + fat, 98 + fat, 82 + fat))
    face = ellipsoid((0, 58, 706), (62 + fat, 56 + fat, 66 + fat), (-12, 0, 0))
    jaw = ellipsoid((0, 50, 664), (50 + 2 * fat, 50 + fat, 32 + 2 * fat), (-10, 0, 0))
    nose = tube([(0, 108, 742), (0, 124, 708)], [7, 12])
    nape = ellipsoid((0, -42, 694), (48 + fat, 32 + fat, 58))
    return join(cranium, face, jaw, nose, nape, blend_mm=14)
