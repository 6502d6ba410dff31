import numpy as np
import pytest

from gateway.imaging.screen.sides import PLACES, SIDES, fitted
from gateway.imaging.screen.view import END_PX, START_PX, VIEW_PX
from tests.imaging.screen.drawn import ridges

LINES = np.array([[50.2, 40.9], [200.7, 214.4], [220.5, 205.3], [44.0, 30.8]])
"""Pixels across of the top, right, bottom and left side at both ends of the view."""
OUTWARDS = np.array([[-25], [25], [25], [-25]])


def on_lines(corners: np.ndarray) -> np.ndarray:
    """Tell how far each corner is from both lines that meet there, (8,)."""
    slopes = (LINES[:, 1] - LINES[:, 0]) / VIEW_PX
    pairs = ((0, 3), (0, 1), (2, 1), (2, 3))
    return np.array(
        [
            distance
            for (x, y), (level, upright) in zip(corners, pairs, strict=True)
            for distance in (
                y - LINES[level, 0] - slopes[level] * x,
                x - LINES[upright, 0] - slopes[upright] * y,
            )
        ]
    )


def test_corners_are_where_the_lines_meet():
    result = fitted(ridges(LINES))
    assert abs(on_lines(result.corners)).max() < 0.1
    assert result.corners[0, 0] < result.corners[1, 0]
    assert result.corners[0, 1] < result.corners[3, 1]
    assert (result.certainty > 0.95).all()


def test_most_places_outvote_a_second_edge():
    """Two fifths of the places see the viewport's edge rather than the film's."""
    maps, other = ridges(LINES), ridges(LINES + OUTWARDS)
    wrong = np.random.default_rng(1).permutation(PLACES)[: PLACES * 2 // 5]
    maps[:, wrong] = other[:, wrong]
    result = fitted(maps)
    assert abs(on_lines(result.corners)).max() < 0.2
    assert np.allclose(result.certainty, 0.6, atol=0.1)


def test_places_that_see_both_follow_those_that_are_sure():
    maps, other = ridges(LINES), ridges(LINES + OUTWARDS)
    torn = np.arange(PLACES) % 4 > 0
    maps[:, torn] = 0.45 * maps[:, torn] + 0.55 * other[:, torn]
    assert abs(on_lines(fitted(maps).corners)).max() < 0.2


def test_places_without_a_side_change_nothing():
    maps = ridges(LINES)
    maps[:, : PLACES // 3] = 0
    assert abs(on_lines(fitted(maps).corners)).max() < 0.2


@pytest.mark.parametrize("side", range(SIDES))
def test_a_side_that_nobody_sees_stays_where_it_was_and_is_not_certain(side):
    maps = ridges(LINES)
    maps[side] = 0
    result = fitted(maps)
    ends = result.corners[[side, (side + 1) % SIDES]]
    assert np.allclose(ends[:, 1 - side % 2], START_PX if side in (0, 3) else END_PX)
    assert result.certainty[side] == 0
    assert (np.delete(result.certainty, side) > 0.9).all()
