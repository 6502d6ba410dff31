"""A search for a quadrilateral by edges and brightness, where the corner network is unsure."""

import cv2
import numpy as np

from gateway.imaging.screen.quad import AREA_MAX, fault_of, ordered, signed_area

CLASSICAL_PX = 640
"""Longer side of the picture that the search looks at."""


def classical_quad(grey: np.ndarray) -> np.ndarray | None:
    """Find the largest quadrilateral that edges or a threshold enclose.

    Parameters
    ----------
    grey
        uint8 (rows, columns).

    Returns
    -------
    float64 (4, 2), TL, TR, BR, BL in continuous pixels; None where nothing passes the gate.
    """
    scale = min(CLASSICAL_PX / max(grey.shape), 1.0)
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    rows, columns = small.shape
    found = [
        quad
        for mask in _masks(cv2.GaussianBlur(small, (5, 5), 0))
        for quad in _quads(mask)
        if fault_of(quad, columns, rows) is None and signed_area(quad) < AREA_MAX * rows * columns
    ]
    if not found:
        return None
    return np.asarray(max(found, key=signed_area) * (grey.shape[1] / columns, grey.shape[0] / rows))


def _masks(small: np.ndarray) -> list[np.ndarray]:
    middle = float(np.median(small))
    edges = cv2.Canny(small, 0.66 * middle, max(1.33 * middle, 30))
    _, bright = cv2.threshold(small, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return [cv2.dilate(edges, np.ones((3, 3), np.uint8)), bright]


def _quads(mask: np.ndarray) -> list[np.ndarray]:
    """Give the four-cornered outlines in a mask, float64 (4, 2) each, ordered."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    quads = []
    for outline in outlines:
        hull = cv2.convexHull(outline)
        rough = cv2.approxPolyDP(hull, 0.03 * cv2.arcLength(hull, True), True)
        if len(rough) == 4:
            quads.append(ordered(rough[:, 0].astype(np.float64) + 0.5))
    return quads
