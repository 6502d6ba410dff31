import numpy as np
import pytest

from gateway.imaging.screen.locate import locate
from gateway.imaging.screen.quad import jaccard
from gateway.imaging.screen.steps import describe, straighten
from gateway.imaging.vhs.assessment import View
from gateway.imaging.vhs.network_input import network_input
from tests.imaging.screen.drawn import CORNERS, found, screen, sides

HEADER = {
    "width": 1200,
    "height": 900,
    "reduction": 2,
    "file_size": (2399, 1800),
    "focal_35mm_mm": None,
    "bits": 8,
}


def tensors(corners=CORNERS, logit=4.0):
    located = locate(screen(), 0.4, found(corners, logit=logit), sides(logit=logit))
    return {"picture": screen(), "header": HEADER, "located": located.to_json()}


def straightened(**options):
    return straighten(letterbox=network_input(screen()), **tensors(**options))


def test_a_photo_becomes_the_film_on_it():
    film = straightened()
    rows, columns = film.picture.shape
    assert film.picture[5:-5, 5:-5].min() > 150
    assert (film.header["width"], film.header["height"]) == (columns, rows)
    assert film.letterbox.shape == (1, 512, 512)
    assert film.header["pop_detected"] is True
    assert film.header["perspective_failed"] is False
    assert 0.8 < film.header["aspect"] < 1.25
    assert film.header["bits"] == 8


def test_the_measurement_reads_the_header_it_gets():
    header = straightened().header
    view = View.from_header(header)
    assert (view.width, view.aspect, view.pop_detected) == (header["width"], header["aspect"], True)


def test_a_radiograph_passes_through_untouched():
    picture, letterbox = screen(), network_input(screen())
    film = straighten(letterbox=letterbox, **{**tensors(logit=-3.0), "picture": picture})
    assert film.picture is picture
    assert film.letterbox is letterbox
    assert film.header == {**HEADER, "pop_detected": False}
    assert View.from_header(film.header).aspect == 1


def test_a_photo_without_usable_corners_says_so():
    small = CORNERS[0] + (CORNERS - CORNERS[0]) * 0.2
    film = straightened(corners=small)
    assert View.from_header(film.header).perspective_failed
    assert film.header["pop_detected"] is True
    assert film.picture.shape == (900, 1200)


def test_corners_of_no_rectangle_are_not_measured_through():
    askew = CORNERS.copy()
    askew[:2, 0] += 120
    located = {**tensors()["located"], "corners": askew.tolist()}
    film = straighten(letterbox=network_input(screen()), **{**tensors(), "located": located})
    assert View.from_header(film.header).perspective_failed
    assert "corners" not in film.header


def test_corners_are_told_in_pixels_of_the_file():
    document = describe(quality=False, **tensors())
    assert jaccard(np.array(document["corners"]) / 2, CORNERS) > 0.99
    assert straightened().header["corners"] == document["corners"]
    assert document["file_size"] == (2399, 1800)
    assert "feedback" not in document


@pytest.mark.parametrize("options", [{"logit": -3.0}, {"corners": CORNERS[0] + (CORNERS - CORNERS[0]) * 0.2}])
def test_without_a_screen_the_whole_film_is_asked_for(options):
    document = describe(quality=True, **tensors(**options))
    assert document["quality"] is None
    assert document["feedback"] == "Make sure the whole radiograph is visible"


def test_a_frame_is_judged_on_demand():
    document = describe(quality=True, **tensors())
    assert document["quality"]["area"] == pytest.approx(0.44, abs=0.05)
