"""From folds to an answer: each result code, the confidence at its edges, what is told and what is not."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.imaging.vhs.assessment import PHOTO_MAX_VHS_SD, View, assess, tier_of
from gateway.imaging.vhs.folds import Folds
from gateway.imaging.vhs.landmarks import HEART_BOTTOM, HEART_LEFT, HEART_RIGHT, HEART_TOP, LANDMARKS, VLAS
from gateway.imaging.vhs.result import GOOD, OPTIMAL, REVIEW, Assessment
from tests.imaging.vhs.hearts import FRAME, UNIT_PX, VHS, VIEW, VLAS_LENGTH, fanned, folds_of, heart, moved

SURE = folds_of(heart(), offsets=fanned(0.001))
NO_NUMBERS = ("vhs", "vlas", "spread", "vhs_sd")


def without(count, folds=SURE):
    """Folds of which `count` did not answer."""
    landmarks = folds.landmarks.copy()
    landmarks[:count, 0, 0] = np.nan
    return folds._replace(landmarks=landmarks)


def turned_short_axis(degrees):
    """A heart whose axes cross at this angle."""
    points = heart()
    long_axis = points[HEART_BOTTOM] - points[HEART_TOP]
    turn = np.radians(-degrees)
    across = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ long_axis
    middle = points[[HEART_RIGHT, HEART_LEFT]].mean(axis=0)
    points[HEART_RIGHT], points[HEART_LEFT] = middle - 0.4 * across, middle + 0.4 * across
    return points


@pytest.mark.parametrize(
    ("folds", "view", "code", "description"),
    [
        (without(3), VIEW, 0, "Abnormal result — unexpected prediction state"),
        (SURE, VIEW, 1, "VHS and VLAS predicted successfully with high confidence"),
        (
            folds_of(heart(), offsets=fanned(0.006)),
            VIEW,
            2,
            "VHS and VLAS predicted successfully with moderate confidence",
        ),
        (
            folds_of(heart(), offsets=fanned(0.01)),
            VIEW,
            3,
            "VHS and VLAS predicted but confidence is low — review recommended",
        ),
        (
            folds_of(moved(VLAS, (-150, 0)), offsets=fanned(0.001)),
            VIEW,
            4,
            "VHS predicted successfully, VLAS could not be calculated",
        ),
        (
            folds_of(moved(HEART_BOTTOM, (0, -150))),
            VIEW,
            5,
            "Neither VHS nor VLAS could be calculated — check image quality",
        ),
        (folds_of(heart(), logit=-3.0), VIEW, 6, "Image rejected — not a valid radiograph."),
        (
            SURE,
            VIEW._replace(perspective_failed=True),
            7,
            "PoP image detected but perspective correction failed",
        ),
    ],
)
def test_each_result_code_is_reached(folds, view, code, description):
    answer = assess(folds, view)
    assert (answer.result_code, answer.result_description) == (code, description)
    assert answer.landmarks_detected == (code in (1, 2, 3, 4))
    assert answer.rejected == (code == 6)
    assert answer.rejection_reason == ("not_a_valid_radiograph" if code == 6 else None)
    if code in (0, 5, 6, 7):
        assert [getattr(answer, name) for name in NO_NUMBERS] == [None] * 4
        assert (answer.model_confidence, answer.axes_perpendicular) == (REVIEW, False)


def test_a_success_says_everything():
    answer = assess(SURE, VIEW)
    assert answer.vhs == pytest.approx(VHS, abs=1e-3)
    assert answer.vlas == pytest.approx(VLAS_LENGTH, abs=1e-3)
    assert answer.spread == pytest.approx(0.001, abs=1e-6)
    assert (answer.model_confidence, answer.axes_perpendicular, answer.pop_detected) == (OPTIMAL, True, False)
    assert (answer.image_width, answer.image_height) == (1000, 800)
    assert answer.classifier_confidence == pytest.approx(1 / (1 + np.exp(-4)))
    assert [point.name for point in answer.prediction] == list(LANDMARKS)
    fractions = [(point.x, point.y) for point in answer.prediction]
    assert np.array(fractions) == pytest.approx(heart() / (1000, 800), abs=1e-5)
    assert answer.fault is None


@pytest.mark.parametrize(
    ("spread", "tier"),
    [
        (0.0, OPTIMAL),
        (0.00499, OPTIMAL),
        (0.005, GOOD),  # a boundary belongs to the worse tier
        (0.00799, GOOD),
        (0.008, REVIEW),
        (1.0, REVIEW),
    ],
)
def test_tiers_and_their_boundaries(spread, tier):
    assert tier_of(spread) == tier


@pytest.mark.parametrize(
    ("degrees", "perpendicular", "code"),
    [(90.0, True, 1), (75.01, True, 1), (74.9, False, 3), (60.1, False, 3), (59.9, False, 5)],
)
def test_axes_that_are_not_perpendicular_force_a_review(degrees, perpendicular, code):
    answer = assess(folds_of(turned_short_axis(degrees)), VIEW)
    assert (answer.axes_perpendicular, answer.result_code) == (perpendicular, code)
    assert answer.model_confidence == (REVIEW if code != 1 else OPTIMAL)


@pytest.mark.parametrize(("missing", "code"), [(0, 1), (1, 3), (2, 3), (3, 0), (5, 0)])
def test_missing_folds_force_a_review_and_then_an_end(missing, code):
    assert assess(without(missing), VIEW).result_code == code


@pytest.mark.parametrize(("apart", "code"), [(0.049, 1), (0.051, 3)])
def test_two_folds_far_apart_on_one_point_force_a_review(apart, code):
    offsets = np.zeros((5, 7, 2))
    offsets[4, HEART_TOP, 0] = apart * VIEW.long_side
    answer = assess(folds_of(heart(), offsets=offsets), VIEW)
    assert answer.result_code == code
    assert answer.spread < 0.005
    assert answer.vhs == pytest.approx(VHS, abs=1e-3)  # four folds outvote the fifth


def test_spread_leaves_the_vlas_point_out_where_there_is_no_vlas():
    offsets = np.zeros((5, 7, 2))
    offsets[:, VLAS] = fanned(0.03)[:, 0]
    answer = assess(folds_of(heart(), offsets=offsets), VIEW)
    assert (answer.result_code, answer.spread, answer.fault) == (
        4,
        pytest.approx(0, abs=1e-6),
        "the folds disagree",
    )
    assert answer.model_confidence == OPTIMAL
    offsets[:, VLAS] = fanned(0.014)[:, 0]
    answer = assess(folds_of(heart(), offsets=offsets), VIEW)
    assert (answer.result_code, answer.spread) == (1, pytest.approx(0.002, abs=1e-6))


def test_spread_is_a_fraction_of_the_longer_side_in_both_directions():
    tall = View(500, 2000)
    points = heart(at=(80.0, 900.0), unit=40.0)
    assert assess(folds_of(points, tall, offsets=fanned(0.004, tall)), tall).spread == pytest.approx(
        0.004, abs=1e-6
    )


def test_what_was_not_found_is_not_among_the_points():
    folds = folds_of(heart())
    folds.peaks[:, VLAS] = 0.1
    answer = assess(folds, VIEW)
    assert (answer.result_code, answer.vlas) == (4, None)
    assert [point.name for point in answer.prediction] == [name for name in LANDMARKS if name != "VLAS"]
    nothing = assess(folds_of(heart(), peak=0.1), VIEW)
    assert (nothing.result_code, nothing.prediction) == (5, ())


def test_a_rejection_tells_how_sure_it_is_and_no_points():
    answer = assess(folds_of(heart(), logit=float(np.log(0.2063 / 0.7937))), VIEW)
    assert answer.classifier_confidence == pytest.approx(0.7937)
    assert answer.prediction == ()


@given(st.lists(st.floats(-30, 30, width=32), min_size=5, max_size=5))
def test_the_confidence_of_the_decision_is_at_least_one_half(logits):
    answer = assess(SURE._replace(validity=np.array(logits, np.float32)), VIEW)
    assert 0.5 <= answer.classifier_confidence <= 1
    assert answer.rejected == (np.mean(1 / (1 + np.exp(-np.array(logits)))) < 0.5)


@pytest.mark.parametrize(
    ("folds", "view", "code"),
    [
        (without(5, folds_of(heart(), logit=-3.0)), VIEW._replace(perspective_failed=True), 7),
        (without(5, folds_of(heart(), logit=-3.0)), VIEW, 6),
        (without(5, folds_of(moved(HEART_BOTTOM, (0, -150)))), VIEW, 0),
        (SURE._replace(validity=np.full(5, np.nan, np.float32)), VIEW, 0),
    ],
)
def test_the_first_row_of_the_table_that_applies_wins(folds, view, code):
    assert assess(folds, view).result_code == code


def test_a_photo_of_a_screen_is_told_and_measured_with_its_aspect():
    view = View(1000, 800, aspect=1.1, pop_detected=True)
    answer = assess(folds_of(heart() / (1.1, 1.0), view), view)
    assert answer.pop_detected
    assert answer.vhs == pytest.approx(VHS, abs=1e-3)
    failed = assess(SURE, View(1000, 800, pop_detected=True, perspective_failed=True))
    assert (failed.result_code, failed.pop_detected) == (7, True)


def apart(vhs_sd):
    """Folds that see the apex so far apart along the long axis that their VHS has this standard deviation."""
    points = heart()
    axis = points[HEART_BOTTOM] - points[HEART_TOP]
    steps = np.linspace(-1, 1, 5)
    offsets = np.zeros((5, len(LANDMARKS), 2))
    offsets[:, HEART_BOTTOM] = (
        (steps / steps.std())[:, np.newaxis] * axis / np.hypot(*axis) * vhs_sd * UNIT_PX
    )
    return folds_of(points, offsets=offsets)


@pytest.mark.parametrize(("vhs_sd", "code"), [(PHOTO_MAX_VHS_SD - 0.005, 1), (PHOTO_MAX_VHS_SD + 0.01, 5)])
def test_a_photo_that_the_folds_measure_differently_is_not_measured_and_a_film_is(vhs_sd, code):
    photo, film = (assess(apart(vhs_sd), VIEW._replace(pop_detected=photo)) for photo in (True, False))
    assert (photo.result_code, photo.pop_detected) == (code, True)
    assert (photo.vhs is None) == (code == 5)
    assert photo.fault == (
        None if code == 1 else "the folds' VHS differs by 0.16, at most 0.15 through a photo"
    )
    assert (film.result_code, film.vhs_sd) == (1, pytest.approx(vhs_sd, abs=0.001))


def test_the_view_is_read_from_the_header():
    header = {"width": 7, "height": 9, "focal_35mm_mm": None, "bits": 8}
    assert View.from_header(header) == View(7, 9)
    assert View.from_header({**header, "aspect": 1.2, "pop_detected": True}) == View(7, 9, 1.2, True)


anything = st.floats(width=32) | st.sampled_from([0.0, 0.5, 1.0])


@given(
    st.lists(anything, min_size=70, max_size=70),
    st.lists(anything, min_size=35, max_size=35),
    st.lists(anything, min_size=5, max_size=5),
    st.integers(1, 9000),
    st.integers(1, 9000),
)
def test_whatever_a_network_says_the_answer_is_one_of_the_codes_in_strict_json(
    points, peaks, logits, width, height
):
    folds = Folds(
        np.array(points, np.float32).reshape(5, 7, 2),
        np.array(peaks, np.float32).reshape(5, 7),
        np.array(logits, np.float32),
    )
    answer = assess(folds, View(width, height))
    document = json.dumps(answer.to_json(), allow_nan=False)
    assert Assessment.from_json(json.loads(document)) == answer
    assert answer.result_code in range(8)


def test_hearts_on_both_sides_are_the_same():
    mirrored = heart(FRAME * (-1, 1), at=(670.0, 300.0), slope=18.0)
    assert assess(folds_of(mirrored), VIEW).vhs == pytest.approx(VHS, abs=1e-3)
