import json

import cv2
import numpy as np
import pytest

from gateway.imaging.errors import CorruptImage
from gateway.imaging.screen.files import answered, rectified_jpeg
from gateway.imaging.screen.rectify import InvalidCorners
from tests.imaging.picture_files import jpeg, png

CONTRACT = [[137.48, 100.30], [490.50, 81.32], [495.35, 421.38], [154.89, 421.57]]


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    picture = np.zeros((482, 640, 3), np.uint8)
    cv2.fillConvexPoly(picture, np.round(CONTRACT).astype(np.int32), (40, 120, 220))
    return picture


@pytest.mark.parametrize("write", [jpeg, lambda pixels: png(pixels, colour=2)], ids=["jpeg", "png"])
def test_the_contracts_example_comes_back_in_its_size_and_colour(photo, write):
    film = cv2.imdecode(np.frombuffer(rectified_jpeg(write(photo), CONTRACT), np.uint8), cv2.IMREAD_COLOR)
    assert film.shape == (330, 346, 3)
    assert np.abs(film[8:-8, 8:-8].astype(int) - (220, 120, 40)).max() < 8


def test_the_same_photo_and_corners_give_the_same_bytes(photo):
    corners = answered(json.loads(json.dumps(CONTRACT)))
    assert rectified_jpeg(jpeg(photo), corners) == rectified_jpeg(jpeg(photo), CONTRACT)


def test_corners_are_answered_with_two_decimals():
    assert answered([[1.23456, 2.0], [3.999, -4.005]]) == [[1.23, 2.0], [4.0, -4.0]]


def test_bad_corners_and_bad_files_are_told_apart(photo):
    with pytest.raises(InvalidCorners):
        rectified_jpeg(jpeg(photo), CONTRACT[::-1])
    with pytest.raises(CorruptImage):
        rectified_jpeg(jpeg(photo)[:-200], CONTRACT)
