import json

import pytest
from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from fhir.resources.R4B.observation import Observation

from gateway.imaging.chest_xray import FINDINGS
from gateway.imaging.results import chest_xray_resources, pipeline_of, vhs_resources
from tests.dicom_results import (
    STAMP,
    VHS_MODEL,
    assessment,
    bare_source,
    chest_outputs,
    source,
    source_file,
)


def chest(header=None):
    outputs = chest_outputs(source_file())
    return pipeline_of("chest_xray").results(outputs, header or source(), VHS_MODEL, STAMP).fhir


def vhs(**changes):
    return vhs_resources(source(), assessment(**changes), model=VHS_MODEL, stamp=STAMP)


@pytest.mark.parametrize(
    "make",
    [chest, lambda: chest(bare_source()), vhs, lambda: vhs(vlas=None, result_code=4)],
    ids=["chest", "bare", "vhs", "no vlas"],
)
def test_is_valid_fhir(make):
    *observations, report = make()
    for resource in observations:
        Observation.model_validate_json(json.dumps(resource))
    DiagnosticReport.model_validate_json(json.dumps(report))


def test_states_twelve_findings_and_the_report_that_lists_them():
    *observations, report = chest()
    assert len(observations) == len(FINDINGS)
    assert [each["reference"] for each in report["result"]] == [
        f"Observation/{o['id']}" for o in observations
    ]
    assert observations[0]["valueCodeableConcept"]["text"] == "Present"
    assert observations[0]["component"][0]["valueQuantity"]["value"] == 87.0
    assert observations[5]["code"]["coding"][0]["code"] == "36118008"
    assert report["conclusion"].startswith("TB Presumptive.")
    assert report["presentedForm"][0]["contentType"] == "application/pdf"


def test_is_preliminary_since_nobody_has_verified_it():
    assert {each["status"] for each in (*chest(), *vhs())} == {"preliminary"}
    assert "not a diagnosis" in chest()[-1]["conclusion"]


def test_refers_to_study_and_patient_by_their_identifiers_only():
    *observations, report = chest()
    study = {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}
    assert report["imagingStudy"][0]["identifier"] == study
    assert observations[0]["derivedFrom"][0]["identifier"] == study
    assert report["subject"]["identifier"]["value"] == "PAT001"
    assert report["effectiveDateTime"] == "2024-02-29"
    without_report = {key: value for key, value in report.items() if key != "presentedForm"}
    assert "Doe" not in json.dumps([*observations, without_report])


def test_reads_the_patient_s_identifier_in_the_source_s_character_set():
    header = source(SpecificCharacterSet="ISO_IR 100", PatientID="Zürich 7")
    assert chest(header)[-1]["subject"]["identifier"]["value"] == "Zürich 7"


def test_names_no_patient_where_the_film_does_not():
    assert all("subject" not in each for each in chest(bare_source()))


def test_says_why_there_is_no_number():
    heart, atrium, report = vhs(vlas=None, result_code=4)
    assert heart["valueQuantity"] == {
        "value": 10.35,
        "unit": "vertebrae",
        "system": "http://unitsofmeasure.org",
        "code": "{vertebrae}",
    }
    assert "valueQuantity" not in atrium
    assert atrium["dataAbsentReason"]["coding"][0]["code"] == "error"
    assert report["conclusionCode"][0]["text"] == "VHS measured, VLAS not"


def test_has_the_same_ids_again_and_others_for_another_job():
    first, again = ([each["id"] for each in chest()] for _ in range(2))
    assert first == again
    assert len(set(first)) == 13
    prediction = json.loads(chest_outputs(source_file())["prediction"][0, 0])
    study = json.loads(chest_outputs(source_file())["study"][0, 0])
    other = chest_xray_resources(source(), prediction, study, stamp=STAMP._replace(job_id="other"))
    assert not {each["id"] for each in other} & set(first)
