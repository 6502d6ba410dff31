"""Quality control by the median of each organ group."""

import numpy as np
import pytest

from gateway.imaging.maisi.quality import GROUPS, organ_quality


def volume(**parts):
    labels = np.zeros((4, 5, 6), np.uint8)
    image = np.full(labels.shape, -1000, np.int16)
    for z, (index, values) in enumerate(parts.values()):
        labels[:, :, z] = index
        image[:, :, z] = np.resize(values, (4, 5))
    return image, labels


def group(quality, name):
    return next(each for each in quality.groups if each.group == name)


@pytest.mark.parametrize(
    ("index", "value", "name", "passes"),
    [
        (1, 60, "liver", True),
        (1, 163, "liver", False),
        (3, -44, "spleen", False),
        (14, 267, "kidney", True),  # left and right kidney are one group
        (32, -366, "lung", False),  # the lobe that the official list forgets
        (31, -367, "lung", True),
        (127, 71, "bone", False),
        (120, 1000, "bone", True),
        (22, 369, "brain", True),
    ],
)
def test_holds_the_median_to_its_limits(index, value, name, passes):
    quality = organ_quality(*volume(organ=(index, [value])))
    assert group(quality, name).passed is passes
    assert group(quality, name).median_hu == value
    assert quality.passed is passes


def test_what_is_not_there_passes():
    quality = organ_quality(*volume(body=(200, [40])))
    assert quality.passed
    assert all(each.median_hu is None for each in quality.groups)


def test_the_median_is_numpys():
    rng = np.random.default_rng(1)
    labels = rng.choice(np.array([1, 5, 14, 33], np.uint8), (7, 8, 9))
    image = rng.integers(-300, 400, labels.shape).astype(np.int16)
    quality = organ_quality(image, labels)
    for each in quality.groups:
        inside = np.isin(labels, GROUPS[each.group])
        assert each.median_hu == (np.median(image[inside]) if inside.any() else None)


def test_tells_it_as_json():
    document = organ_quality(*volume(liver=(1, [500]))).document()
    assert document["passed"] is False
    assert document["groups"][0] == {
        "group": "liver",
        "median_hu": 500.0,
        "low_hu": -21.6,
        "high_hu": 162.0,
        "passed": False,
    }


def test_refuses_two_shapes():
    with pytest.raises(ValueError, match="differ in shape"):
        organ_quality(np.zeros((2, 2, 2), np.int16), np.zeros((2, 2, 3), np.uint8))
