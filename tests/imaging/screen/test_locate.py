import json

import cv2
import numpy as np
import pytest

from gateway.imaging.screen.locate import locate
from gateway.imaging.screen.sides import SIDES
from tests.imaging.screen.drawn import CORNERS, found, ridges, screen, sides

COLOUR = 0.4
"""Of a photo: the share of it that has any."""


def never(inputs):
    raise AssertionError("the closer look was not wanted")


def test_a_screen_is_found_to_the_pixel():
    result = locate(screen(), COLOUR, found(CORNERS + 4.0), sides())
    assert result.is_photo
    assert result.fault is None
    assert abs(result.corners - CORNERS).max() < 1.0
    assert result.certainty > 0.5


def test_a_side_far_off_is_brought_back():
    coarse = CORNERS.copy()
    coarse[[1, 2], 0] += 90  # an eighth of the film's width
    result = locate(screen(), COLOUR, found(coarse), sides())
    assert abs(result.corners - CORNERS).max() < 1.0


def test_one_fold_alone_cannot_move_a_corner():
    folds = found()
    folds.corners[2] += 0.2
    result = locate(screen(), COLOUR, folds, sides())
    assert abs(result.corners - CORNERS).max() < 1.0


def test_what_is_surely_no_photo_is_not_looked_at_again():
    result = locate(screen(), COLOUR, found(logit=-6.0), never)
    assert not result.is_photo
    assert result.to_json()["corners"] is None


@pytest.mark.parametrize(
    ("colour", "folds", "views", "is_photo"),
    [
        (COLOUR, 1, 3, True), (COLOUR, 1, -6, False), (COLOUR, -2, 9, True), (COLOUR, -2, 1, False),
        (0.0, 1, 3, False), (0.0, 4, 4, True), (0.0, 9, -9, True), (0.02, 1, 3, False),
    ],
)  # fmt: skip
def test_colour_folds_and_closer_looks_decide_together_what_is_a_photo(colour, folds, views, is_photo):
    result = locate(screen(), colour, found(logit=folds), sides(logit=views))
    assert result.is_photo is is_photo
    assert (result.probability >= 0.5) is is_photo


def test_a_picture_that_fills_the_frame_is_the_radiograph_itself():
    whole = np.array([[2.0, 2], [1198, 2], [1198, 898], [2, 898]])
    assert not locate(screen(whole), COLOUR, found(whole), sides()).is_photo


def test_where_heatmaps_are_flat_edges_decide_where_to_look():
    result = locate(screen(), COLOUR, found(CORNERS - 160.0, peak=0.1), sides())
    assert result.fault is None
    assert abs(result.corners - CORNERS).max() < 1.0


def test_where_the_sides_are_not_seen_there_are_no_corners():
    blind = sides(lambda view: np.zeros((SIDES, 64, 256), np.float32))
    result = locate(screen(), COLOUR, found(), blind)
    assert "certain" in result.fault
    assert result.to_json()["corners"] is None
    assert result.is_photo


def test_an_impossible_quadrilateral_is_named():
    result = locate(screen(), COLOUR, found(CORNERS[0] + (CORNERS - CORNERS[0]) * 0.2), never)
    assert "expected at least 8%" in result.fault


@pytest.mark.parametrize(("colour", "is_photo"), [(COLOUR, True), (0.0, False)])
def test_without_a_closer_look_the_bar_is_the_same(colour, is_photo):
    """A grey film of which nothing can be made is measured as it is rather than refused as a bad photo."""
    impossible = found(CORNERS[0] + (CORNERS - CORNERS[0]) * 0.2, logit=2.0)
    result = locate(screen(), colour, impossible, never)
    assert (result.is_photo, result.probability >= 0.5) == (is_photo, is_photo)


def test_lines_that_make_no_rectangle_are_not_believed():
    crossed = ridges(np.array([[150.0, 150], [200, 200], [100, 100], [50, 50]]))
    result = locate(screen(), COLOUR, found(), sides(lambda view: crossed))
    assert "convex" in result.fault


def test_too_few_folds_give_no_corners_and_no_photo():
    folds = found()
    folds.corners[:3] = np.nan
    folds.screen[:3] = np.nan
    result = locate(screen(), COLOUR, folds, never)
    assert not result.is_photo
    assert result.fault == "2 folds answered, expected at least 3"


def test_the_document_is_json():
    document = json.loads(json.dumps(locate(screen(), COLOUR, found(), sides()).to_json(), allow_nan=False))
    assert np.array(document["corners"]).shape == (4, 2)
    assert document["is_photo"] is True


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_corners_follow_the_resolution(scale):
    picture = cv2.resize(screen(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    result = locate(picture, COLOUR, found(CORNERS + 4.0), sides())
    assert abs(result.corners / scale - CORNERS).max() < 1.2
