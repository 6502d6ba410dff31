"""What is drawn, where, and that it can be read."""

import io
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from gateway.imaging.vhs.assessment import View, assess
from gateway.imaging.vhs.drawing import MAX_SIDE_PX, MIN_SIDE_PX, annotated, annotated_png
from gateway.imaging.vhs.landmarks import (
    HEART_BOTTOM,
    HEART_LEFT,
    HEART_RIGHT,
    HEART_TOP,
    VERTEBRA_A,
    VERTEBRA_B,
)
from gateway.imaging.vhs.landmarks import VLAS as VLAS_POINT
from gateway.imaging.vhs.result import Assessment, Landmark
from tests.imaging.vhs.hearts import VIEW, fanned, folds_of, heart

MEASURED = assess(folds_of(heart(), offsets=fanned(0.006)), VIEW)
NO_VLAS = replace(MEASURED, result_code=4, vlas=None)
REJECTED = Assessment(6, 1000, 800, classifier_confidence=0.8)
LINES = {
    (VERTEBRA_A, VERTEBRA_B): (0, 200, 140),
    (HEART_TOP, HEART_BOTTOM): (86, 190, 255),
    (HEART_RIGHT, HEART_LEFT): (250, 190, 0),
    (HEART_TOP, VLAS_POINT): (255, 120, 200),
}


def flat(level=0, rows=800, columns=1000):
    return np.full((rows, columns), level, np.uint8)


def colour_at(image, point):
    x, y = (int(value) for value in point)
    return tuple(int(value) for value in image[y, x])


def near(first, second, tolerance=12):
    return max(abs(a - b) for a, b in zip(first, second, strict=True)) <= tolerance


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("ends", LINES)
def test_each_line_runs_between_its_landmarks_on_any_ground(level, ends):
    image = annotated(flat(level), MEASURED)
    start, end = heart()[list(ends)]
    for share in (0.15, 0.3, 0.7, 0.85):
        at = start + share * (end - start)
        crossings = [near(colour_at(image, at), colour) for colour in LINES.values()]
        assert any(crossings), (ends, share)
        if sum(crossings) == 1 and share == 0.85:
            assert near(colour_at(image, at), LINES[ends])
    side = np.array([end[1] - start[1], start[0] - end[0]]) / np.hypot(*(end - start))
    edge = start + 0.85 * (end - start)
    darkest = min(sum(colour_at(image, edge + side * off)) for off in (1.5, 2, 2.5, 3))
    assert darkest < 150  # a dark border, also on white


@pytest.mark.parametrize("level", [0, 255])
def test_each_landmark_is_a_ringed_point(level):
    image = annotated(flat(level), MEASURED)
    for x, y in heart():
        assert near(colour_at(image, (x, y)), (220, 30, 30), 60)
        around = image[int(y) - 5 : int(y) + 6, int(x) - 5 : int(x) + 6].reshape(-1, 3)
        assert (around.min(axis=1) > 230).any()  # a white ring
        assert (around.max(axis=1) < 60).any()  # in a black one


def test_without_a_vlas_there_is_no_vlas_line():
    start, end = heart()[[HEART_TOP, VLAS_POINT]]
    at = start + 0.5 * (end - start)
    assert near(colour_at(annotated(flat(), MEASURED), at), LINES[HEART_TOP, VLAS_POINT])
    assert not near(colour_at(annotated(flat(), NO_VLAS), at), LINES[HEART_TOP, VLAS_POINT])


def test_without_a_measurement_points_are_drawn_but_no_lines():
    points = replace(REJECTED, result_code=5, prediction=MEASURED.prediction)
    image = annotated(flat(), points)
    assert near(colour_at(image, heart()[HEART_LEFT]), (220, 30, 30), 60)
    for colour in LINES.values():
        assert not (np.abs(image[250:].astype(int) - colour).max(axis=2) < 10).any()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((800, 1000), (800, 1000)),
        ((2400, 3000), (1280, MAX_SIDE_PX)),
        ((4000, 1000), (MAX_SIDE_PX, 400)),
        ((300, 400), (600, MIN_SIDE_PX)),
        ((1, 1), (MIN_SIDE_PX, MIN_SIDE_PX)),
        ((1, 60_000), (1, MAX_SIDE_PX)),
        ((30, 2000), (24, MAX_SIDE_PX)),
    ],
)
@pytest.mark.parametrize("assessment", [MEASURED, REJECTED])
def test_the_picture_keeps_its_proportions_within_bounds(shape, expected, assessment):
    with Image.open(io.BytesIO(annotated_png(flat(40, *shape), assessment))) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", expected[::-1])
        assert image.info == {}


def test_the_picture_shows_through_and_the_png_is_what_is_drawn():
    picture = cv2.resize(np.random.default_rng(3).integers(0, 256, (8, 10), np.uint8), (1000, 800))
    image = annotated(picture, MEASURED)
    untouched = (image == picture[..., np.newaxis]).all(axis=2).mean()
    assert untouched > 0.85
    decoded = cv2.imdecode(np.frombuffer(annotated_png(picture, MEASURED), np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(decoded[..., ::-1], image)


def test_the_numbers_and_the_confidence_are_part_of_the_picture():
    plain = annotated(flat(30), MEASURED)
    for other in (
        replace(MEASURED, vhs=12.3),
        replace(MEASURED, vlas=3.1),
        replace(MEASURED, model_confidence="review"),
    ):
        changed = (annotated(flat(30), other) != plain).any(axis=2)
        rows, columns = np.nonzero(changed)
        assert np.ptp(rows) < 250 and np.ptp(columns) < 350  # the panel, nothing else


def test_a_tenth_of_a_vertebra_is_the_finest_that_is_written():
    close = replace(MEASURED, vhs=round(MEASURED.vhs, 1) + 0.04, vlas=round(MEASURED.vlas, 1) - 0.04)
    rounded = replace(MEASURED, vhs=round(MEASURED.vhs, 1), vlas=round(MEASURED.vlas, 1))
    assert np.array_equal(annotated(flat(), close), annotated(flat(), rounded))


def crowded(*, at):
    """All seven landmarks within a few pixels of a place."""
    names = [mark.name for mark in MEASURED.prediction]
    return replace(
        MEASURED,
        prediction=tuple(
            Landmark(name, at[0] + 0.004 * i, at[1] + 0.003 * i) for i, name in enumerate(names)
        ),
    )


@pytest.mark.parametrize("at", [(0.0, 0.0), (0.97, 0.97), (0.0, 0.97), (0.5, 0.5)])
def test_landmarks_anywhere_leave_their_panel_in_another_corner(at):
    image = annotated(flat(200), crowded(at=at))
    shaded = (image.max(axis=2) < 80).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(shaded)
    left, top, width, height, _ = stats[1:][stats[1:, cv2.CC_STAT_AREA].argmax()]
    for mark in crowded(at=at).prediction:
        inside = left <= mark.x * 1000 <= left + width and top <= mark.y * 800 <= top + height
        assert not inside


@pytest.mark.parametrize("scale", [1.0, 0.5, 3.0])
def test_what_is_drawn_follows_the_picture_and_not_its_pixels(scale):
    view = View(round(1000 * scale), round(800 * scale))
    assessment = assess(folds_of(heart() * scale, view), view)
    image = annotated(flat(0, view.height, view.width), assessment)
    factor = image.shape[1] / 1000
    start, end = heart()[[HEART_TOP, HEART_BOTTOM]] * factor
    assert near(colour_at(image, start + 0.8 * (end - start)), LINES[HEART_TOP, HEART_BOTTOM])
