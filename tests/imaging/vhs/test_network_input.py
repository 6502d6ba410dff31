"""A picture's own grey levels in the network's square."""

import numpy as np
import pytest

from gateway.imaging.letterbox import placement
from gateway.imaging.vhs.network_input import INPUT_SIZE_PX, grey_window, network_input


def ramp(rows, columns):
    return np.tile(np.linspace(0, 255, columns).astype(np.uint8), (rows, 1))


def test_the_window_leaves_out_a_hundredth_at_each_end():
    picture = np.full((100, 100), 100, np.uint8)
    picture[0, :99], picture[1, :99] = 3, 250  # 99 of 10,000: just too few
    assert grey_window(picture) == (100, 100)
    picture[0, 99] = 3
    assert grey_window(picture) == (3, 100)
    picture[1] = 250
    picture[2, 0] = 250
    assert grey_window(picture) == (3, 250)


@pytest.mark.parametrize("shape", [(300, 400), (1600, 1200), (512, 512), (50, 900)])
def test_fills_the_square_from_zero_to_one(shape):
    square = network_input(ramp(*shape))
    assert (square.shape, square.dtype) == ((1, INPUT_SIZE_PX, INPUT_SIZE_PX), np.float32)
    assert (square.min(), square.max()) == (0.0, 1.0)


def test_brightness_and_contrast_do_not_matter():
    picture = ramp(400, 500)
    dim = (picture // 2 + 40).astype(np.uint8)
    inside = slice(60, -60)
    difference = network_input(picture)[0, inside] - network_input(dim)[0, inside]
    assert np.abs(difference).max() < 0.02  # a level of the dimmer one


def test_the_padding_is_black_whatever_the_picture():
    square = network_input(np.full((200, 400), 255, np.uint8) - ramp(200, 400) // 4)[0]
    assert not square[: INPUT_SIZE_PX // 4 - 1].any()
    assert not square[-INPUT_SIZE_PX // 4 + 1 :].any()


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_picture_is_black(level):
    assert not network_input(np.full((30, 40), level, np.uint8)).any()


@pytest.mark.parametrize("shape", [(1500, 2000), (2000, 1500), (300, 200)])
def test_a_mark_lies_where_the_placement_says(shape):
    rows, columns = shape
    picture = np.zeros(shape, np.uint8)
    y, x = rows // 3, columns // 4
    size = max(shape) // 6
    picture[y : y + size, x : x + size] = 255
    square = network_input(picture)[0]
    index = np.arange(INPUT_SIZE_PX) + 0.5
    at = np.array([square.sum(axis=0) @ index, square.sum(axis=1) @ index]) / square.sum()
    place = placement(columns, rows, INPUT_SIZE_PX)
    assert at == pytest.approx(place.to_square(np.array([x + size / 2, y + size / 2])), abs=0.05)
