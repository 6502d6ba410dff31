import highdicom as hd
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from gateway.imaging.errors import MissingAttribute, WrongGeometry
from gateway.imaging.results import Model, Segment, encoded, segmentation
from tests.dicom_results import STAMP, read_back, require_valid, source

LUNG = Segment("Lung", Code("39607008", "SCT", "Lung"))
HEART = Segment("Heart", Code("80891009", "SCT", "Heart"))
MODEL = Model("maisi", "v1")


def ct_slice(number: int) -> Dataset:
    header = source(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.2",
        Modality="CT",
        FrameOfReferenceUID="1.2.3.9",
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        ImagePositionPatient=[0, 0, 2.5 * number],
        PixelSpacing=[0.7, 0.7],
        SliceThickness=2.5,
    )
    header.SOPInstanceUID = f"1.2.3.4.{number}"
    return header


def film_mask(header: Dataset) -> np.ndarray:
    mask = np.zeros((header.Rows, header.Columns), np.uint8)
    mask[3:9, 4:12] = 1
    mask[10:14, 4:12] = 2
    return mask


def test_holds_the_mask_of_a_film(tmp_path):
    header = source()
    mask = film_mask(header)
    result = segmentation([header], mask, [LUNG, HEART], model=MODEL, stamp=STAMP)
    require_valid(result, tmp_path)
    opened = hd.seg.Segmentation.from_dataset(read_back(result))
    pixels = opened.get_pixels_by_source_instance([header.SOPInstanceUID], combine_segments=True)
    assert np.array_equal(pixels[0], mask)


def test_holds_the_mask_of_a_volume(tmp_path):
    slices = [ct_slice(number) for number in range(4)]
    mask = np.zeros((4, slices[0].Rows, slices[0].Columns), np.int16)
    mask[1:3, 2:8, 3:9] = 1
    mask[2, 10:14, 3:9] = 2
    result = segmentation(slices, mask, [LUNG, HEART], model=MODEL, stamp=STAMP)
    require_valid(result, tmp_path)
    opened = hd.seg.Segmentation.from_dataset(read_back(result))
    uids = [each.SOPInstanceUID for each in slices]
    pixels = opened.get_pixels_by_source_instance(uids, combine_segments=True, ignore_spatial_locations=False)
    assert np.array_equal(pixels, mask)
    assert opened.FrameOfReferenceUID == "1.2.3.9"


def test_says_what_the_segments_are_and_what_made_them():
    header = source()
    result = read_back(segmentation([header], film_mask(header), [LUNG, HEART], model=MODEL, stamp=STAMP))
    first, second = result.SegmentSequence
    assert (first.SegmentLabel, second.SegmentLabel) == ("Lung", "Heart")
    assert first.SegmentedPropertyTypeCodeSequence[0].CodeValue == "39607008"
    assert first.SegmentAlgorithmType == "AUTOMATIC"
    assert first.SegmentationAlgorithmIdentificationSequence[0].AlgorithmName == "maisi"
    assert result.SegmentationType == "BINARY"


def test_makes_the_same_bytes_again():
    header = source()
    first, second = (
        encoded(segmentation([header], film_mask(header), [LUNG, HEART], model=MODEL, stamp=STAMP))
        for _ in range(2)
    )
    assert first == second


def test_refuses_a_mask_that_does_not_fit():
    header = source()
    mask = film_mask(header)
    with pytest.raises(WrongGeometry, match="1 slices for 2 images"):
        segmentation([header, header], mask, [LUNG, HEART], model=MODEL, stamp=STAMP)
    with pytest.raises(WrongGeometry, match="rows"):
        segmentation([header], mask[:-1], [LUNG, HEART], model=MODEL, stamp=STAMP)
    with pytest.raises(WrongGeometry, match="outside 0 to 1"):
        segmentation([header], mask, [LUNG], model=MODEL, stamp=STAMP)
    del header.StudyInstanceUID
    with pytest.raises(MissingAttribute, match="StudyInstanceUID"):
        segmentation([header], mask, [LUNG, HEART], model=MODEL, stamp=STAMP)
