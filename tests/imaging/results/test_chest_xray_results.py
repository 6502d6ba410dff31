import io

import highdicom as hd
import numpy as np
import pydicom
import pytest
from PIL import Image

from gateway.imaging.chest_xray import FINDINGS
from gateway.imaging.results import encoded, pipeline_of
from gateway.imaging.results.codes import FINDING_CODES
from tests.dicom_results import (
    STAMP,
    VHS_MODEL,
    chest_outputs,
    comments,
    groups,
    read_back,
    require_valid,
    said,
    source,
    source_file,
)


def results(*confidences, unassessed=(), **attributes):
    outputs = chest_outputs(source_file(**attributes), *confidences)
    if unassessed:
        study = outputs["study"][0, 0].decode()
        flags = ", ".join("false" if name in unassessed else "true" for name in FINDINGS)
        study = study.replace(", ".join(["true"] * len(FINDINGS)), flags)
        outputs["study"] = np.array([[study.encode()]], np.object_)
    return pipeline_of("chest_xray").results(outputs, source(**attributes), VHS_MODEL, STAMP)


def test_states_twelve_findings_with_presence_and_certainty():
    stated = groups(read_back(results().dicom[0]))
    assert list(stated) == ["Overall", *FINDINGS]
    assert said(stated["Tuberculosis"], "Presence of property") == "Present"
    assert said(stated["Tuberculosis"], "Certainty of Finding") == (87.0, "%")
    assert said(stated["Cardiomegaly"], "Presence of property") == "Absent"
    assert said(stated["Cardiomegaly"], "Certainty of Finding") == (12.0, "%")
    assert said(stated["Overall"], "Overall Assessment") == "TB presumptive"


def test_names_findings_by_standard_codes_where_there_are_any():
    report = read_back(results().dicom[0])
    items = report.ContentSequence[-2].ContentSequence
    codes = {
        (code.CodeValue, code.CodingSchemeDesignator)
        for group in items
        for item in group.ContentSequence
        if item.ConceptNameCodeSequence[0].CodeValue == "121071"
        for code in item.ConceptCodeSequence
    }
    assert codes == {(code.value, code.scheme_designator) for code in FINDING_CODES.values()}
    assert ("36118008", "SCT") in codes
    assert {scheme for _, scheme in codes} == {"SCT", "99RADGATE"}
    assert report.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == "99RADGATE"


def test_names_the_algorithm_and_the_film_in_every_group():
    for group in groups(read_back(results().dicom[0])).values():
        assert said(group, "Algorithm Name") == "fake"
        assert said(group, "Algorithm Version") == "v1.0.1"
        assert said(group, "Source of Measurement") == "1.2.3.4"


def test_invents_nothing_about_findings_that_were_not_assessed():
    report = read_back(results(unassessed=("Tuberculosis",)).dicom[0])
    group = groups(report)["Tuberculosis"]
    assert said(group, "Presence of property") == "Not assessed by this model version"
    assert said(group, "Certainty of Finding") is None
    assert any("Tuberculosis was not assessed" in each for each in comments(report))


def test_says_that_software_made_it_and_nobody_has_verified_it():
    report = read_back(results().dicom[0])
    assert "not a diagnosis" in comments(report)[0]
    assert (report.VerificationFlag, report.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")
    assert (report.Manufacturer, report.Modality) == ("RadGate", "SR")


@pytest.mark.parametrize(
    ("confidences", "overall"), [((0.01,) * 12, "Normal"), ((0.01,) * 11 + (0.9,), "Abnormal")]
)
def test_states_the_overall_result(confidences, overall):
    stated = groups(read_back(results(*confidences).dicom[0]))
    assert said(stated["Overall"], "Overall Assessment") == overall


@pytest.mark.parametrize("which", [0, 1, 2], ids=["sr", "sc", "pdf"])
def test_is_valid_dicom(which, tmp_path):
    require_valid(results().dicom[which], tmp_path)


def test_opens_in_highdicom():
    report = hd.sr.ComprehensiveSR.from_dataset(read_back(results().dicom[0]))
    assert len(report.content.get_image_measurement_groups()) == 13
    assert report.get_evidence()[0][2] == "1.2.3.4"


def test_shows_the_heatmap_as_the_model_drew_it():
    result = results(BurnedInAnnotation="NO", PatientOrientation=["L", "F"])
    picture = read_back(result.dicom[1])
    outputs = chest_outputs(source_file())
    drawn = np.asarray(Image.open(io.BytesIO(outputs["heatmap_png"].tobytes())))
    assert np.array_equal(picture.pixel_array, drawn)
    assert picture.BurnedInAnnotation == "NO"
    assert picture.PatientOrientation == ["L", "F"]
    assert picture.SourceImageSequence[0].ReferencedSOPInstanceUID == "1.2.3.4"
    assert "PixelSpacing" not in picture


@pytest.mark.parametrize(("declared", "shown"), [("YES", "YES"), ("NO", "NO"), (None, None)])
def test_says_of_burned_in_names_what_the_film_says(declared, shown):
    assert results(BurnedInAnnotation=declared).dicom[1].get("BurnedInAnnotation") == shown


def test_holds_the_report_as_it_was_built():
    document = read_back(results().dicom[2])
    pdf = document.EncapsulatedDocument[: document.EncapsulatedDocumentLength]
    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")
    assert document.BurnedInAnnotation == "YES"


def test_makes_the_same_bytes_again():
    first, second = ([encoded(each) for each in results().dicom] for _ in range(2))
    assert first == second


def test_puts_each_kind_in_a_series_of_its_own_in_the_film_s_study():
    made = results().dicom
    assert {each.StudyInstanceUID for each in made} == {"1.2.3"}
    assert len({each.SeriesInstanceUID for each in made}) == 3
    assert len({each.SOPInstanceUID for each in made}) == 3
    assert {pydicom.dcmread(io.BytesIO(encoded(each))).InstanceNumber for each in made} == {1}
