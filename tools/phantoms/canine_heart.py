"""The heart of a drawn dog: an ovoid about its two axes, its caudodorsal corner shaped by the left atrium."""

from dataclasses import dataclass

import numpy as np

from tools.phantoms.canine_canvas import Points, View

AXIS_DEG = (84.0, 8.0)
"""Long axis against the spine, mean and SD of dogs (ventral from caudal)."""
FOREMOST = -3.4
"""Least x of heart_right: before it there is still lung."""


@dataclass(frozen=True)
class Heart:
    """Axes and shape, in vertebrae; `along` runs from the carina to the apex, `across` caudally."""

    top: Points
    """(2,): ventral border of the carina."""
    angle: float
    """Of the long axis, radians ventral of the spine's direction."""
    long: float
    caudal: float
    """Part of the short axis caudal of the long one."""
    cranial: float
    """Part of the short axis cranial of the long one."""
    caudal_level: float
    """Distance along the long axis of the short one's caudal end."""
    cranial_level: float
    atrium: Points
    """(2,): along, across of the VLAS point."""
    fullness: tuple[float, float, float]
    """Superellipse exponents: caudoventral, cranioventral and craniodorsal quarter."""

    @property
    def axes(self) -> np.ndarray:
        """Give (2, 2): unit vectors along and across."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return np.array([[cos, sin], [sin, -cos]])

    def place(self, along: np.ndarray | float, across: np.ndarray | float) -> Points:
        """Map positions along and across the long axis to the vertebral frame."""
        return np.asarray(self.top + np.stack([along, across], -1) @ self.axes)

    def landmarks(self) -> Points:
        """Give (5, 2): heart_top, heart_bottom, heart_right, heart_left, VLAS."""
        along = np.array([0, self.long, self.cranial_level, self.caudal_level, self.atrium[0]])
        across = np.array([0, 0, -self.cranial, self.caudal, self.atrium[1]])
        return self.place(along, across)

    @property
    def vhs(self) -> float:
        """Give the vertebral heart score."""
        ends = self.landmarks()
        return float(self.long + np.linalg.norm(ends[3] - ends[2]))

    @property
    def vlas(self) -> float:
        """Give the vertebral left atrial size."""
        return float(np.linalg.norm(self.atrium))

    def outline(self) -> Points:
        """Give the silhouette, (N, 2); its extremes along both axes are the landmarks."""
        a = np.linspace(0, np.pi / 2, 25)
        dorsal = _exponent(self.atrium[1] / self.caudal, 1 - self.atrium[0] / self.caudal_level)
        quarters = (
            _quarter(a[::-1], dorsal, -self.caudal_level, self.caudal, self.caudal_level),
            _quarter(a, self.fullness[0], self.long - self.caudal_level, self.caudal, self.caudal_level),
            _quarter(
                a[::-1], self.fullness[1], self.long - self.cranial_level, -self.cranial, self.cranial_level
            ),
            _quarter(a, self.fullness[2], -self.cranial_level, -self.cranial, self.cranial_level),
        )
        whole = np.concatenate(quarters)
        return self.place(whole[:, 0], whole[:, 1])


def _quarter(a: np.ndarray, exponent: float, along: float, across: float, level: float) -> Points:
    """Give a quarter of a superellipse: from the short axis (a = 0) to the long one."""
    power = 2 / exponent
    return np.stack([level + along * np.sin(a) ** power, across * np.cos(a) ** power], 1)


def _exponent(x: float, y: float) -> float:
    """Give m with x^m + y^m = 1 for x, y between 0 and 1."""
    low, high = 0.3, 40.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if x**middle + y**middle > 1 else (low, middle)
    return low


def heart_of(rng: np.random.Generator) -> Heart:
    """Draw a heart's parameters; all but its atrium follow the priors at once."""
    while True:
        heart = _draw(rng)
        x, y = heart.atrium[1] / heart.caudal, 1 - heart.atrium[0] / heart.caudal_level
        crowded = heart.landmarks()[2, 0] < FOREMOST
        if not crowded and 0.2 < x < 0.985 and 0.06 < y < 0.9 and 1.0 < _exponent(x, y) < 7:
            return heart


def _draw(rng: np.random.Generator) -> Heart:
    vhs = rng.normal(9.9, 0.8) if rng.random() < 0.6 else rng.uniform(8, 15)
    slimness = float(np.clip(np.exp(rng.normal(np.log(1.18), 0.1)), 0.92, 1.5))
    long, short = vhs * slimness / (1 + slimness), vhs / (1 + slimness)
    angle = np.deg2rad(rng.normal(*AXIS_DEG))
    excess = vhs - 9.9
    vlas = float(np.clip(rng.normal(1.95 + 0.2 * excess, 0.32), 1.2, 4.0))
    if rng.random() < 0.3:
        vlas = rng.uniform(1.2, 4.0)
    bearing = angle - np.deg2rad(np.clip(rng.normal(32, 10), 10, 58))
    atrium = vlas * np.array([np.cos(bearing), np.sin(bearing)])
    share = float(np.clip(rng.normal(0.36 + 0.01 * excess, 0.045), 0.26, 0.52))
    level = long * float(np.clip(rng.normal(0.36, 0.045), 0.25, 0.5))
    skew = rng.normal(0, 0.02) * short
    top = np.array([rng.normal(1.42, 0.5), np.clip(rng.normal(2.05 - 0.13 * excess, 0.38), 0.85, 3.4)])
    fullness = (rng.uniform(1.75, 2.3), rng.uniform(1.65, 2.25), rng.uniform(1.9, 2.7))
    return Heart(
        top, angle, long, share * short, (1 - share) * short, level + skew, level - skew, atrium, fullness
    )


def draw_heart(heart: Heart, view: View) -> np.ndarray:
    """Give the heart's thickness along the beam, float32 (rows, columns) in vertebrae."""
    outline = view.layer().patch(heart.outline())
    deep = 0.42 * (heart.caudal + heart.cranial)
    rounded = outline.solid(deep)
    return np.asarray(1.7 * deep * (0.25 * outline.density() + 0.75 * rounded))
