"""Masks out of a database laid out as MAISI's."""

import zipfile

import nibabel
import numpy as np
import pytest

from gateway.imaging.errors import WrongContent
from gateway.imaging.maisi.asked import Asked
from gateway.imaging.maisi.candidates import ARCHIVE, CandidateMasks
from gateway.imaging.maisi.labels import LABELS
from tests.imaging.maisi.mask_database import body, write_database

LIVER, SPLEEN, TUMOUR = (LABELS[name].index for name in ("liver", "spleen", "hepatic tumor"))
HEAD, CHEST, ABDOMEN, PELVIS = np.eye(4, dtype=int).tolist()


@pytest.fixture
def database(tmp_path):
    """Write a database of masks, and open it."""

    def written(*masks):
        write_database(tmp_path, *masks)
        return CandidateMasks(tmp_path)

    return written


def labels_of(
    source, size=(32, 32, 32), spacing_mm=(1.5, 1.5, 1.5), regions=("abdomen",), names=("liver",), seed=1
):
    first, labels = source.labels(Asked(seed, size, spacing_mm, regions, names, (), None))
    assert first is None
    return labels


def test_the_mask_with_the_asked_grid_is_taken(database):
    size = (128, 128, 128)
    exact, other = body(size, LIVER), body((64, 64, 128), LIVER, SPLEEN)
    source = database((other, (1.0, 1.0, 2.0), {}), (exact, (1.5, 1.5, 1.5), {}))
    labels = labels_of(source, size)
    assert labels.shape == size
    assert not (labels == SPLEEN).any()
    assert np.mean(labels == exact) > 0.95  # a little larger or smaller
    np.testing.assert_array_equal(labels, labels_of(source, size))
    assert any((labels_of(source, size, seed=seed) != labels).any() for seed in range(2, 6))


def test_the_nearest_field_is_taken_and_resampled(database):
    source = database((body((64, 64, 64), LIVER), (0.75, 0.75, 0.75), {}))
    labels = labels_of(source)
    assert labels.shape == (32, 32, 32)
    there = (labels == LIVER).sum()
    assert there == pytest.approx(5 * 7 * 10 / 8, rel=0.5)


def test_axes_turn_to_ras(database, tmp_path):
    labels = body((32, 32, 32), LIVER)
    source = database((labels, (1.5, 1.5, 1.5), {}))
    turned = nibabel.Nifti1Image(labels[::-1, ::-1], np.diag([-1.5, -1.5, 1.5, 1.0]))
    nibabel.save(turned, tmp_path / "turned.nii.gz")
    with zipfile.ZipFile(tmp_path / ARCHIVE, "w") as archive:
        archive.write(tmp_path / "turned.nii.gz", "set_0/mask_0.nii.gz")
    assert np.argwhere(labels_of(source) == LIVER).mean(0).max() < 10


def test_healthy_requests_get_masks_without_tumours(database):
    grid = (1.5, 1.5, 1.5)
    source = database((body((32, 32, 32), LIVER, TUMOUR), grid, {}), (body((32, 32, 32), LIVER), grid, {}))
    assert not any((labels_of(source, seed=seed) == TUMOUR).any() for seed in range(6))
    assert (labels_of(source, names=("liver", "hepatic tumor")) == TUMOUR).any()


@pytest.mark.parametrize(
    ("regions", "found"), [(("abdomen",), True), (("chest", "abdomen"), True), (("head",), False)]
)
def test_regions_count_where_the_catalogue_says_them(database, regions, found):
    span = {"top_region_index": CHEST, "bottom_region_index": ABDOMEN}
    source = database((body((32, 32, 32), LIVER), (1.5, 1.5, 1.5), span))
    if found:
        assert (labels_of(source, regions=regions) == LIVER).any()
        return
    with pytest.raises(WrongContent, match="Cannot find body region with given anatomy list"):
        labels_of(source, regions=regions)


def test_nothing_that_was_asked_for_is_missing(database):
    source = database((body((32, 32, 32), LIVER), (1.5, 1.5, 1.5), {}))
    with pytest.raises(WrongContent, match="Cannot find body region"):
        labels_of(source, names=("liver", "spleen"))
    with pytest.raises(WrongContent, match="does not contain required class labels: liver"):
        labels_of(source, spacing_mm=(0.2, 0.2, 0.2))  # the field ends before the liver
