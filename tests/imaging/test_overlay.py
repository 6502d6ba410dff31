import cv2
import numpy as np
import pytest

from gateway.imaging.chest_xray import FINDINGS, Finding
from gateway.imaging.overlay import heatmap_overlay

COLD, HOT = -12.0, 8.0  # logits: sigmoid 0.000006 and 0.9997
TB, EFFUSION, FIBROSIS = "Tuberculosis", "Pleural Effusion", "Fibrosis"


def found(*present):
    return [Finding(name, name in present, 0.9 if name in present else 0.1) for name in FINDINGS]


def maps(size=16, **cells):
    """Cold maps but for the given cells, named by the first word of the finding."""
    result = np.full((12, size, size), COLD, np.float32)
    for word, (row, column, logit) in cells.items():
        index = next(i for i, name in enumerate(FINDINGS) if name.split()[-1] == word)
        result[index, row, column] = logit
    return result


def film(rows, columns, value=None):
    if value is not None:
        return np.full((rows, columns), value, np.uint8)
    return np.random.default_rng(1).integers(0, 256, (rows, columns), np.uint8)


def grey(source):
    return cv2.cvtColor(source, cv2.COLOR_GRAY2BGR)


def is_white(overlay):
    return overlay.min(axis=2) > 180  # the tint of a black film reaches 127


def hottest(overlay, source):
    strength = np.abs(overlay.astype(int) - grey(source)).sum(axis=2).astype(np.float32)
    rows, columns = np.nonzero(strength > strength.max() / 2)
    return rows.mean(), columns.mean()


def test_a_film_without_findings_stays_as_it_is():
    source = film(700, 500)
    assert np.array_equal(heatmap_overlay(source, maps(), found(), legend=False), grey(source))


def test_the_legend_of_a_normal_film_covers_only_a_corner():
    source = film(700, 500)
    changed = (heatmap_overlay(source, maps(), found()) != grey(source)).any(axis=2)
    assert changed.any()
    assert not changed[:600].any()
    assert not changed[:, 300:].any()


def test_the_scale_is_absolute():
    source = film(300, 300)
    faint = maps(Tuberculosis=(8, 8, -4.0))  # sigmoid 0.018, the hottest of its film
    change = np.abs(heatmap_overlay(source, faint, found(TB), legend=False).astype(int) - grey(source))
    assert change.max() <= 3


def test_half_an_activation_is_a_quarter_of_the_colour():
    turbo = cv2.applyColorMap(np.full((1, 1), 126, np.uint8), cv2.COLORMAP_TURBO)[0, 0].astype(int)
    flat = maps()
    flat[0] = -0.0001  # just below the contour
    overlay = heatmap_overlay(film(300, 300, 200), flat, found(TB), legend=False)
    assert np.abs(overlay[150, 150] - (200 * 0.75 + turbo * 0.25)).max() <= 2


@pytest.mark.parametrize(("rows", "columns"), [(300, 300), (2000, 1500)])
def test_no_tint_is_stronger_than_half(rows, columns):
    overlay = heatmap_overlay(film(rows, columns, 255), maps() + 100, found(FIBROSIS), legend=False)
    assert overlay[20:-20, 20:-20].min() >= 127


@pytest.mark.parametrize(
    ("rows", "columns", "at"),
    [
        (800, 800, (175, 625)),  # cell (3, 12) of 16 is centred at 3.5 * 50, 12.5 * 50
        (800, 600, (175, 525)),  # 100 px of the square lie left of a portrait film
        (600, 800, (75, 625)),  # 100 px lie above a landscape film
        (2400, 1800, (525, 1575)),
    ],
)
def test_a_hot_cell_lands_where_it_belongs(rows, columns, at):
    source = film(rows, columns, 0)
    overlay = heatmap_overlay(source, maps(Tuberculosis=(3, 12, HOT)), found(TB), legend=False)
    assert np.allclose(hottest(overlay, source), at, atol=max(rows, columns) / 200)


def test_what_is_hot_outside_the_film_stays_outside():
    source = film(800, 600)  # the first two columns of cells lie in the padding
    overlay = heatmap_overlay(source, maps(Tuberculosis=(8, 0, HOT)), found(TB), legend=False)
    assert np.array_equal(overlay, grey(source))


def test_absent_findings_leave_no_trace():
    source = film(400, 400)
    hot = maps(Tuberculosis=(4, 4, HOT), Fibrosis=(12, 12, COLD))
    assert np.array_equal(heatmap_overlay(source, hot, found(FIBROSIS), legend=False), grey(source))


def test_of_two_findings_at_one_place_the_stronger_is_seen():
    source = film(400, 400)
    both = maps(Tuberculosis=(5, 5, HOT), Fibrosis=(5, 5, -1.0))
    alone = heatmap_overlay(source, both, found(TB), legend=False)
    assert np.array_equal(heatmap_overlay(source, both, found(TB, FIBROSIS), legend=False), alone)


def test_two_findings_at_two_places_are_both_seen():
    source = film(400, 400, 0)
    hot = maps(Tuberculosis=(3, 3, HOT), Effusion=(12, 12, HOT))
    overlay = heatmap_overlay(source, hot, found(TB, EFFUSION), legend=False)
    assert overlay[87, 87].max() > 80
    assert overlay[312, 312].max() > 80


def test_only_the_first_finding_has_a_contour():
    hot = maps(Fibrosis=(3, 3, HOT), Tuberculosis=(12, 12, HOT))
    outline = is_white(heatmap_overlay(film(800, 800, 0), hot, found(TB, FIBROSIS), legend=False))
    assert outline[550:700, 550:700].any()
    assert not outline[:400].any()


def test_the_most_confident_finding_is_first_without_tuberculosis():
    hot = maps(Fibrosis=(3, 3, HOT), Effusion=(12, 12, HOT))
    findings = [f._replace(confidence=0.95) if f.name == EFFUSION else f for f in found(EFFUSION, FIBROSIS)]
    outline = is_white(heatmap_overlay(film(800, 800, 0), hot, findings, legend=False))
    assert outline[550:700].any()
    assert not outline[:400].any()


def test_the_operating_point_is_shown_as_one_half():
    source = film(300, 300)
    at_point, at_half = maps(), maps()
    at_point[0], at_half[0] = np.log(0.2 / 0.8), 0.0
    thresholds = [0.2] + [0.5] * 11
    calibrated = heatmap_overlay(source, at_point, found(TB), thresholds=thresholds, legend=False)
    plain = heatmap_overlay(source, at_half, found(TB), legend=False)
    assert np.abs(calibrated[20:-20, 20:-20].astype(int) - plain[20:-20, 20:-20]).max() <= 1


def test_values_that_are_no_numbers_are_cold():
    source = film(300, 300)
    broken = np.full((12, 7, 7), np.nan, np.float32)
    assert np.array_equal(heatmap_overlay(source, broken, found(TB), legend=False), grey(source))


@pytest.mark.parametrize(("rows", "columns"), [(120, 900), (900, 120), (64, 64), (1, 1), (3, 500)])
def test_a_small_film_has_no_legend(rows, columns):
    source = film(rows, columns)
    assert np.array_equal(heatmap_overlay(source, maps(), found()), grey(source))


def test_the_legend_makes_way_for_the_heat():
    hot = maps(Tuberculosis=(13, 2, HOT))
    plain = heatmap_overlay(film(800, 800), hot, found(TB), legend=False)
    drawn = heatmap_overlay(film(800, 800), hot, found(TB))
    assert np.array_equal(drawn[500:, :400], plain[500:, :400])
    assert not np.array_equal(drawn, plain)


@pytest.mark.parametrize("size", [1, 7, 16, 32])
def test_takes_maps_of_any_size(size):
    overlay = heatmap_overlay(film(400, 300), maps(size), found(*FINDINGS))
    assert overlay.shape == (400, 300, 3)
    assert overlay.dtype == np.uint8


def test_the_same_film_gives_the_same_picture_and_keeps_its_pixels():
    source = film(512, 512)
    before = source.copy()
    hot = maps(Tuberculosis=(5, 5, HOT))
    assert np.array_equal(
        heatmap_overlay(source, hot, found(TB, EFFUSION)), heatmap_overlay(source, hot, found(TB, EFFUSION))
    )
    assert np.array_equal(source, before)
