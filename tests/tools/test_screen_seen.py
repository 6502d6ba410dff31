import cv2
import numpy as np
import pytest

from tools.phantoms.screen_pose import rectangle
from tools.phantoms.screen_seen import CLEAR, HIDDEN, seen_area

FILM, VIEWPORT = np.array([100.0, 80, 300, 240]), np.array([60.0, 80, 340, 280])
"""The film is as high as its viewport at the top; on the other sides there is background between them."""
REACHED = np.array([[130.0, 95], [270, 105], [263, 230], [123, 220]])
"""Of a film between the blades of a collimator that was turned a little."""


def photo(film: int = 90, background: int = 40, around: int = 160) -> np.ndarray:
    """Photograph a screen from straight ahead: one pixel each, uint8 (360, 400)."""
    picture = np.full((360, 400), around, np.uint8)
    for level, box in ((background, VIEWPORT), (film, FILM)):
        left, top, right, bottom = box.astype(int)
        picture[top:bottom, left:right] = level
    return picture


def seen(picture: np.ndarray, reached: np.ndarray | None = None):
    """Give what is seen of a film, all of which X-rays reached unless told."""
    film, viewport = rectangle(*FILM), rectangle(*VIEWPORT)
    return seen_area(picture, lambda points: points, (film if reached is None else reached, film, viewport))


def box(picture: np.ndarray):
    """Give left, top, right and bottom of what is seen, all of it upright."""
    corners = seen(picture)
    found = np.concatenate([corners[0], corners[2]])
    assert np.allclose(corners, rectangle(*found))
    return found


def test_where_the_film_stands_out_its_own_sides_count():
    assert np.allclose(box(photo()), FILM)


def test_where_it_does_not_it_ends_with_its_viewport():
    assert np.allclose(box(photo(film=40)), VIEWPORT)


@pytest.mark.parametrize("border", [40, 0, 160, 230])
def test_a_border_of_the_film_is_not_the_film_whatever_it_looks_like(border):
    """As dark as the viewer's background, darker, as bright as its toolbars, or brighter."""
    picture = photo(film=border)
    cv2.fillConvexPoly(picture, REACHED.astype(np.int32), (120,))
    assert abs(seen(picture, REACHED) - REACHED).max() < 1e-6


def test_a_border_that_cannot_be_told_from_the_film_is_part_of_it():
    assert np.allclose(seen(photo(), REACHED), rectangle(*FILM))
    picture = photo()
    shadow = np.array([[100, 80], [131, 80], [122, 240], [100, 240]], np.int32)
    cv2.fillConvexPoly(picture, shadow, (40,))  # at the left alone
    corners = seen(picture, REACHED)
    assert np.allclose(corners[[1, 2]], rectangle(*FILM)[[1, 2]])
    assert np.allclose(corners[[0, 3], 1], [80, 240])
    assert (abs(corners[[0, 3], 0] - [131, 122]) < 2).all()


def test_each_side_is_told_for_itself():
    picture = photo(film=40)
    picture[80:240, 296:300] = 90  # a label at the right side
    assert np.allclose(box(picture), [60, 80, 300, 280])


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_a_side_is_seen_where_a_third_of_it_is(share):
    picture = photo(film=40)
    picture[80 : 80 + int(160 * share), 290:300] = 90
    assert box(picture)[2] == pytest.approx(300 if share > 0.35 else 340)


def test_what_is_neither_seen_nor_hidden_is_left_to_nobody():
    assert seen(photo(film=40 + round((CLEAR + HIDDEN) / 2))) is None


@pytest.mark.parametrize("levels", [{"film": 40, "around": 40}, {"film": 160, "background": 90}])
def test_a_side_that_cannot_be_told_from_anything_is_left_to_nobody(levels):
    """Nothing shows where the viewport ends; or the film bleeds into what it touches at the top."""
    assert seen(photo(**levels)) is None


def test_a_side_outside_the_frame_is_where_the_film_has_it():
    picture = photo()[:, :280]
    assert np.allclose(box(picture), FILM)


def test_noise_shows_nothing():
    rng = np.random.default_rng(0)
    noisy = [(photo(film=40) + rng.normal(0, 6, (360, 400))).clip(0, 255).astype(np.uint8) for _ in range(4)]
    assert all(np.allclose(box(picture), VIEWPORT) for picture in noisy)
    assert np.allclose(box(cv2.GaussianBlur(photo(), (0, 0), 1)), FILM)
