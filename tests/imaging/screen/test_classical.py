import numpy as np
import pytest

from gateway.imaging.screen.classical import classical_quad
from gateway.imaging.screen.quad import jaccard
from tests.imaging.screen.drawn import CORNERS, screen


def test_the_search_finds_a_lone_screen():
    found = classical_quad(screen())
    assert found is not None
    assert jaccard(found, CORNERS) > 0.97


@pytest.mark.parametrize("level", [0, 128, 255])
def test_the_search_finds_nothing_in_a_blank(level):
    assert classical_quad(np.full((300, 400), level, np.uint8)) is None
