"""Several pictures to one result: the best, the medians, the deviations, and what lowers confidence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.imaging.vhs.batch import summarize
from gateway.imaging.vhs.result import GOOD, OPTIMAL, REVIEW, TIER_CODES, Assessment


def photo(vhs, vlas=2.0, *, tier=OPTIMAL, spread=0.003):
    code = TIER_CODES[tier] if vlas is not None else 4
    return Assessment(code, 100, 80, vhs, vlas, model_confidence=tier, spread=spread)


REJECTED = Assessment(6, 100, 80, classifier_confidence=0.79)
UNREADABLE = None


@pytest.mark.parametrize(
    "photos", [[], [REJECTED], [UNREADABLE], [Assessment(5, 9, 9), REJECTED, UNREADABLE]]
)
def test_without_a_measurement_there_are_no_numbers(photos):
    result = summarize(photos)
    assert result[:7] == (None,) * 7
    assert (result.vhs_confidence, result.vlas_confidence) == (REVIEW, REVIEW)
    assert result.n_photos_with_landmarks == 0


def test_one_measurement_has_no_deviation():
    result = summarize([photo(11.32, 1.87, spread=0.0023), REJECTED])
    assert result == (0, 11.32, 1.87, 11.32, 1.87, None, None, OPTIMAL, OPTIMAL, 2, 1)


def test_two_measurements_have_a_sample_deviation():
    result = summarize([photo(10.0, 2.0), photo(10.2, 2.2)])
    assert (result.median_vhs, result.median_vlas) == pytest.approx((10.1, 2.1))
    assert (result.vhs_std, result.vlas_std) == pytest.approx((0.2 / 2**0.5, 0.2 / 2**0.5))


def test_three_measurements_have_one_in_the_middle():
    result = summarize([photo(10.0), photo(9.0), photo(14.0)])
    assert result.median_vhs == 10.0
    assert result.vhs_std == pytest.approx(7.0**0.5)  # (1 + 4 + 9) / 2 around the mean, 11


@pytest.mark.parametrize(
    ("photos", "best"),
    [
        ([photo(9, tier=GOOD, spread=0.001), photo(10, tier=OPTIMAL, spread=0.004)], 1),  # tier before spread
        ([photo(9, spread=0.004), photo(10, spread=0.002)], 1),
        ([photo(9, spread=0.002), photo(10, spread=0.002)], 0),  # a tie: the first
        ([REJECTED, UNREADABLE, photo(10, tier=REVIEW, spread=0.05)], 2),
    ],
)
def test_the_best_is_the_surest_the_steadiest_the_first(photos, best):
    assert summarize(photos).best_photo_index == best


def test_the_best_without_a_vlas_takes_it_from_the_steadiest_that_has_one():
    photos = [
        photo(10.0, None, spread=0.001),
        photo(10.1, 2.4, tier=REVIEW, spread=0.02),
        photo(10.2, 2.2, tier=GOOD, spread=0.006),
    ]
    result = summarize(photos)
    assert (result.best_photo_index, result.best_vhs, result.best_vlas) == (0, 10.0, 2.2)
    assert (result.vhs_confidence, result.vlas_confidence) == (OPTIMAL, GOOD)
    assert result.median_vlas == pytest.approx(2.3)


def test_no_vlas_at_all_is_a_review():
    result = summarize([photo(10.0, None)])
    assert (result.best_vlas, result.vhs_confidence, result.vlas_confidence) == (None, OPTIMAL, REVIEW)


@pytest.mark.parametrize(
    ("tier", "apart", "confidence"),  # two pictures: the deviation is their distance over the root of two
    [
        (OPTIMAL, 0.70, OPTIMAL),
        (OPTIMAL, 0.71, GOOD),
        (OPTIMAL, 1.41, GOOD),
        (OPTIMAL, 1.42, REVIEW),
        (GOOD, 0.71, REVIEW),
        (REVIEW, 1.42, REVIEW),
    ],
)
def test_pictures_that_disagree_lower_the_confidence(tier, apart, confidence):
    vhs = summarize([photo(10.0, tier=tier), photo(10.0 + apart, tier=tier)])
    assert (vhs.vhs_confidence, vhs.vlas_confidence) == (confidence, tier)
    vlas = summarize([photo(10.0, 2.0, tier=tier), photo(10.0, 2.0 + apart / 2, tier=tier)])
    assert (vlas.vhs_confidence, vlas.vlas_confidence) == (tier, confidence)


def test_pictures_that_cannot_be_read_are_not_processed():
    result = summarize([UNREADABLE, REJECTED, photo(10.0)])
    assert (result.n_photos_processed, result.n_photos_with_landmarks, result.best_photo_index) == (2, 1, 2)


@given(
    st.lists(
        st.none()
        | st.builds(
            photo,
            st.floats(5, 17),
            st.none() | st.floats(0.8, 4.5),
            tier=st.sampled_from([OPTIMAL, GOOD, REVIEW]),
            spread=st.floats(0, 0.1),
        ),
        max_size=10,
    )
)
def test_the_best_is_one_of_the_pictures_and_the_median_among_them(photos):
    result = summarize(photos)
    measured = [each.vhs for each in photos if each]
    if measured:
        assert result.best_vhs == photos[result.best_photo_index].vhs
        assert min(measured) <= result.median_vhs <= max(measured)
    assert (result.vhs_std is None) == (len(measured) < 2)
