import cv2
import numpy as np
import pytest

from gateway.imaging.screen.view import BEYOND, END_PX, MARGIN, START_PX, VIEW_PX, view_of
from tests.imaging.screen.drawn import CORNERS, screen


def test_the_corners_looked_through_lie_at_the_margin():
    view = view_of(screen(), CORNERS)
    square = np.array([[[START_PX] * 2, [END_PX, START_PX], [END_PX] * 2, [START_PX, END_PX]]])
    assert np.allclose(cv2.perspectiveTransform(square, view.to_picture)[0], CORNERS, atol=1e-2)
    assert pytest.approx(MARGIN) == START_PX / (END_PX - START_PX)


@pytest.mark.parametrize("enlarged", [1, 3])
def test_edges_are_where_the_corners_say_at_every_resolution(enlarged):
    picture = cv2.resize(screen(), None, fx=enlarged, fy=enlarged, interpolation=cv2.INTER_LINEAR)
    square = view_of(picture, CORNERS * enlarged).square[0]
    middle = VIEW_PX // 2
    for profile in (square[middle], square[:, middle]):
        risen = np.flatnonzero(profile > 0.5)
        assert risen[0] == pytest.approx(START_PX, abs=1)
        assert risen[-1] + 1 == pytest.approx(END_PX, abs=1)


def test_values_are_shares_of_the_window_and_the_end_of_the_photo_is_told():
    corners = CORNERS.copy()
    corners[[0, 3], 0] = 0
    view = view_of(screen(), corners)
    assert view.square.shape == (1, VIEW_PX, VIEW_PX)
    assert view.square.dtype == np.float32
    beyond = view.square == BEYOND
    assert beyond[0, VIEW_PX // 2, : int(START_PX) - 1].all()
    assert not beyond[0, VIEW_PX // 2, int(START_PX) + 1 : VIEW_PX // 2].any()
    assert view.square[~beyond].min() >= 0
    assert view.square.max() == 1


def test_a_quadrilateral_outside_the_photo_shows_nothing():
    assert (view_of(screen(), CORNERS + 5000.0).square == BEYOND).all()
