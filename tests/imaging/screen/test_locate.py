import json

import numpy as np
import pytest

from gateway.imaging.letterbox import placement
from gateway.imaging.screen.locate import Found, locate
from tests.imaging.screen.test_refine import CORNERS, screen

SIDE = 512


def found(
    corners: np.ndarray = CORNERS, *, spread: float = 0.0, peak: float = 0.9, logit: float = 4.0
) -> Found:
    """Give what the network would say of a picture of 1200 by 900 pixels; `spread` in its long sides."""
    square = placement(1200, 900, SIDE).to_square(corners) / SIDE
    noise = np.random.default_rng(3).normal(0, spread, (5, 4, 2))
    folds = (square + noise).astype(np.float32)
    return Found(folds, np.full((5, 4), peak, np.float32), np.full(5, logit, np.float32))


def test_a_screen_is_found_to_the_pixel():
    result = locate(screen(), found(CORNERS + 4.0), SIDE)
    assert result.is_photo
    assert result.fault is None
    assert abs(result.corners - CORNERS).max() < 0.6
    assert result.probability == pytest.approx(1 / (1 + np.exp(-4)))


def test_one_fold_alone_cannot_move_a_corner():
    folds = found()
    folds.corners[2] += 0.2
    result = locate(screen(), folds._replace(peaks=np.full((5, 4), 0.9, np.float32)), SIDE)
    assert abs(result.corners - CORNERS).max() < 0.6


def test_below_half_probability_it_is_no_photo():
    assert not locate(screen(), found(logit=-0.01), SIDE).is_photo
    assert locate(screen(), found(logit=0.01), SIDE).is_photo


def test_a_picture_that_fills_the_frame_is_the_radiograph_itself():
    whole = np.array([[2.0, 2], [1198, 2], [1198, 898], [2, 898]])
    assert not locate(np.zeros((900, 1200), np.uint8), found(whole), SIDE).is_photo


def test_where_heatmaps_are_flat_edges_decide():
    result = locate(screen(), found(CORNERS + 60.0, peak=0.1), SIDE)
    assert result.fault is None
    assert abs(result.corners - CORNERS).max() < 3


@pytest.mark.parametrize(
    ("unsure", "fault"), [({"peak": 0.1}, "mean peak 0.10"), ({"spread": 0.05}, "spread")]
)
def test_unsure_without_edges_there_are_no_corners(unsure, fault):
    result = locate(np.zeros((900, 1200), np.uint8), found(**unsure), SIDE)
    assert fault in result.fault
    assert result.to_json()["corners"] is None


def test_folds_that_disagree_are_not_believed_even_where_there_are_edges():
    assert "expected at most 0.02" in locate(screen(), found(spread=0.05), SIDE).fault


def test_an_impossible_quadrilateral_is_named():
    result = locate(screen(), found(CORNERS[0] + (CORNERS - CORNERS[0]) * 0.2), SIDE)
    assert result.fault is not None
    assert "expected at least 8%" in result.fault


def test_too_few_folds_give_no_corners_and_no_photo():
    folds = found()
    folds.corners[:3] = np.nan
    folds.screen[:3] = np.nan
    result = locate(screen(), folds, SIDE)
    assert not result.is_photo
    assert result.fault == "2 folds answered, expected at least 3"


def test_the_document_is_json():
    document = json.loads(json.dumps(locate(screen(), found(), SIDE).to_json(), allow_nan=False))
    assert np.array(document["corners"]).shape == (4, 2)
    assert document["is_photo"] is True
