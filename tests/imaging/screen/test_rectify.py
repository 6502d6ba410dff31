import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.imaging.screen.rectify import InvalidCorners, checked_corners, rectified, rectified_size

CONTRACT = [[137.48, 100.30], [490.50, 81.32], [495.35, 421.38], [154.89, 421.57]]
"""The public contract's example, in a photo of 640 by 482 pixels."""


def test_the_contracts_example_has_the_contracts_size():
    corners = checked_corners(CONTRACT, 640, 482)
    assert rectified_size(corners) == (346, 330)
    assert rectified(np.zeros((482, 640), np.uint8), corners).shape == (330, 346)
    assert rectified(np.zeros((482, 640, 3), np.uint8), corners).shape == (330, 346, 3)


@pytest.mark.parametrize(
    ("side", "expected"),
    [(10.0, 16), (16.9, 16), (17.0, 17), (4096.5, 4096), (5000.0, 4096)],
)
def test_sides_are_truncated_and_bounded(side, expected):
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]])
    assert rectified_size(corners) == (expected, expected)


def test_the_whole_picture_stays_as_it_is():
    picture = np.random.default_rng(0).integers(0, 256, (40, 60), np.uint8)
    whole = np.array([[0.0, 0], [60, 0], [60, 40], [0, 40]])
    assert np.array_equal(rectified(picture, whole), picture)


@settings(deadline=None, max_examples=60)
@given(st.floats(-12, 12), st.integers(0, 2**31))
def test_a_warped_picture_comes_back(degrees, seed):
    rng = np.random.default_rng(seed)
    picture = cv2.resize(rng.integers(0, 256, (6, 8), np.uint8), (160, 120), interpolation=cv2.INTER_CUBIC)
    turn = cv2.getRotationMatrix2D((80, 60), degrees, 1.0)
    corners = np.array([[0.0, 0], [160, 0], [160, 120], [0, 120]]) @ turn[:, :2].T + turn[:, 2]
    corners += rng.uniform(-8, 8, (4, 2)) + 60
    half = np.float32(0.5)
    source = np.array([[0, 0], [160, 0], [160, 120], [0, 120]], np.float32) - half
    matrix = cv2.getPerspectiveTransform(source, corners.astype(np.float32) - half)
    photo = cv2.warpPerspective(picture, matrix, (290, 250), flags=cv2.INTER_CUBIC)
    back = cv2.resize(rectified(photo, corners), (160, 120), interpolation=cv2.INTER_LINEAR)
    inner = (slice(6, -6), slice(6, -6))
    assert abs(back[inner].astype(int) - picture[inner]).mean() < 4


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        (None, "four pairs"),
        ("abcd", "four pairs"),
        (CONTRACT[:3], "four pairs"),
        ([*CONTRACT[:3], [1, 2, 3]], "four pairs"),
        ([*CONTRACT[:3], ["1", 2]], "four pairs"),
        ([*CONTRACT[:3], [True, 2]], "four pairs"),
        ([*CONTRACT[:3], [None, 2]], "four pairs"),
        ([*CONTRACT[:3], [float("nan"), 2]], "four pairs"),
        ([*CONTRACT[:3], [float("inf"), 2]], "four pairs"),
        ([*CONTRACT[:3], [1e300, 2]], "four pairs"),
        (CONTRACT[::-1], "clockwise"),
        ([CONTRACT[0], CONTRACT[2], CONTRACT[1], CONTRACT[3]], "clockwise"),
        ([[1, 1], [1, 1], [1, 1], [1, 1]], "clockwise"),
        ([[0, 0], [30, 0], [30, 30], [0, 30]], "0.5 %"),  # 900 of 308,480 pixels
        ([[-65, 0], [640, 0], [640, 482], [0, 482]], "outside"),
        ([[0, 0], [640, 0], [640, 531], [0, 482]], "outside"),
    ],
)
def test_corners_that_cannot_be_are_refused(corners, message):
    with pytest.raises(InvalidCorners, match=message):
        checked_corners(corners, 640, 482)


def test_corners_may_lie_a_tenth_outside():
    assert checked_corners([[-64, -48], [704, 0], [640, 482], [0, 530]], 640, 482).dtype == np.float64
