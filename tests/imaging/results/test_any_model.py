import json

import highdicom as hd
import numpy as np
import pytest

from gateway.imaging.errors import WrongContent, WrongGeometry
from gateway.imaging.results import Model, pipeline_of
from tests.dicom_results import STAMP, comments, read_back, require_valid, source

MODEL = Model("lungs", "3")
LUNG = {"label": "Lung", "code": ["39607008", "SCT", "Lung"]}
LESION = {
    "label": "Lesion",
    "code": ["52988006", "SCT", "Lesion"],
    "category": ["49755003", "SCT", "Morphologically Altered Structure"],
}


def outputs(header, segments=(LUNG, LESION), **changes):
    mask = np.zeros((1, header.Rows, header.Columns), np.uint8)
    mask[0, 3:9, 4:12] = 1
    mask[0, 5:7, 6:8] = 2
    listed = segments if isinstance(segments, bytes) else json.dumps(list(segments)).encode()
    return {"segmentation": mask, "segments": np.array([[listed]], np.object_), **changes}


def results(header, tensors):
    return pipeline_of("lungs").results(tensors, header, MODEL, STAMP)


def test_a_mask_becomes_a_segmentation(tmp_path):
    header = source()
    tensors = outputs(header)
    made = results(header, tensors)
    report, seg = made.dicom
    require_valid(report, tmp_path)
    require_valid(seg, tmp_path)
    opened = hd.seg.Segmentation.from_dataset(read_back(seg))
    pixels = opened.get_pixels_by_source_instance([header.SOPInstanceUID], combine_segments=True)
    assert np.array_equal(pixels[0], tensors["segmentation"][0])
    assert [each.SegmentLabel for each in opened.SegmentSequence] == ["Lung", "Lesion"]
    assert opened.SegmentSequence[1].SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"


def test_the_report_names_the_segments():
    header = source()
    made = results(header, outputs(header))
    said = comments(read_back(made.dicom[0]))
    assert any(each.startswith("segments: ") and "39607008" in each for each in said)
    json.dumps(made.document)


@pytest.mark.parametrize(
    "segments",
    [b"not JSON", b"{}", [], [{"label": "Lung"}], [{"label": "", "code": LUNG["code"]}],
     [{"label": "Lung", "code": ["39607008", "SCT"]}], [{**LUNG, "category": "Lung"}], [LUNG, 7]],
)  # fmt: skip
def test_segments_of_another_form_are_named(segments):
    header = source()
    with pytest.raises(WrongContent, match="segments"):
        results(header, outputs(header, segments))


def test_a_mask_without_segments_is_refused():
    header = source()
    with pytest.raises(WrongContent, match="segments"):
        results(header, {"segmentation": outputs(header)["segmentation"]})


def test_a_mask_of_another_size_or_type_is_refused():
    header = source()
    with pytest.raises(WrongGeometry, match="the mask 5 and 7"):
        results(header, outputs(header, segmentation=np.zeros((1, 5, 7), np.uint8)))
    with pytest.raises(WrongGeometry, match="UINT8"):
        results(header, outputs(header, segmentation=np.zeros((1, header.Rows, header.Columns), np.float32)))
    with pytest.raises(WrongGeometry, match="outside 0 to 1"):
        results(header, outputs(header, [LUNG]))
