import time

import cv2
import numpy as np
import pytest

from gateway.imaging.colour import coloured_share
from gateway.imaging.screen.aspect import true_aspect
from gateway.imaging.screen.quad import is_convex, jaccard, ordered, signed_area
from gateway.imaging.screen.rectify import rectified
from tools.phantoms.screen_films import Film, direct_radiograph, exported, films, varied
from tools.phantoms.screen_optics import Lens, moire
from tools.phantoms.screen_photo import ScreenPhoto, screen_photo, screenless_photo, turned
from tools.phantoms.screen_pose import pose, project, rectangle

BANK = films(5, 6, long_side_px=320)


def photo(seed: int, **options) -> ScreenPhoto:
    rng = np.random.default_rng(seed)
    return screen_photo(rng, varied(rng, BANK), **{"long_side_px": 512, **options})


PHOTOS = [photo(seed) for seed in range(60)]


def test_a_photo_is_in_colour_and_of_the_size_asked_for():
    for each in PHOTOS:
        assert each.picture.dtype == np.uint8
        assert max(each.picture.shape[:2]) == 512
        assert each.picture.shape[2] == 3


def test_corners_run_clockwise_from_the_top_left():
    for each in PHOTOS:
        assert is_convex(each.corners)
        assert np.array_equal(ordered(each.corners), each.corners)


def test_films_fill_the_frames_of_shaking_hands():
    areas = np.array([signed_area(p.corners) / (p.picture.shape[0] * p.picture.shape[1]) for p in PHOTOS])
    assert areas.min() > 0.1
    assert areas.max() < 0.98
    assert np.ptp(areas) > 0.4


def test_no_corner_lies_farther_outside_than_five_percent():
    for each in PHOTOS:
        share = each.corners / each.picture.shape[1::-1]
        assert share.min() > -0.08  # 0.05, and what the lens adds
        assert share.max() < 1.08


def test_the_same_seed_gives_the_same_photo_and_another_another():
    assert np.array_equal(photo(3).picture, photo(3).picture)
    assert not np.array_equal(photo(3).picture, photo(4).picture)


def test_the_true_aspect_follows_from_corners_and_focal_length():
    errors = []
    for each in PHOTOS:
        rows, columns = each.picture.shape[:2]
        found = true_aspect(each.corners, columns, rows, each.focal_px)
        errors.append(abs(found / each.aspect - 1))
    # The lens bends the corners a little, which a pinhole does not know of; a turned collimator's field that
    # the film's end cuts is no rectangle.
    assert np.median(errors) < 0.003
    assert max(errors) < 0.05


def test_what_the_corners_enclose_is_the_film():
    """Straightened photos look like the film that was shown: their grey values rise and fall together."""
    film = films(8, 3, long_side_px=320)[0]
    rows, columns = film.picture.shape
    likeness = []
    for seed in range(12):
        each = screen_photo(np.random.default_rng(seed), film, long_side_px=512, turn=False)
        size = (64, 64)
        shown = rectangle(0, 0, columns, rows)
        corners = project(each.homography, shown)
        grey = cv2.cvtColor(each.picture, cv2.COLOR_BGR2GRAY)
        seen = cv2.resize(rectified(grey, corners), size, interpolation=cv2.INTER_AREA)
        meant = cv2.resize(film.picture, size, interpolation=cv2.INTER_AREA)
        likeness.append(np.corrcoef(seen.ravel(), meant.ravel())[0, 1])
    assert np.median(likeness) > 0.8


@pytest.mark.parametrize("quarters", [1, 2, 3, 4])
def test_turning_a_photo_turns_its_corners(quarters):
    upright = photo(2, turn=False)
    result = turned(upright, quarters)
    assert np.array_equal(result.picture, np.rot90(upright.picture, quarters))
    assert np.array_equal(ordered(result.corners), result.corners)
    if quarters == 4:
        assert np.allclose(result.corners, upright.corners)
        assert np.allclose(result.homography @ [0, 0, 1] / (result.homography @ [0, 0, 1])[2],
                           upright.homography @ [0, 0, 1] / (upright.homography @ [0, 0, 1])[2])  # fmt: skip
    if quarters % 2:
        assert result.aspect == pytest.approx(1 / upright.aspect)
        assert signed_area(result.corners) == pytest.approx(signed_area(upright.corners))


def test_poses_keep_their_bounds():
    for seed in range(200):
        view = pose(np.random.default_rng(seed), 1.25, 640, 480)
        corners = view.project(rectangle(-0.625, -0.5, 0.625, 0.5))
        share = corners / (640, 480)
        assert 0.65 * 640 <= view.focal_px <= 0.9 * 640
        assert 0.1 <= signed_area(corners) / (640 * 480) <= 0.95
        assert ((share < 0) | (share > 1)).any(1).sum() <= 2
        assert true_aspect(corners, 640, 480, view.focal_px) == pytest.approx(1.25)


@pytest.mark.parametrize("k1", [-0.05, 0.0, 0.05])
def test_the_lens_bends_points_where_it_bends_pixels(k1):
    lens = Lens(k1, 480.0, (320.0, 240.0))
    points = np.array([[40.5, 30.5], [600.5, 100.5], [320.5, 240.5]])
    x, y = lens.map(640, 480)
    bent = lens.distort(points)
    for (px, py), (bx, by) in zip(points, bent, strict=True):
        assert x[round(by - 0.5), round(bx - 0.5)] + 0.5 == pytest.approx(px, abs=1.5)
        assert y[round(by - 0.5), round(bx - 0.5)] + 0.5 == pytest.approx(py, abs=1.5)


def test_moire_is_a_change_about_one():
    beat = moire(np.random.default_rng(0), np.diag([1.3, 1.3, 1.0]), 320, 240)
    assert beat.shape == (240, 320, 3)
    assert beat.mean() == pytest.approx(1, abs=0.05)
    assert 0.01 < beat.std() < 0.3


def test_what_is_no_photo_of_a_screen_can_be_drawn_too():
    for seed in range(10):
        rng = np.random.default_rng(seed)
        assert screenless_photo(rng, long_side_px=256).shape[2] == 3
        film = direct_radiograph(rng, BANK)
        assert film.ndim == 2
        assert film.dtype == np.uint8


def test_direct_radiographs_are_files_without_colour_mostly():
    rng = np.random.default_rng(0)
    drawn = [exported(rng, direct_radiograph(rng, BANK)) for _ in range(60)]
    coloured = [coloured_share(picture) for picture in drawn if picture.ndim == 3]
    assert 5 < len(coloured) < 30
    assert max(coloured) > 0.5  # tinted
    assert 0 < min(coloured) < 0.15  # some lines


def test_what_is_exposed_of_a_film_follows_its_crop_and_mirror():
    rng = np.random.default_rng(0)
    rows, columns = 80, 120
    picture = np.full((rows, columns), 30, np.uint8)
    picture[20:60, 30:100] = 200
    film = Film(picture, rectangle(30, 20, 100, 60))
    for _ in range(40):
        cropped, exposed = varied(rng, [film])
        (left, top), _, (right, bottom), _ = exposed.astype(int)
        assert np.array_equal(exposed, rectangle(left, top, right, bottom))
        within = np.zeros(cropped.shape, bool)
        within[top:bottom, left:right] = True
        assert np.ptp(cropped[within]) == 0
        assert within.all() or not np.isin(cropped[~within], cropped[within][0]).any()


def test_films_of_other_seeds_are_others():
    again, other = films(5, 2, long_side_px=320), films(6, 2, long_side_px=320)
    assert all(np.array_equal(a.picture, b.picture) for a, b in zip(again, BANK[:2], strict=True))
    assert not any(np.array_equal(a.picture, b.picture) for a, b in zip(again, other, strict=True))


def test_a_photo_is_quick_to_draw():
    started = time.process_time()
    for seed in range(10):
        photo(seed, long_side_px=640)
    assert (time.process_time() - started) / 10 < 0.25  # 0.06 s on an idle machine


def test_jaccard_of_the_true_corners_is_one():
    assert min(jaccard(each.corners, each.corners) for each in PHOTOS) > 0.9999
