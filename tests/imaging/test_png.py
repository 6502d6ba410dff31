from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from gateway.imaging.png import encode_jpeg, encode_png

FILMS = Path(__file__).parents[2].parent / "shared" / "data" / "nih"


def pixels(*shape):
    return np.random.default_rng(7).integers(0, 256, shape, np.uint8)


def decoded(stream):
    return cv2.imdecode(np.frombuffer(stream, np.uint8), cv2.IMREAD_UNCHANGED)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (37, 53), (1, 1, 3), (37, 53, 3), (2, 300, 3)])
def test_decodes_to_the_same_pixels(shape):
    image = pixels(*shape)
    assert np.array_equal(decoded(encode_png(image)), image)


def test_another_decoder_agrees():
    image = pixels(20, 31, 3)
    with Image.open(BytesIO(encode_png(image))) as read:
        assert read.mode == "RGB"
        assert np.array_equal(np.asarray(read)[..., ::-1], image)


def test_takes_a_view_that_is_not_contiguous():
    image = pixels(40, 60)[::2, ::-3]
    assert np.array_equal(decoded(encode_png(image)), image)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint16),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((0, 4), np.uint8),
    ],
)
def test_refuses_what_is_not_an_8_bit_image(image):
    with pytest.raises(ValueError, match="expected uint8"):
        encode_png(image)
    with pytest.raises(ValueError, match="expected uint8"):
        encode_jpeg(image, max_side_px=10, quality=80)


def test_a_real_film_is_smaller_than_opencv_writes_it():
    films = sorted(FILMS.glob("*.jpg"))[:3]
    if not films:
        pytest.skip("no films in ../shared/data/nih")
    for path in films:
        film = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        stream = encode_png(film)
        assert np.array_equal(decoded(stream), film)
        assert len(stream) < len(cv2.imencode(".png", film)[1])


@pytest.mark.parametrize(("shape", "size"), [((1000, 500), (200, 100)), ((500, 1000, 3), (100, 200, 3))])
def test_a_jpeg_fits_into_the_square_and_keeps_its_shape(shape, size):
    assert decoded(encode_jpeg(np.zeros(shape, np.uint8), max_side_px=200, quality=80)).shape == size


def test_a_small_image_is_not_enlarged():
    assert decoded(encode_jpeg(pixels(30, 20), max_side_px=200, quality=80)).shape == (30, 20)


def test_shrinking_averages_areas():
    checkers = np.indices((400, 400)).sum(axis=0) % 2 * np.uint8(255)
    shrunk = decoded(encode_jpeg(checkers.astype(np.uint8), max_side_px=100, quality=95))
    assert np.abs(shrunk.astype(int) - 128).max() <= 2


def test_refuses_a_square_of_no_size():
    with pytest.raises(ValueError, match="max_side_px"):
        encode_jpeg(pixels(4, 4), max_side_px=0, quality=80)
