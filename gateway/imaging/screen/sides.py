"""The four sides of a film in a straightened view: a straight line through what the network says of each."""

from typing import NamedTuple

import cv2
import numpy as np

from gateway.imaging.screen.view import END_PX, START_PX, VIEW_PX

SIDES = 4
"""Top, right, bottom, left."""
PLACES = 64
"""Places along a side at which the network says where it is."""
FLOOR = 0.01
"""Share of a place's probability that lies anywhere: no single place can rule a line out."""
SLOPES_PX = np.arange(-44, 45, 4)
"""Differences between a line's ends that are tried, in pixels of the view."""
REACH_PX = (6.0, 4.0, 3.0)
"""How far from the line probability counts in each round of fitting."""
CERTAIN_FROM = 0.1
"""Certainty of a side below which it stays where it was."""
_STAYED = np.array([[START_PX] * 2, [END_PX] * 2, [END_PX] * 2, [START_PX] * 2])


class Fitted(NamedTuple):
    """The sides' lines and how sure they are."""

    corners: np.ndarray
    """float64 (4, 2): where they meet, TL, TR, BR, BL in continuous pixels of the view."""
    certainty: np.ndarray
    """float64 (4,), 0 to 1: probability along each side that lies within three pixels of its line."""


def fitted(maps: np.ndarray) -> Fitted:
    """Fit a line to each side.

    Parameters
    ----------
    maps
        float32 (SIDES, PLACES, VIEW_PX): at each place along a side, left to right or top to bottom, the
        probability that it lies at each pixel across, from the top or from the left. Sums to what is left
        of 1 by the probability that there is no side at the place.
    """
    lines = np.array([_line(each) for each in maps.astype(np.float64)])
    corners = _corners(lines)
    certainty = np.array([_certainty(maps[side], lines[side], _span(corners, side)) for side in range(SIDES)])
    kept = certainty[:, np.newaxis] >= CERTAIN_FROM
    return Fitted(_corners(np.where(kept, lines, _STAYED)), certainty)


def _line(probability: np.ndarray) -> np.ndarray:
    """Give a line's pixels across at the view's first and last pixel along, float64 (2,)."""
    along = (np.arange(PLACES) + 0.5) / PLACES
    start, end = _likeliest(probability, along)
    across = np.arange(VIEW_PX) + 0.5
    for reach in REACH_PX:
        middle = start + (end - start) * along
        near = probability * (abs(across - middle[:, np.newaxis]) <= reach)
        weight = near.sum(1)
        if (weight > 0.02).sum() < 3:
            break
        centre = (near @ across) / np.maximum(weight, 1e-9)
        slope, start = np.polyfit(along, centre, 1, w=np.sqrt(weight))
        end = start + slope
    return np.array([start, end])


def _likeliest(probability: np.ndarray, along: np.ndarray) -> tuple[float, float]:
    """Try lines of all places and slopes; a line is as likely as all it passes together."""
    score = np.log(cv2.blur(probability, (5, 1)) + FLOOR / 5)
    middles = np.arange(1, VIEW_PX, 2)
    shifts = np.round(SLOPES_PX[:, np.newaxis] * (along - 0.5)).astype(int)
    columns = (middles[:, np.newaxis, np.newaxis] + shifts).clip(0, VIEW_PX - 1)
    total = score[np.arange(PLACES), columns].sum(-1)
    middle, slope = np.unravel_index(int(total.argmax()), total.shape)
    half = SLOPES_PX[slope] / 2
    return float(middles[middle] - half + 0.5), float(middles[middle] + half + 0.5)


def _corners(lines: np.ndarray) -> np.ndarray:
    """Intersect neighbouring sides; `lines` as `_line` gives them, one after another."""
    top, right, bottom, left = ((start, (end - start) / VIEW_PX) for start, end in lines)
    pairs = ((top, left), (top, right), (bottom, right), (bottom, left))
    return np.array([_meeting(level, upright) for level, upright in pairs])


def _meeting(level: tuple[float, float], upright: tuple[float, float]) -> tuple[float, float]:
    """Give the point on y = a + b x and x = c + d y; slopes are small, so there is one."""
    (a, b), (c, d) = level, upright
    x = (c + d * a) / (1 - b * d)
    return x, a + b * x


def _span(corners: np.ndarray, side: int) -> np.ndarray:
    """Tell which places lie between a side's two corners, bool (PLACES,)."""
    axis = side % 2
    ends = corners[[side, (side + 1) % SIDES], axis] / VIEW_PX * PLACES
    places = np.arange(PLACES) + 0.5
    return np.asarray((places > ends.min()) & (places < ends.max()))


def _certainty(probability: np.ndarray, line: np.ndarray, span: np.ndarray) -> float:
    if not span.any():
        return 0.0
    along = (np.arange(PLACES) + 0.5) / PLACES
    middle = line[0] + (line[1] - line[0]) * along
    near = abs(np.arange(VIEW_PX) + 0.5 - middle[:, np.newaxis]) <= REACH_PX[-1]
    return float((probability * near).sum(1)[span].mean())
