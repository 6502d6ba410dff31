import cv2
import numpy as np
import pytest

from gateway.imaging.screen.quad import jaccard
from gateway.imaging.screen.refine import MAX_MOVE, classical_quad, refined

CORNERS = np.array([[210.3, 140.8], [1010.6, 105.2], [985.1, 760.4], [240.7, 720.9]])


def screen(corners: np.ndarray = CORNERS, *, inside: int = 190, outside: int = 40) -> np.ndarray:
    """Draw a quadrilateral with smooth edges and noise, uint8 (900, 1200)."""
    # Four times as large, for OpenCV fills polygons half a pixel beyond their outline.
    large = np.full((3600, 4800), outside, np.uint8)
    fixed = np.round((corners * 4 - 0.5) * 256).astype(np.int32)
    cv2.fillConvexPoly(large, fixed, (inside,), cv2.LINE_8, 8)
    picture = cv2.resize(large, (1200, 900), interpolation=cv2.INTER_AREA)
    noise = np.random.default_rng(0).normal(0, 4, picture.shape)
    return np.clip(cv2.GaussianBlur(picture, (0, 0), 1.2) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("levels", [(190, 40), (40, 190), (60, 45)])
def test_corners_become_exact_to_a_fraction_of_a_pixel(levels):
    picture = screen(inside=levels[0], outside=levels[1])
    coarse = CORNERS + np.random.default_rng(1).normal(0, 5, (4, 2))
    assert abs(refined(picture, coarse) - CORNERS).max() < 0.6


def test_without_edges_corners_stay():
    picture = np.full((900, 1200), 90, np.uint8)
    assert np.allclose(refined(picture, CORNERS), CORNERS)


def test_no_corner_moves_farther_than_is_believed():
    diagonal = np.linalg.norm(np.ptp(CORNERS, axis=0))
    for seed in range(8):
        coarse = CORNERS + np.random.default_rng(seed).normal(0, 14, (4, 2))
        moved = np.linalg.norm(refined(screen(), coarse) - coarse, axis=1)
        assert moved.max() < MAX_MOVE * 1.05 * diagonal


def test_a_side_outside_the_frame_leaves_the_others_exact():
    corners = CORNERS.copy()
    corners[[0, 3], 0] -= 260  # the left side leaves the picture
    coarse = corners + np.random.default_rng(2).normal(0, 4, (4, 2))
    found = refined(screen(corners), coarse)
    assert abs(found[[1, 2]] - corners[[1, 2]]).max() < 0.6


def test_a_stripe_beside_the_edge_does_not_carry_it_away():
    picture = screen()
    wider = CORNERS + np.array([[-30, -30], [30, -30], [30, 30], [-30, 30]])
    cv2.polylines(picture, [wider.astype(np.int32)], True, (255,), 3)
    assert abs(refined(picture, CORNERS + 3.0) - CORNERS).max() < 0.8


def test_the_classical_search_finds_a_lone_screen():
    found = classical_quad(screen())
    assert found is not None
    assert jaccard(found, CORNERS) > 0.97


@pytest.mark.parametrize("level", [0, 128, 255])
def test_the_classical_search_finds_nothing_in_a_blank(level):
    assert classical_quad(np.full((300, 400), level, np.uint8)) is None
