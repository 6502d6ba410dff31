"""The field of view: where in the template the asked volume lies."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from gateway.imaging.maisi.anatomy.parts import Part, index_of

REGIONS_Z_MM = {
    "head": (655.0, 860.0),
    "chest": (310.0, 590.0),
    "thorax": (310.0, 590.0),
    "abdomen": (150.0, 370.0),
    "pelvis": (-60.0, 150.0),
    "lower": (-60.0, 150.0),
}
"""Lowest and highest of each body region, in the template."""
HEAD_MIDDLE_Y_MM = 14.0
SHIFT_MM = 60.0
"""How far the view leaves the middle of the asked regions to have asked structures in it."""
WANTED_MM = 50.0
"""So much of each asked structure's height is enough."""


@dataclass(frozen=True)
class View:
    """Where the voxels of the asked grid lie in the template."""

    output_size: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    centre: np.ndarray
    """Template point in the middle of the volume, mm, (3,)."""
    scale: np.ndarray
    """The body's size against the template's, (3,)."""
    turn_degrees: float

    @property
    def low(self) -> np.ndarray:
        """The lower corner in the template, the turn apart."""
        return np.asarray(self.centre - self._half)

    @property
    def high(self) -> np.ndarray:
        """The upper corner."""
        return np.asarray(self.centre + self._half)

    @property
    def _half(self) -> np.ndarray:
        half = np.array(self.output_size) * self.spacing_mm / self.scale / 2
        return np.asarray(half * (1.06, 1.06, 1) + (4, 4, 4))

    def template_z(self, k: int) -> float:
        """Give the height of a slice."""
        offset = (k - (self.output_size[2] - 1) / 2) * self.spacing_mm[2]
        return float(self.centre[2] + offset / self.scale[2])

    def in_plane(self) -> np.ndarray:
        """Give the matrix (2, 3) from indices (x, y, 1) of the asked grid to the template's x and y."""
        turn = np.radians(self.turn_degrees)
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        linear = rotation @ np.diag(np.array(self.spacing_mm[:2]) / self.scale[:2])
        middle = (np.array(self.output_size[:2]) - 1) / 2
        return np.column_stack([linear, self.centre[:2] - linear @ middle])


def choose_centre(
    parts: Iterable[Part], regions: Sequence[str], names: Sequence[str], height_mm: float
) -> np.ndarray:
    """Choose the middle of the view: of the regions, moved a little where that shows more of what is asked.

    Parameters
    ----------
    regions
        Empty where the asked structures alone decide.
    names
        The asked structures.
    height_mm
        Of the view, in the template.
    """
    heights = _heights(parts, names)
    if regions:
        bounds = np.array([REGIONS_Z_MM[each] for each in regions])
        middle, reach = (bounds[:, 0].min() + bounds[:, 1].max()) / 2, SHIFT_MM
    elif len(heights):
        middle, reach = float(heights.mean()), 2000.0
    else:
        middle, reach = sum(REGIONS_Z_MM["abdomen"]) / 2, 0.0
    z = _best(heights, middle, reach, height_mm)
    y = float(np.interp(z, (600, 720), (-2, HEAD_MIDDLE_Y_MM)))
    return np.array([0.0, y, z])


def _heights(parts: Iterable[Part], names: Sequence[str]) -> np.ndarray:
    """Give the lowest and highest of each asked structure, (n, 2)."""
    parts = list(parts)
    found = []
    for name in names:
        own = [each.shape for each in parts if each.label == index_of(name)]
        if own:
            found.append((min(each.low[2] for each in own), max(each.high[2] for each in own)))
    return np.array(found).reshape(-1, 2)


def _best(heights: np.ndarray, middle: float, reach: float, height_mm: float) -> float:
    """Give the middle that misses least of the structures, and of equals the one nearest to that wanted."""
    if not len(heights):
        return middle
    span = min(reach, max(np.ptp(heights) + height_mm, 1.0))
    steps = np.arange(-np.floor(span / 4), np.floor(span / 4) + 1) * 4.0
    offered = middle + steps
    low, high = offered[:, None] - height_mm / 2, offered[:, None] + height_mm / 2
    seen = np.clip(np.minimum(high, heights[:, 1]) - np.maximum(low, heights[:, 0]), 0, None)
    enough = np.minimum(heights[:, 1] - heights[:, 0], WANTED_MM)
    missed = np.clip(1 - seen / np.maximum(enough, 1), 0, None).sum(1)
    return float(offered[np.argmin(missed + 0.002 * np.abs(steps))])
