import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.imaging.screen.aspect import (
    aspect_factor,
    focal_px,
    is_rectangle,
    skew_degrees,
    tilt_degrees,
    true_aspect,
)
from gateway.imaging.screen.rectify import rectified_size

W, H = 1600, 1200


def photographed(aspect: float, tilt: float, towards: float, roll: float, focal: float) -> np.ndarray:
    """Give the corners of a sheet of a given aspect under a pinhole camera; angles in degrees."""
    plane = np.array([[-aspect, -1], [aspect, -1], [aspect, 1], [-aspect, 1]]) / 2
    points = np.column_stack([plane, np.zeros(4)])
    for axis, degrees in (
        ((0, 0, 1), roll),
        ((np.cos(np.radians(towards)), np.sin(np.radians(towards)), 0), tilt),
    ):
        points = points @ rotation(np.array(axis), np.radians(degrees)).T
    points += (0.1, -0.05, 2.5)
    return points[:, :2] / points[:, 2:] * focal + (W / 2, H / 2)


def rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


poses = st.tuples(st.floats(0.6, 1.8), st.floats(0, 40), st.floats(0, 360), st.floats(-25, 25))


@settings(deadline=None, max_examples=60)
@given(poses)
def test_aspect_is_exact_from_any_side_with_the_right_focal_length(pose):
    corners = photographed(*pose, focal=1216)
    assert true_aspect(corners, W, H, 1216) == pytest.approx(pose[0], rel=1e-9)


@settings(deadline=None, max_examples=60)
@given(poses)
def test_tilt_is_that_of_the_sheet(pose):
    corners = photographed(*pose, focal=1216)
    assert tilt_degrees(corners, W, H, 1216) == pytest.approx(pose[1], abs=1e-4)


@settings(deadline=None, max_examples=60)
@given(poses)
def test_a_sheet_is_a_rectangle_from_any_side(pose):
    corners = photographed(*pose, focal=0.76 * W)
    assert skew_degrees(corners, W, H, 0.76 * W) == pytest.approx(0, abs=1e-5)
    assert is_rectangle(corners, W, H, None)


@pytest.mark.parametrize("corner", range(4))
def test_a_side_askew_makes_no_rectangle_where_the_focal_length_is_known(corner):
    corners = photographed(1.25, 15, 60, 5, focal=0.76 * W)
    corners[corner] += np.sign(corners[corner] - corners.mean(0)) * 70
    assert not is_rectangle(corners, W, H, None)
    assert is_rectangle(corners, 1603, 1011, None)


def test_corners_in_one_line_are_no_rectangle():
    assert not is_rectangle(np.array([[100.0, 100], [400, 400], [800, 800], [200, 200]]), W, H, None)


@settings(deadline=None, max_examples=60)
@given(st.floats(0.6, 1.8), st.floats(0, 35), st.floats(0, 360), st.floats(0.9, 1.1))
def test_a_focal_length_off_by_a_tenth_costs_little(aspect, tilt, towards, off):
    corners = photographed(aspect, tilt, towards, 5, focal=1216 * off)
    assert true_aspect(corners, W, H, 1216) == pytest.approx(aspect, rel=0.05)


@pytest.mark.parametrize("tilt", [20, 30])
def test_mean_edges_alone_are_wrong_where_the_factor_is_right(tilt):
    corners = photographed(1.25, tilt, 90, 0, focal=0.76 * W)
    width, height = rectified_size(corners)
    factor = aspect_factor(corners, W, H, None)
    assert abs(width / height / 1.25 - 1) > 0.02
    assert width / height * factor == pytest.approx(1.25, rel=0.004)


def test_focal_length_of_exif_counts():
    # 26 mm on a film of 43.27 mm diagonal; the photo's is 2000 pixels.
    assert focal_px(W, H, 26.0) == pytest.approx(26 / 43.27 * 2000)
    assert focal_px(1100, 700, 26.0) is not None


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1600, 1200), 1216),
        ((1200, 1600), 1216),
        ((640, 482), 486.4),
        ((1920, 1080), 1459.2),
        ((1100, 700), None),
    ],
)
def test_without_exif_only_whole_photos_have_a_focal_length(size, expected):
    assert focal_px(*size, None) == (None if expected is None else pytest.approx(expected))


def test_cropped_photos_and_impossible_ones_are_left_alone():
    corners = photographed(1.25, 25, 90, 0, focal=1216)
    assert aspect_factor(corners, 1603, 1011, None) == 1
    narrow = np.array([[100.0, 100], [1500, 500], [1500, 700], [100, 1100]])
    assert aspect_factor(narrow, W, H, None) == 1


def test_the_contracts_example_is_nearly_right_already():
    corners = np.array([[137.48, 100.30], [490.50, 81.32], [495.35, 421.38], [154.89, 421.57]])
    assert aspect_factor(corners, 640, 482, None) == pytest.approx(1, abs=0.01)
