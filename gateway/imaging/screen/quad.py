"""Quadrilaterals in a photo: the order of their corners, what they enclose, and how they compare.

Corners are (4, 2) arrays of continuous coordinates (x, y): a W×H picture spans 0 to W and 0 to H.
"""

from typing import NamedTuple

import cv2
import numpy as np

ANGLE_DEGREES = (45.0, 135.0)
EDGE_RATIO_MAX = 2.2
AREA_MIN, AREA_MAX = 0.08, 0.97
"""Bounds of the enclosed share of the frame: below is no usable photo, above is no photo of a screen."""


class Shape(NamedTuple):
    """What the gate asks of a quadrilateral."""

    area: float
    """Enclosed share of the frame; negative where the corners run anticlockwise."""
    angles: np.ndarray
    """float64 (4,): inner angles in degrees, in the corners' order."""
    edge_ratio: float
    """The greater of both ratios between opposite edges, at least 1."""


def ordered(corners: np.ndarray) -> np.ndarray:
    """Sort corners clockwise as seen, the one with the smallest x + y first: TL, TR, BR, BL."""
    centred = corners - corners.mean(0)
    # y points down, so growing angles run clockwise on the screen.
    clockwise = corners[np.argsort(np.arctan2(centred[:, 1], centred[:, 0]), kind="stable")]
    return np.roll(clockwise, -int(np.argmin(clockwise.sum(1))), axis=0)


def signed_area(corners: np.ndarray) -> float:
    """Give the enclosed area in square pixels, positive where the corners run clockwise."""
    following = np.roll(corners, -1, axis=0)
    return float((corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0]).sum() / 2)


def is_convex(corners: np.ndarray) -> bool:
    """Tell whether the corners run clockwise around a convex quadrilateral."""
    edges = np.roll(corners, -1, axis=0) - corners
    following = np.roll(edges, -1, axis=0)
    return bool((edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0] > 0).all())


def edge_lengths(corners: np.ndarray) -> np.ndarray:
    """Give the lengths of top, right, bottom and left edge, float64 (4,)."""
    return np.asarray(np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1))


def shape_of(corners: np.ndarray, width: int, height: int) -> Shape:
    """Measure a quadrilateral in a frame of width × height pixels."""
    forward = np.roll(corners, -1, axis=0) - corners
    backward = np.roll(corners, 1, axis=0) - corners
    lengths = np.linalg.norm(forward, axis=1) * np.linalg.norm(backward, axis=1)
    cosines = (forward * backward).sum(1) / np.maximum(lengths, 1e-9)
    top, right, bottom, left = np.maximum(edge_lengths(corners), 1e-9)
    return Shape(
        signed_area(corners) / (width * height),
        np.degrees(np.arccos(np.clip(cosines, -1, 1))),
        float(max(top / bottom, bottom / top, right / left, left / right)),
    )


def fault_of(corners: np.ndarray, width: int, height: int) -> str | None:
    """Say what makes a quadrilateral no photographed rectangle; None where it can be one.

    Through whatever lens: with its focal length `aspect.is_rectangle` can tell more.

    Parameters
    ----------
    corners
        (4, 2), expected clockwise from the top left corner.
    width, height
        Size of the frame in pixels.
    """
    if not np.isfinite(corners).all():
        return "corners that are not finite"
    if not is_convex(corners):
        return "corners that are not convex and clockwise"
    shape = shape_of(corners, width, height)
    if shape.area < AREA_MIN:
        return f"{shape.area:.1%} of the frame, expected at least {AREA_MIN:.0%}"
    if shape.angles.min() < ANGLE_DEGREES[0] or shape.angles.max() > ANGLE_DEGREES[1]:
        return f"an angle beyond {ANGLE_DEGREES[0]:.0f} to {ANGLE_DEGREES[1]:.0f} degrees"
    if shape.edge_ratio > EDGE_RATIO_MAX:
        return f"opposite edges of ratio {shape.edge_ratio:.2f}, expected at most {EDGE_RATIO_MAX}"
    return None


def jaccard(found: np.ndarray, true: np.ndarray) -> float:
    """Compare two quadrilaterals as SmartDoc does: intersection over union in the document's frame.

    Both are projected by the homography that takes `true` to a unit square, so that near and far parts
    of a tilted screen count alike.

    References
    ----------
    J.-C. Burie et al., "ICDAR2015 competition on smartphone document capture and OCR", ICDAR 2015.
    """
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    matrix = cv2.getPerspectiveTransform(np.asarray(true, np.float32), unit)
    projected = cv2.perspectiveTransform(np.asarray(found, np.float64)[np.newaxis], matrix)[0]
    if not is_convex(projected):
        return 0.0
    common = signed_area(_within_unit_square(projected))
    return common / (signed_area(projected) + 1.0 - common)


def _within_unit_square(polygon: np.ndarray) -> np.ndarray:
    """Clip a convex polygon by each side of the unit square in turn; (N, 2), N is 0 where nothing is left.

    OpenCV's own function gives wrong areas where sides coincide, as those of a perfect answer do.

    References
    ----------
    I. E. Sutherland, G. W. Hodgman, "Reentrant polygon clipping", Communications of the ACM 17 (1974).
    """
    for axis, sign in ((0, 1), (1, 1), (0, -1), (1, -1)):
        depth = polygon[:, axis] if sign > 0 else 1 - polygon[:, axis]
        kept: list[np.ndarray] = []
        for index, point in enumerate(polygon):
            before = index - 1
            if (depth[index] >= 0) != (depth[before] >= 0):
                share = depth[before] / (depth[before] - depth[index])
                kept.append(polygon[before] + share * (point - polygon[before]))
            if depth[index] >= 0:
                kept.append(point)
        polygon = np.array(kept, np.float64).reshape(-1, 2)
        if not len(polygon):
            break
    return polygon
