import cv2
import numpy as np
import pytest

from gateway.imaging.screen import frame_quality as quality
from gateway.imaging.screen.frame_quality import FrameQuality, feedback, frame_quality
from tools.phantoms.chest_film import chest_film

GOOD = FrameQuality(9.0, 0.02, 0.0, 8.0, 0.5, 8.0, 0.01)


@pytest.fixture(scope="module")
def film() -> np.ndarray:
    return (chest_film(3, rows=512, columns=512) >> 4).astype(np.uint8)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, None),
        ({"area": 0.1}, "Move closer"),
        ({"tilt_degrees": 30.0}, "Hold the phone parallel to the screen"),
        ({"motion": 0.1}, "Hold still"),
        ({"motion": None}, None),
        ({"glare": 0.1}, "Reduce glare or reflections"),
        ({"clipped": 0.7}, "Reduce glare or reflections"),
        ({"sharpness": 3.0}, "Tap to focus"),
        ({"moire": 40.0}, "Move closer"),
        ({"area": 0.1, "tilt_degrees": 30.0}, "Move closer"),
    ],
)
def test_each_fault_has_its_sentence(change, sentence):
    assert feedback(GOOD._replace(**change)) == sentence


def test_without_a_screen_the_whole_film_is_asked_for():
    assert feedback(None) == "Make sure the whole radiograph is visible"


def test_blur_lowers_sharpness_below_its_limit(film):
    values = [quality.sharpness(cv2.GaussianBlur(film, (0, 0), sigma)) for sigma in (0.5, 1.0, 2.0, 4.0)]
    assert values == sorted(values, reverse=True)
    assert values[0] > quality.SHARPNESS_MIN > values[-1]


def test_sharpness_does_not_know_contrast(film):
    faint = (film // 2 + 60).astype(np.uint8)
    assert quality.sharpness(faint) == pytest.approx(quality.sharpness(film), rel=0.1)


def test_stripes_stand_out_of_a_film(film):
    y, x = np.mgrid[0:512, 0:512]
    striped = film * (1 + 0.08 * np.cos(2 * np.pi * (0.17 * x + 0.09 * y)))
    assert quality.moire(film) < quality.MOIRE_MAX
    assert quality.moire(striped.clip(0, 255).astype(np.uint8)) > quality.MOIRE_MAX


def test_glare_is_the_largest_patch_not_the_sum(film):
    dark = (film // 2).astype(np.uint8)
    assert quality.largest_glare(dark) == 0
    cv2.circle(dark, (200, 200), 60, (255,), -1)
    cv2.circle(dark, (400, 400), 20, (255,), -1)
    assert quality.largest_glare(dark) == pytest.approx(np.pi * 60**2 / 512**2, rel=0.03)


def test_a_frame_is_measured_on_its_film(film):
    photo = np.full((900, 1200), 30, np.uint8)
    photo[200:712, 300:812] = film
    corners = np.array([[300.0, 200], [812, 200], [812, 712], [300, 712]])
    before = corners / (1200, 900) + (0.02, 0.0)
    measured = frame_quality(photo, corners, before=before)
    assert measured.area == pytest.approx(512**2 / (900 * 1200))
    assert measured.tilt_degrees == pytest.approx(0, abs=0.01)
    assert measured.sharpness == pytest.approx(quality.sharpness(film), rel=0.02)
    width, height = 512 / 1200, 512 / 900
    assert measured.motion == pytest.approx(0.02 / np.hypot(width, height), rel=1e-6)
    assert feedback(measured._replace(motion=None)) is None
