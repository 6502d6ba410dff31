"""Corners made exact: a line is fitted to the strongest gradient along each side.

Where the network is unsure, a classical search for the largest bright quadrilateral stands in for it.
"""

import cv2
import numpy as np

from gateway.imaging.screen.quad import AREA_MAX, fault_of, ordered, signed_area

BAND = 0.02
"""Half the width of the band along each side in which its edge is looked for, in diagonals."""
MAX_MOVE = 0.015
"""How far a corner may move, in diagonals; a refinement beyond is not believed."""
PLACES, STEPS = 96, 61
"""Profiles along a side, and samples of each across the band."""
TRUST = 0.4
"""Deviation, in half bands, of the edges from where the network put them: farther ones count less."""
CONTRAST = 3.0
"""Grey levels of a step that must run along a side for a line to be fitted to it."""
CLASSICAL_PX = 640
"""Longer side of the picture that the classical search looks at."""


def refined(grey: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Move each corner to where the edges in the picture meet.

    Parameters
    ----------
    grey
        uint8 (rows, columns).
    corners
        (4, 2), TL, TR, BR, BL in continuous pixels.

    Returns
    -------
    float64 (4, 2). A side without an edge, and a corner that would move by more than MAX_MOVE of the
    diagonal, stay.
    """
    corners = np.asarray(corners, np.float64)
    diagonal = float(np.linalg.norm(np.ptp(corners, axis=0)))
    ends = np.roll(corners, -1, axis=0)
    lines = [_side(grey, a, b, BAND * diagonal) for a, b in zip(corners, ends, strict=True)]
    moved = np.array([_meeting(lines[index - 1], lines[index]) for index in range(4)])
    distance = np.linalg.norm(moved - corners, axis=1)
    return np.where((distance < MAX_MOVE * diagonal)[:, np.newaxis], moved, corners)


Line = tuple[np.ndarray, np.ndarray]
"""Two points."""


def _side(grey: np.ndarray, start: np.ndarray, end: np.ndarray, band: float) -> Line:
    """Fit a line to the edge along one side; the side itself where there is none."""
    along = np.linspace(0.04, 0.96, PLACES)
    across = np.linspace(-1, 1, STEPS)
    direction = (end - start) / max(float(np.linalg.norm(end - start)), 1e-9)
    normal = np.array([-direction[1], direction[0]])
    middles = start + along[:, np.newaxis] * (end - start)
    points = middles[:, np.newaxis] + across[:, np.newaxis] * band * normal
    inside = _inside(points, grey.shape)
    steps = _steps(grey, points)
    steps[~inside] = 0
    shifts = _straight_edge(steps, along, across)
    if shifts is None:
        return start, end
    return start + shifts[0] * band * normal, end + shifts[1] * band * normal


def _inside(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Tell which points lie in the picture with room for a gradient."""
    limits = np.array([shape[1], shape[0]], np.float64)
    return np.asarray(((points > 2) & (points < limits - 2)).all(-1))


def _steps(grey: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Give the change of grey across the side, (PLACES, STEPS), averaged over a little of its length."""
    x, y = (np.ascontiguousarray(points[..., axis] - 0.5, np.float32) for axis in (0, 1))
    band = cv2.remap(grey, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    smooth = cv2.GaussianBlur(band.astype(np.float32), (0, 0), sigmaX=1.2, sigmaY=2.0)
    return np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=1))


def _straight_edge(steps: np.ndarray, along: np.ndarray, across: np.ndarray) -> tuple[float, float] | None:
    """Find where the strongest straight step crosses both ends of the side, in half bands.

    Every line from one edge of the band to the other is tried, then the best is fitted to the maxima of
    the gradient near it.
    """
    offsets = np.linspace(-0.95, 0.95, 39)
    first, last = np.meshgrid(offsets, offsets, indexing="ij")
    crossing = first[..., np.newaxis] + (last - first)[..., np.newaxis] * along
    columns = np.round((crossing + 1) / 2 * (STEPS - 1)).astype(np.int32)
    mean = steps[np.arange(PLACES), columns].mean(-1)
    near = np.exp(-(first**2 + last**2) / (4 * TRUST**2))
    score = abs(mean) * near
    best = np.unravel_index(int(score.argmax()), score.shape)
    if 2 * abs(mean[best]) < CONTRAST:
        return None
    return _fitted(steps * np.sign(mean[best]), along, across, crossing[best])


def _fitted(
    steps: np.ndarray, along: np.ndarray, across: np.ndarray, crossing: np.ndarray
) -> tuple[float, float] | None:
    """Fit a line to the centres of gradient around a coarse one, twice, without what lies far off."""
    for reach in (0.16, 0.1):
        weight = np.maximum(steps, 0) * (abs(across - crossing[:, np.newaxis]) < reach)
        total = weight.sum(1)
        if (total > 0).sum() < PLACES // 4:
            return None
        centre = (weight * across).sum(1) / np.maximum(total, 1e-6)
        slope, offset = np.polyfit(along, centre, 1, w=np.sqrt(total))
        crossing = slope * along + offset
    return float(offset), float(offset + slope)


def _meeting(first: Line, second: Line) -> np.ndarray:
    """Give the point where two lines cross; their common end where they hardly do."""
    a, b = first[1] - first[0], second[1] - second[0]
    across = a[0] * b[1] - a[1] * b[0]
    if abs(across) < 1e-6:
        return np.asarray((first[1] + second[0]) / 2)
    offset = second[0] - first[0]
    return np.asarray(first[0] + a * (offset[0] * b[1] - offset[1] * b[0]) / across)


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
