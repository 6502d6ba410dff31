"""VHS and VLAS from seven landmarks in pixels."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.imaging.vhs.landmarks import (
    HEART_BOTTOM,
    HEART_LEFT,
    HEART_RIGHT,
    HEART_TOP,
    VERTEBRA_A,
    VERTEBRA_B,
    VERTEBRAL_SPAN,
    VLAS,
)

_ANGLE_DECIMALS = 6  # axes drawn at 75 degrees are measured at 75 degrees


class Measurement(NamedTuple):
    """Lengths in vertebrae: one is the mean of T4 to T9 with their discs."""

    long_axis: float
    """heart_top to heart_bottom."""
    short_axis: float
    """heart_right to heart_left, as it lies: not projected onto the perpendicular of the long axis."""
    vlas: float
    """heart_top to the VLAS point."""
    axes_angle: float
    """Between both axes, 0 to 90 degrees."""

    @property
    def vhs(self) -> float:
        """The vertebral heart scale."""
        return self.long_axis + self.short_axis


def measure(points: NDArray[np.float64]) -> Measurement:
    """Measure a heart in vertebrae.

    Parameters
    ----------
    points
        (7, 2), x and y in the order of LANDMARKS, in pixels that are square: lengths taken from
        coordinates that are normalised by width and by height are wrong by the ratio of both.

    Raises
    ------
    ZeroDivisionError
        Vertebra A and Vertebra B are the same point.

    References
    ----------
    Buchanan, Bücheler: Vertebral scale system to measure canine heart size in radiographs, JAVMA 206
    (1995) 194; Malcolm et al., JAVMA 253 (2018) 1038 for VLAS. Li, Zhang: Regressive Vision
    Transformer for Dog Cardiomegaly Assessment, Sci Rep 14 (2024) for 6·(AB + CD)/EF.
    """
    unit = vertebra_length(points)
    long_axis, short_axis = points[HEART_BOTTOM] - points[HEART_TOP], points[HEART_LEFT] - points[HEART_RIGHT]
    return Measurement(
        long_axis=length(long_axis) / unit,
        short_axis=length(short_axis) / unit,
        vlas=length(points[VLAS] - points[HEART_TOP]) / unit,
        axes_angle=_angle(long_axis, short_axis),
    )


def vertebra_length(points: NDArray[np.float64]) -> float:
    """Give the length of one vertebra with its disc, in the unit of the (7, 2) points."""
    return length(points[VERTEBRA_B] - points[VERTEBRA_A]) / VERTEBRAL_SPAN


def length(vector: NDArray[np.float64]) -> float:
    """Give the Euclidean length of (x, y)."""
    return float(np.hypot(*vector))


def cross(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Give the cross product of two (x, y); positive where `second` lies clockwise on the picture."""
    return float(first[0] * second[1] - first[1] * second[0])


def _angle(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    radians = np.arctan2(abs(cross(first, second)), abs(float(first @ second)))
    return round(float(np.degrees(radians)), _ANGLE_DECIMALS)
