"""The DICOM half: a CT series in Hounsfield units, and a segmentation over it."""

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.sr.coding import Code

from gateway.imaging.results import Model, Segment, encoded
from gateway.imaging.volume import Geometry
from gateway.imaging.volume.ct_series import SyntheticCT, ct_slices, enhanced_ct
from gateway.imaging.volume.label_segmentation import label_segmentation
from tests.dicom_results import STAMP, require_valid

GEOMETRY = Geometry((6, 5, 7), (0.7, 0.8, 2.5), (-10.0, 20.0, 30.0))
CT = SyntheticCT(GEOMETRY, Model("maisi", "v1"), STAMP, "maisi v1, seed 7")
SEGMENTS = [
    Segment("liver", Code("10200004", "SCT", "Liver"), rgb=(40, 140, 40)),
    Segment("left kidney", Code("64033007", "SCT", "Kidney"), modifier=Code("7771000", "SCT", "Left")),
    Segment(
        "hepatic tumor",
        Code("108369006", "SCT", "Neoplasm"),
        Code("49755003", "SCT", "Morphologically Abnormal Structure"),
        anatomic_region=Code("10200004", "SCT", "Liver"),
    ),
]


@pytest.fixture
def image():
    return np.random.default_rng(1).integers(-1000, 1001, GEOMETRY.size).astype(np.int16)


@pytest.fixture
def labels():
    labels = np.zeros(GEOMETRY.size, np.uint8)
    labels[1:4, 0:3, 1:5] = 1
    labels[4, 3:, 2:] = 2
    labels[2, 1, 3] = 3
    return labels


@pytest.fixture
def series(image, tmp_path):
    folder = tmp_path / "series"
    folder.mkdir()
    for number, each in enumerate(ct_slices(image, CT), 1):
        (folder / f"IM{number:04}.dcm").write_bytes(encoded(each))
    return folder


def read_series(folder) -> SimpleITK.Image:
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def positions_lps(shape) -> np.ndarray:
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    return (index * GEOMETRY.spacing_mm + GEOMETRY.origin_ras_mm) * [-1, -1, 1]


def test_simpleitk_reads_the_series_to_the_same_hounsfield_units_and_positions(image, series):
    read = read_series(series)
    expected = positions_lps(image.shape)
    for index in [(0, 0, 0), (5, 4, 6), (2, 3, 1)]:
        there = read.TransformPhysicalPointToIndex(expected[index].tolist())
        assert read[there] == image[index]
        assert np.allclose(read.TransformIndexToPhysicalPoint(there), expected[index], atol=1e-4)


def test_every_voxel_is_in_the_series(image, series):
    planes = SimpleITK.GetArrayFromImage(read_series(series))
    assert np.array_equal(planes.transpose(2, 1, 0)[::-1, ::-1], image)


def test_a_slice_is_valid_and_says_that_it_is_synthetic(series, tmp_path):
    for name in ("IM0001.dcm", "IM0007.dcm"):
        slice_ = pydicom.dcmread(series / name)
        assert (slice_.SyntheticData, slice_.PatientIdentityRemoved) == ("YES", "YES")
        assert slice_.SeriesDescription == "SYNTHETIC"
        assert "seed 7" in slice_.DerivationDescription
        require_valid(slice_, tmp_path)


def test_volumes_of_a_job_share_no_identifier(image):
    other = CT._replace(stamp=STAMP._replace(number=2))
    one, two = (next(ct_slices(image, each)) for each in (CT, other))
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
        assert one[keyword].value != two[keyword].value
    assert encoded(next(ct_slices(image, CT))) == encoded(one)


def test_the_segmentation_lies_where_the_labels_are(labels, series, tmp_path):
    result = label_segmentation(labels, SEGMENTS, CT)
    require_valid(result, tmp_path)
    file = tmp_path / "label.dcm"
    file.write_bytes(encoded(result))
    opened = hd.seg.segread(file)
    assert opened.SyntheticData == "YES"
    volume = opened.get_volume(combine_segments=True)
    expected = positions_lps(labels.shape)
    found = np.zeros_like(labels)
    for index in np.argwhere(volume.array):
        position = (volume.affine @ [*index, 1])[:3]
        where = np.argmin(np.abs(expected - position).sum(-1))
        found.flat[where] = volume.array[tuple(index)]
    assert np.array_equal(found, labels)


def test_the_segmentation_refers_to_the_slices_of_the_series(labels, series):
    result = label_segmentation(labels, SEGMENTS, CT)
    (referenced,) = result.ReferencedSeriesSequence
    uids = {pydicom.dcmread(path).SOPInstanceUID for path in series.iterdir()}
    assert {item.ReferencedSOPInstanceUID for item in referenced.ReferencedInstanceSequence} <= uids


def test_segments_are_coded(labels):
    liver, kidney, tumor = label_segmentation(labels, SEGMENTS, CT).SegmentSequence
    assert (liver.SegmentLabel, liver.SegmentedPropertyTypeCodeSequence[0].CodeValue) == ("liver", "10200004")
    assert "RecommendedDisplayCIELabValue" in liver
    (kind,) = kidney.SegmentedPropertyTypeCodeSequence
    assert kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Left"
    assert tumor.AnatomicRegionSequence[0].CodeMeaning == "Liver"


def test_a_label_without_a_voxel_keeps_its_number(labels, tmp_path):
    labels[labels == 2] = 0
    result = label_segmentation(labels, SEGMENTS, CT)
    require_valid(result, tmp_path)
    assert [each.SegmentNumber for each in result.SegmentSequence] == [1, 2, 3]


def test_one_object_holds_the_whole_volume(image, tmp_path):
    result = enhanced_ct(image, CT)
    require_valid(result, tmp_path)
    file = tmp_path / "image.dcm"
    file.write_bytes(encoded(result))
    volume = hd.imread(file).get_volume()
    expected = positions_lps(image.shape)
    for index in [(0, 0, 0), (6, 4, 5), (1, 2, 3)]:
        position = (volume.affine @ [*index, 1])[:3]
        where = np.argmin(np.abs(expected - position).sum(-1))
        assert volume.array[index] == image.flat[where]
