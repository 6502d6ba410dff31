import highdicom as hd
import numpy as np
import pytest

from gateway.imaging.errors import MissingAttribute
from gateway.imaging.results import encoded, vhs_results
from gateway.imaging.vhs.landmarks import LANDMARKS
from gateway.imaging.vhs.result import DESCRIPTIONS, Landmark
from tests.dicom_results import (
    STAMP,
    VHS_MODEL,
    assessment,
    comments,
    groups,
    read_back,
    require_valid,
    said,
    source,
)

DRAWING = np.random.default_rng(1).integers(0, 255, (31, 21, 3), np.uint8)


def results(header=None, drawing=None, **changes):
    return vhs_results(header or source(), assessment(**changes), drawing, model=VHS_MODEL, stamp=STAMP)


def test_states_both_measurements_in_vertebrae():
    group = groups(read_back(results()[0]))["Measurements"]
    assert said(group, "Vertebral heart scale") == (10.35, "{vertebrae}")
    assert said(group, "Vertebral left atrial size") == (2.1, "{vertebrae}")
    assert said(group, "Confidence of the model") == "Optimal"


def test_places_the_landmarks_in_the_source_s_pixels():
    header = source()
    stated = groups(read_back(results(header)[0]))
    assert list(stated) == ["Measurements", *LANDMARKS]
    for point in assessment()["prediction"]:
        kind, place = said(stated[point["class"]], "Image Region")
        assert kind == "POINT"
        expected = (point["x"] * header.Columns, point["y"] * header.Rows)
        assert place == pytest.approx(expected, rel=1e-6)  # SCOORD has single precision


def test_places_nothing_that_was_not_found():
    found = (Landmark("heart_top", 0.4, 0.5), Landmark("heart_bottom", 0.5, 0.6))
    stated = groups(read_back(results(prediction=found, vhs=None, vlas=None, result_code=5)[0]))
    assert list(stated) == ["Measurements", "heart_top", "heart_bottom"]
    assert said(stated["Measurements"], "Vertebral heart scale") is None
    assert said(stated["Measurements"], "Confidence of the model") is None
    assert said(stated["Measurements"], "Result of the VHS measurement") == "Neither VHS nor VLAS measured"


def test_places_nothing_where_a_photo_of_a_screen_was_rectified():
    report = read_back(results(pop_detected=True)[0])
    assert list(groups(report)) == ["Measurements"]
    assert any("rectified" in each for each in comments(report))


@pytest.mark.parametrize("code", range(8))
def test_states_every_result_in_any_character_set(code, tmp_path):
    report = results(source(SpecificCharacterSet=None), result_code=code)[0]
    assert DESCRIPTIONS[code].replace("—", "-") in comments(read_back(report))
    require_valid(report, tmp_path)


def test_is_valid_dicom(tmp_path):
    for result in results(drawing=DRAWING):
        require_valid(result, tmp_path)


def test_shows_the_drawing():
    report, picture = results(drawing=DRAWING)
    assert report.Modality == "SR"
    assert np.array_equal(read_back(picture).pixel_array, DRAWING)


def test_opens_in_highdicom():
    report = hd.sr.ComprehensiveSR.from_dataset(read_back(results()[0]))
    regions = report.content.get_planar_roi_measurement_groups()
    assert [region.tracking_identifier for region in regions] == list(LANDMARKS)
    assert report.content.get_image_measurement_groups()[0].get_measurements()[0].value == 10.35


def test_makes_the_same_bytes_again():
    first, second = ([encoded(each) for each in results(drawing=DRAWING)] for _ in range(2))
    assert first == second


def test_keeps_what_the_source_says_of_the_animal(tmp_path):
    animal = {
        "PatientSpeciesDescription": "Canine",
        "PatientBreedDescription": "Boxer",
        "PatientSexNeutered": "ALTERED",
        "ResponsiblePerson": "Doe^Jane",
        "ResponsiblePersonRole": "OWNER",
    }
    report = results(source(**animal))[0]
    require_valid(report, tmp_path)
    read = read_back(report)
    assert {keyword: str(read[keyword].value) for keyword in animal} == animal
    assert read.ResponsibleOrganization in (None, "")


def test_needs_the_size_of_the_image_that_it_places_landmarks_in():
    header = source()
    del header.Columns
    with pytest.raises(MissingAttribute, match="Rows and Columns"):
        results(header)
