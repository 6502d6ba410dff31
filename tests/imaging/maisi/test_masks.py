"""Fitting masks to what is asked for."""

import numpy as np

from gateway.imaging.maisi.labels import LABELS
from gateway.imaging.maisi.masks import missing, resampled

HAVE_MM = (1.5, 1.5, 1.5)


def test_takes_the_nearest_voxel_about_the_same_middle():
    labels = np.arange(1, 9, dtype=np.uint8).reshape(2, 2, 2)
    np.testing.assert_array_equal(resampled(labels, HAVE_MM, (2, 2, 2), HAVE_MM), labels)
    twice = resampled(labels, HAVE_MM, (4, 4, 4), (0.75, 0.75, 0.75))
    np.testing.assert_array_equal(twice, labels.repeat(2, 0).repeat(2, 1).repeat(2, 2))
    larger = resampled(labels, HAVE_MM, (4, 2, 2), HAVE_MM)
    np.testing.assert_array_equal(larger[1:3], labels)
    assert not larger[[0, 3]].any()


def test_says_what_is_missing():
    labels = np.full((2, 2, 2), LABELS["liver"].index, np.uint8)
    assert missing(labels, ["liver", "spleen", "colon"]) == ["spleen", "colon"]
