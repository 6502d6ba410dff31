"""Which landmarks can be a dog's heart and spine; whatever cannot is not measured.

Limits in vertebrae and in the vertebral frame: origin Vertebra A, x towards Vertebra B, y towards the apex.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.imaging.vhs.landmarks import (
    HEART_BOTTOM,
    HEART_LEFT,
    HEART_RIGHT,
    HEART_TOP,
    LANDMARKS,
    VERTEBRA_A,
    VERTEBRA_B,
    VHS_LANDMARKS,
    VLAS,
)
from gateway.imaging.vhs.measurement import Measurement, cross, length, vertebra_length

MIN_PEAK = 0.15
"""Mean heatmap peak from which a landmark counts as found."""
INSIDE = (-0.02, 1.02)
"""Where landmarks may lie, as fractions of width and height."""
MIN_SPINE_SHARE = 0.10
"""Vertebra A to Vertebra B, of the picture's longer side."""
VHS_LIMITS = (5.0, 17.0)
LONG_AXIS_LIMITS = (3.0, 10.0)
SHORT_AXIS_LIMITS = (2.0, 8.0)
AXES_RATIO_LIMITS = (0.8, 2.2)
MIN_AXES_ANGLE = 60.0
"""Degrees; below, the axes are not those of a heart."""
PERPENDICULAR_FROM = 75.0
"""Degrees; 84 is the 5th percentile of real labels, and at 75 the short axis is off by 0.16 vertebrae."""
VLAS_LIMITS = (0.8, 4.5)
MAX_VLAS_SPREAD = 0.02
FRAME_DEVIATIONS = 5.0
"""Standard deviations that a landmark may lie from its usual place."""


class Place(NamedTuple):
    """Where a landmark usually lies in the vertebral frame: mean and standard deviation, in vertebrae."""

    x: float
    x_sd: float
    y: float
    y_sd: float


USUAL_PLACES = {
    HEART_TOP: Place(1.43, 0.69, 1.98, 0.72),
    HEART_BOTTOM: Place(1.95, 1.16, 7.13, 1.03),
    HEART_RIGHT: Place(-1.32, 1.21, 4.11, 0.68),
    HEART_LEFT: Place(3.14, 0.75, 3.57, 0.66),
}
"""Of 42 annotated real radiographs."""


def found(fractions: NDArray[np.float64], peaks: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which landmarks lie inside the picture and have a clear peak.

    Parameters
    ----------
    fractions
        (7, 2) of width and height.
    peaks
        (7,), means over the folds.
    """
    inside = ((fractions >= INSIDE[0]) & (fractions <= INSIDE[1])).all(axis=1)
    return np.asarray(inside & (peaks >= MIN_PEAK))


def spine_fault(points: NDArray[np.float64], is_found: NDArray[np.bool_], long_side: float) -> str | None:
    """Say why nothing can be measured in vertebrae; None where it can.

    Parameters
    ----------
    points
        (7, 2) in square pixels.
    long_side
        Of the picture, in the same pixels.
    """
    missing = [LANDMARKS[each] for each in VHS_LANDMARKS if not is_found[each]]
    if missing:
        return f"not found: {', '.join(missing)}"
    if length(points[VERTEBRA_B] - points[VERTEBRA_A]) < MIN_SPINE_SHARE * long_side:
        return "Vertebra A and Vertebra B are too close"
    return None


def heart_fault(points: NDArray[np.float64], measured: Measurement) -> str | None:
    """Say why this is no heart, by its size, its place and its axes; None where it is."""
    limits = {
        "VHS": (measured.vhs, VHS_LIMITS),
        "long axis": (measured.long_axis, LONG_AXIS_LIMITS),
        "short axis": (measured.short_axis, SHORT_AXIS_LIMITS),
        "ratio of the axes": (measured.long_axis / max(measured.short_axis, 1e-9), AXES_RATIO_LIMITS),
    }
    for name, (value, (lowest, highest)) in limits.items():
        if not lowest <= value <= highest:
            return f"{name} {value:.2f} is not between {lowest:g} and {highest:g}"
    placed = vertebral_frame(points)
    for landmark, place in USUAL_PLACES.items():
        if not _is_near(placed[landmark], place):
            return f"{LANDMARKS[landmark]} is far from its usual place"
    if measured.axes_angle < MIN_AXES_ANGLE:
        return f"the axes are {measured.axes_angle:.0f} degrees apart"
    return None


def vlas_fault(
    points: NDArray[np.float64], measured: Measurement, *, is_found: bool, spread: float
) -> str | None:
    """Say why there is no VLAS beside a sound VHS; None where there is."""
    if not is_found:
        return "not found"
    if spread > MAX_VLAS_SPREAD:
        return "the folds disagree"
    if not VLAS_LIMITS[0] <= measured.vlas <= VLAS_LIMITS[1]:
        return f"{measured.vlas:.2f} is not between {VLAS_LIMITS[0]:g} and {VLAS_LIMITS[1]:g}"
    return None if _is_at_the_atrium(points) else "not caudal of the long axis, beside it"


def vertebral_frame(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the points in the vertebral frame, (7, 2), in vertebrae; the same for both lateral directions."""
    along = (points[VERTEBRA_B] - points[VERTEBRA_A]) / length(points[VERTEBRA_B] - points[VERTEBRA_A])
    ventral = np.array([-along[1], along[0]])
    from_a = points - points[VERTEBRA_A]
    if from_a[HEART_BOTTOM] @ ventral < 0:
        ventral = -ventral
    return np.asarray(np.stack([from_a @ along, from_a @ ventral], axis=1) / vertebra_length(points))


def _is_near(point: NDArray[np.float64], place: Place) -> bool:
    x, y = abs(point[0] - place.x) / place.x_sd, abs(point[1] - place.y) / place.y_sd
    return bool(max(x, y) <= FRAME_DEVIATIONS)


def _is_at_the_atrium(points: NDArray[np.float64]) -> bool:
    """Whether the VLAS point is on heart_left's side of the long axis and between its ends along it."""
    long_axis, short_axis = points[HEART_BOTTOM] - points[HEART_TOP], points[HEART_LEFT] - points[HEART_RIGHT]
    from_top = points[VLAS] - points[HEART_TOP]
    is_caudal = cross(long_axis, from_top) * cross(long_axis, short_axis) > 0
    return bool(is_caudal and 0 <= from_top @ long_axis <= long_axis @ long_axis)
