"""What is measured and what is refused, limit by limit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.imaging.vhs.landmarks import (
    HEART_BOTTOM,
    HEART_LEFT,
    HEART_RIGHT,
    HEART_TOP,
    VERTEBRA_A,
    VERTEBRA_B,
    VLAS,
)
from gateway.imaging.vhs.measurement import measure
from gateway.imaging.vhs.plausibility import (
    USUAL_PLACES,
    found,
    heart_fault,
    spine_fault,
    vertebral_frame,
    vlas_fault,
)
from tests.imaging.vhs.hearts import FRAME, UNIT_PX, heart, moved

ALL = np.ones(7, bool)


def fault_of(points):
    return heart_fault(points, measure(points))


def stretched(*, long_axis=1.0, short_axis=1.0):
    """Lengthen the axes about their middles, without leaving a usual place by much."""
    frame = FRAME.copy()
    for pair, factor in (((HEART_TOP, HEART_BOTTOM), long_axis), ((HEART_RIGHT, HEART_LEFT), short_axis)):
        middle = frame[list(pair)].mean(axis=0)
        frame[list(pair)] = middle + (frame[list(pair)] - middle) * factor
    return heart(frame)


def usual():
    frame = FRAME.copy()
    for landmark, place in USUAL_PLACES.items():
        frame[landmark] = (place.x, place.y)
    return frame


def test_usual_hearts_pass():
    assert fault_of(heart()) is None
    assert fault_of(heart(usual())) is None


@pytest.mark.parametrize(
    ("points", "fault"),
    [
        (stretched(long_axis=0.55), "long axis"),  # 2.8
        (stretched(short_axis=0.45), "short axis"),  # 1.9
        (stretched(long_axis=0.66), "ratio"),  # 3.3 to 4.2
        (stretched(long_axis=1.3, short_axis=0.6), "ratio"),  # 6.5 to 2.5
        (stretched(long_axis=0.9, short_axis=1.4), "ratio"),  # 4.5 to 5.9
    ],
)
def test_axes_beyond_their_limits_are_no_heart(points, fault):
    assert fault in fault_of(points)


@pytest.mark.parametrize(
    ("factor", "passes"),
    [(0.55, False), (0.65, True), (1.4, True), (1.9, False)],  # VHS 5.1 and 17.6 at the ends
)
def test_the_whole_heart_has_limits(factor, passes):
    assert (fault_of(stretched(long_axis=factor, short_axis=factor)) is None) == passes


@pytest.mark.parametrize("landmark", USUAL_PLACES)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("sign", [-1, 1])
def test_each_heart_point_has_its_place(landmark, axis, sign):
    """Five standard deviations from the usual place are just beyond, whatever else holds."""
    place = USUAL_PLACES[landmark]
    deviation = (place.x_sd, place.y_sd)[axis]
    for share, named in ((4.99, False), (5.01, True)):
        frame = usual()
        frame[landmark, axis] += sign * share * deviation
        fault = heart_fault(heart(frame), measure(heart(usual())))  # the measurement of a sound one
        # The frame's y axis points to the apex: it turns over where the apex leaves its side.
        assert (fault is not None and "usual place" in fault) == named


@given(st.floats(0, 360), st.booleans(), st.floats(5, 200))
def test_the_vertebral_frame_knows_neither_direction_nor_mirror_nor_scale(slope, mirrored, unit):
    points = heart(unit=unit, slope=slope) * (-1 if mirrored else 1, 1)
    assert vertebral_frame(points) == pytest.approx(FRAME, abs=1e-6)


@pytest.mark.parametrize(("degrees", "passes"), [(59.9, False), (60.1, True), (89.0, True)])
def test_the_axes_have_to_cross_like_a_hearts(degrees, passes):
    measured = measure(heart())._replace(axes_angle=degrees)
    assert (heart_fault(heart(), measured) is None) == passes


@pytest.mark.parametrize(("share", "passes"), [(0.1001, True), (0.0999, False)])
def test_the_spine_has_a_least_length(share, passes):
    points = heart()
    length = np.hypot(*(points[VERTEBRA_B] - points[VERTEBRA_A]))
    assert length == pytest.approx(6 * UNIT_PX)
    assert (spine_fault(points, ALL, length / share) is None) == passes


def test_a_spine_of_no_length_is_no_spine():
    points = heart()
    points[VERTEBRA_B] = points[VERTEBRA_A]
    assert spine_fault(points, ALL, 1000.0)


@pytest.mark.parametrize(
    "landmark", [HEART_TOP, HEART_BOTTOM, HEART_RIGHT, HEART_LEFT, VERTEBRA_A, VERTEBRA_B]
)
def test_each_of_the_six_points_is_needed(landmark):
    is_found = ALL.copy()
    is_found[landmark] = False
    assert "not found" in spine_fault(heart(), is_found, 1000.0)


def test_vhs_does_without_the_vlas_point():
    is_found = ALL.copy()
    is_found[VLAS] = False
    assert spine_fault(heart(), is_found, 1000.0) is None


@pytest.mark.parametrize(
    ("fraction", "peak", "expected"),
    [
        ((0.5, 0.5), 0.15, True),
        ((0.5, 0.5), 0.149, False),
        ((-0.019, 1.019), 0.5, True),
        ((-0.021, 0.5), 0.5, False),
        ((0.5, 1.021), 0.5, False),
    ],
)
def test_found_is_inside_with_a_clear_peak(fraction, peak, expected):
    assert found(np.full((7, 2), fraction), np.full(7, peak)).all() == expected


def vlas_fault_of(points, *, is_found=True, spread=0.004):
    return vlas_fault(points, measure(points), is_found=is_found, spread=spread)


def test_a_usual_vlas_passes():
    assert vlas_fault_of(heart()) is None
    assert vlas_fault_of(heart(FRAME * (-1, 1))) is None


def vlas_at(x, y):
    frame = FRAME.copy()
    frame[VLAS] = frame[HEART_TOP] + (x, y)
    return heart(frame)


@pytest.mark.parametrize(
    ("points", "fault"),
    [
        (vlas_at(0.5, 0.5), "0.71 is not between"),
        (vlas_at(4.0, 2.5), "4.72 is not between"),
        (vlas_at(-1.0, 1.0), "not caudal"),  # cranial of the long axis
        (vlas_at(1.5, -0.5), "not caudal"),  # dorsal of its upper end
    ],
)
def test_a_vlas_point_elsewhere_is_none(points, fault):
    assert fault in vlas_fault_of(points)


def test_vlas_ends_where_the_long_axis_ends():
    frame = FRAME.copy()
    frame[HEART_BOTTOM] = frame[HEART_TOP] + (0.0, 3.0)
    for along, passes in ((2.99, True), (3.01, False)):
        frame[VLAS] = frame[HEART_TOP] + (1.0, along)
        assert (vlas_fault_of(heart(frame)) is None) == passes


@pytest.mark.parametrize(("spread", "passes"), [(0.02, True), (0.0201, False)])
def test_the_folds_have_to_agree_on_the_vlas_point(spread, passes):
    assert (vlas_fault_of(heart(), spread=spread) is None) == passes


def test_a_vlas_point_that_was_not_found_is_none():
    assert vlas_fault_of(heart(), is_found=False) == "not found"


def test_a_moved_point_moves_only_itself():
    assert (moved(VLAS, (3, 4)) - heart()).tolist() == pytest.approx(np.eye(7)[VLAS][:, None] * [3, 4])
