"""Five answers to one: consensus, spread, disagreement, and who answered at all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.imaging.vhs.folds import Folds, consensus, spreads, validity_probability, widest_disagreement
from gateway.imaging.vhs.landmarks import HEART_TOP, VERTEBRA_B, VLAS
from tests.imaging.vhs.hearts import VIEW, fanned, folds_of, heart

numbers = st.floats(-1000, 1000)


@pytest.mark.parametrize(
    ("answers", "agreed"),
    [
        ([1.0, 2.0, 3.0, 4.0, 100.0], 3.0),  # the middle three: 2, 3, 4
        ([100.0, -50.0, 3.0, 4.0, 2.0], 3.0),  # in any order
        ([1.0, 2.0, 4.0, 100.0], 3.0),  # four: the middle two
        ([-90.0, 3.0, 4.0], 3.0),  # three: the middle one
    ],
)
def test_the_middle_folds_decide(answers, agreed):
    assert consensus(np.array(answers)) == pytest.approx(agreed)


def test_coordinates_are_agreed_on_one_by_one():
    x, y = [0.0, 1.0, 2.0, 3.0, 9.0], [9.0, 7.0, 6.0, 5.0, 0.0]
    assert consensus(np.stack([x, y], axis=1)) == pytest.approx([2.0, 6.0])


@given(st.lists(numbers, min_size=4, max_size=4), numbers)
def test_one_fold_cannot_leave_the_others(others, wild):
    agreed = consensus(np.array([*others, wild]))
    assert min(others) - 1e-9 <= agreed <= max(others) + 1e-9


def test_points_go_back_through_the_letterbox():
    assert folds_of(heart()).points(VIEW.width, VIEW.height) == pytest.approx(
        np.stack([heart()] * 5), abs=1e-3
    )


def test_spread_by_hand():
    points = np.zeros((5, 7, 2))
    points[:, HEART_TOP, 0] = [-0.02, -0.01, 0.0, 0.01, 0.02]  # population variance 0.0002
    points[:, VLAS, 1] = [0.0, 0.0, 0.0, 0.0, 0.1]  # population variance 0.0016
    expected = np.zeros(7)
    expected[HEART_TOP], expected[VLAS] = np.sqrt(0.0001), np.sqrt(0.0008)
    assert spreads(points) == pytest.approx(expected)


def test_spread_is_a_standard_deviation_and_no_variance():
    points = np.stack([heart()] * 5) + fanned(0.005)
    assert spreads(points / 1000) == pytest.approx(np.full(7, 0.005))
    assert spreads(points * 3 / 1000) == pytest.approx(np.full(7, 0.015))


def test_the_widest_disagreement_is_between_two_folds_on_one_point():
    points = np.stack([heart()] * 5) / 1000
    points[1, VERTEBRA_B] += (0.03, 0.0)
    points[3, VERTEBRA_B] -= (0.0, 0.04)
    points[2, VLAS] += 0.5  # VHS does without it
    assert widest_disagreement(points) == pytest.approx(0.05)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1.5])
@pytest.mark.parametrize("part", [0, 1])
def test_a_fold_with_something_that_no_heatmap_gives_did_not_answer(part, value):
    folds = folds_of(heart())
    folds[part][2, VLAS] = value
    assert [len(array) for array in folds.answered()] == [4, 4, 4]


def test_a_fold_without_a_verdict_still_has_landmarks():
    folds = folds_of(heart())
    folds.validity[0] = np.nan
    assert len(folds.answered().landmarks) == 5


@pytest.mark.parametrize(
    ("logits", "probability"),
    [
        ([0.0] * 5, 0.5),
        ([np.log(3)] * 5, 0.75),
        ([np.log(3), np.log(3), np.log(3), 0.0, 0.0], 0.65),  # the mean of probabilities, not of logits
        ([np.nan, np.nan, 200.0, 200.0, 200.0], 1.0),
        ([np.nan, np.inf, -np.inf, 5.0, 5.0], None),
    ],
)
def test_validity_is_the_mean_of_the_folds_probabilities(logits, probability):
    answer = validity_probability(np.array(logits, np.float32))
    assert answer is None if probability is None else answer == pytest.approx(probability, abs=1e-6)


def test_folds_keep_their_arrays_apart():
    folds = folds_of(heart(), offsets=fanned(0.01))
    assert isinstance(folds.answered(), Folds)
    assert folds.mean_peaks() == pytest.approx(np.full(7, 0.8))
