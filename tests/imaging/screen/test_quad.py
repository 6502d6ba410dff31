import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.imaging.screen.quad import fault_of, jaccard, ordered, shape_of, signed_area

SQUARE = np.array([[10.0, 10], [90, 10], [90, 90], [10, 90]])


@settings(deadline=None, max_examples=60)
@given(st.permutations(range(4)), st.floats(-25, 25), st.floats(0.6, 1.7))
def test_corners_in_any_order_come_back_clockwise_from_the_top_left(order, degrees, aspect):
    turn = np.radians(degrees)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    corners = (SQUARE - 50) * (aspect, 1) @ rotation.T + 300
    assert np.allclose(ordered(corners[list(order)]), corners)


def test_a_quarter_turned_screen_is_ordered_by_place():
    turned = np.roll(SQUARE, 1, axis=0)
    assert np.array_equal(ordered(turned), SQUARE)


def test_area_is_positive_where_corners_run_clockwise_as_seen():
    assert signed_area(SQUARE) == 6400
    assert signed_area(SQUARE[::-1]) == -6400


def test_shape_of_a_square():
    shape = shape_of(SQUARE, 100, 100)
    assert shape.area == pytest.approx(0.64)
    assert shape.angles == pytest.approx([90] * 4)
    assert shape.edge_ratio == pytest.approx(1)


@pytest.mark.parametrize(
    ("corners", "fault"),
    [
        (SQUARE, None),
        (SQUARE[::-1], "clockwise"),
        (SQUARE[[0, 2, 1, 3]], "convex"),
        (np.where(SQUARE == 10, np.nan, SQUARE), "finite"),
        (45 + SQUARE / 10, "expected at least 8%"),
        # A corner pushed in until its angle is about 151 degrees.
        ([[10, 10], [90, 10], [60, 60], [10, 90]], "angle"),
        # 80 above, 30 below.
        ([[10, 10], [90, 10], [65, 70], [35, 70]], "ratio 2.67"),
    ],
)
def test_the_gate_names_what_is_wrong(corners, fault):
    found = fault_of(np.array(corners, np.float64), 100, 100)
    assert found is None if fault is None else fault in found


def test_jaccard_of_the_same_quadrilateral_is_one():
    assert jaccard(SQUARE, SQUARE) == pytest.approx(1)


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        (8, 0.9 / 1.1),  # a tenth of the side
        (40, 0.5 / 1.5),
        (-40, 0.5 / 1.5),
        (80, 0),
        (200, 0),
    ],
)
def test_jaccard_of_a_shifted_square(shift, expected):
    assert jaccard(SQUARE + np.array([shift, 0]), SQUARE) == pytest.approx(expected, abs=1e-6)


def test_jaccard_counts_in_the_documents_own_plane():
    """The far half of a tilted sheet is small in the photo and half of the sheet all the same."""
    true = np.array([[30.0, 0], [70, 0], [100, 100], [0, 100]])
    middle_of_sheet = 100 * 0.4 / 1.4  # where the diagonals cross
    half_width = 20 + 30 * middle_of_sheet / 100
    upper = np.array(
        [[30.0, 0], [70, 0], [50 + half_width, middle_of_sheet], [50 - half_width, middle_of_sheet]]
    )
    assert jaccard(upper, true) == pytest.approx(0.5, abs=1e-6)


def test_jaccard_of_corners_in_a_wrong_order_is_nothing():
    assert jaccard(SQUARE[[1, 0, 3, 2]], SQUARE) == 0
