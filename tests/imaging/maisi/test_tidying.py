"""What a generated mask is cleaned of."""

import numpy as np
import pytest

from gateway.imaging.maisi.labels import BODY, LABELS
from gateway.imaging.maisi.tidying import tidy

LIVER, SPLEEN, PANCREAS = (LABELS[name].index for name in ("liver", "spleen", "pancreas"))


@pytest.fixture
def labels():
    """Draw a body with a liver, with air around both."""
    made = np.zeros((40, 40, 40), np.uint8)
    made[4:36, 4:36, 4:36] = BODY
    made[8:20, 8:20, 8:20] = LIVER
    return made


def index_of(name):
    return LABELS[name].index


def test_a_clean_mask_stays_as_it_is(labels):
    before = labels.copy()
    tidy(labels, None)
    np.testing.assert_array_equal(labels, before)


def test_what_hangs_in_the_air_goes(labels):
    before = labels.copy()
    labels[0:2, 0:2, 0:2] = BODY
    labels[38, 38, 38] = LIVER
    tidy(labels, None)
    np.testing.assert_array_equal(labels, before)


def test_an_organ_is_in_one_piece_without_holes(labels):
    before = labels.copy()
    labels[14, 14, 14] = SPLEEN  # a hole in the liver
    labels[30:33, 30:33, 30:33] = LIVER  # a speck of it
    tidy(labels, None)
    np.testing.assert_array_equal(labels, before)


def test_loose_bowel_goes_and_the_stomach_stays(labels):
    labels[24:30, 8:14, 8:14] = index_of("stomach")
    labels[30:34, 8:14, 8:14] = index_of("small bowel")
    labels[24:27, 28:31, 28:31] = index_of("colon")
    tidy(labels, None)
    assert (labels == index_of("stomach")).sum() == 6**3
    assert (labels == index_of("small bowel")).sum() == 4 * 6 * 6
    assert not (labels == index_of("colon")).any()


def test_tumours_that_nobody_asked_for_go_back_to_their_organs(labels):
    labels[10:12, 10:12, 10:12] = index_of("hepatic tumor")
    labels[24:30, 24:30, 24:30] = PANCREAS
    labels[26:28, 26:28, 26:28] = index_of("pancreatic tumor")
    labels[16:18, 16:18, 16:18] = index_of("hepatic vessel")
    tidy(labels, "pancreatic tumor")
    assert (labels[8:20, 8:20, 8:20] == LIVER).all()
    assert (labels == index_of("pancreatic tumor")).sum() == 8
    assert (labels == PANCREAS).sum() == 6**3 - 8


@pytest.mark.parametrize(("tumour", "pieces"), [("lung tumor", 1), ("hepatic tumor", 2)])
def test_only_tumours_that_come_in_pieces_may(labels, tumour, pieces):
    labels[10:13, 10:13, 10:13] = labels[30:32, 30:32, 30:32] = index_of(tumour)
    tidy(labels, tumour)
    assert (labels == index_of(tumour)).sum() == 27 + (pieces - 1) * 8


@pytest.mark.parametrize(("tumour", "left"), [(None, 4**3), ("bone lesion", 4**3 + 8)])
def test_a_vertebra_may_be_parted_by_a_lesion(labels, tumour, left):
    labels[24:28, 24:28, 24:28] = labels[32:34, 32:34, 32:34] = index_of("vertebrae L3")
    tidy(labels, tumour)
    assert (labels == index_of("vertebrae L3")).sum() == left


def test_the_airway_is_not_filled_by_a_lung(labels):
    lobe = index_of("left lung upper lobe")
    labels[24:34, 24:34, 24:34] = lobe
    labels[28:30, 28:30, 24:34] = index_of("airway")
    tidy(labels, None)
    assert (labels == index_of("airway")).sum() == 2 * 2 * 10
