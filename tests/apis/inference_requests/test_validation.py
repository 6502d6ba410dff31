"""What a request must say: each sentence, literally, and their order (T1, T8)."""

import json

import pytest

from gateway.apis.inference_requests.schema import parse
from gateway.apis.inference_requests.uris import is_well_formed
from gateway.apis.inference_requests.validation import faults_of
from tests.apis.inference_requests.conftest import algorithm, body, details, dicom_web

V1 = "'transactionId' is required."
V2 = "No 'inputResources' specified."
V3 = (
    "No algorithm defined or more than one algorithms defined in 'inputResources'.  'inputResources' must "
    "include one algorithm/pipeline for the inference request."
)
V4 = "Request has no `inputMetadata` defined. At least one `inputs` or `inputMetadata` required."
V5 = "Request type is set to `DICOM_UID` but no `studies` defined."
V6 = "`StudyInstanceUID` cannot be empty."
V7 = "`SeriesInstanceUID` cannot be empty."
V8 = "`SOPInstanceUID` cannot be empty."
V9 = "Request type is set to `DICOM_PATIENT_ID` but `PatientID` is not defined."
V10 = "Request type is set to `ACCESSION_NUMBER` but no `accessionNumber` defined."
V11 = "Request type is set to `FHIR_RESOURCE` but no FHIR `resources` defined."
V12 = "A FHIR resource type cannot be empty."
V13 = "'inputMetadata' does not yet support type 'Unknown'."
SOURCE = dicom_web("http://h/")


def said(**changes):
    return faults_of(parse(json.dumps({**body(), **changes}).encode(), "utf-8"))


def one_study(**members):
    return details("DICOM_UID", studies=[{"StudyInstanceUID": "1", **members}])


def one_series(**members):
    return one_study(series=[{"SeriesInstanceUID": "2", **members}])


def test_says_nothing_about_a_valid_request():
    assert said() == []


def test_says_all_about_an_empty_one():
    assert faults_of(parse(b"{}", "utf-8")) == [V1, V2, V3, V4]


@pytest.mark.parametrize("id", [None, "", "  \t"])
def test_asks_for_a_transaction_id(id):
    assert said(transactionID=id) == [V1]


@pytest.mark.parametrize("id", ["x" * 161, "a\x1fb", "a\x00", "\ud800"])
def test_refuses_transaction_ids_that_could_not_be_kept(id):
    (sentence,) = said(transactionID=id)
    assert sentence.startswith("'transactionId' must not exceed 160 characters")


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (None, [V2, V3]),
        ([], [V2, V3]),
        ([algorithm()], [V2]),
        ([SOURCE], [V3]),
        ([{"interface": "Algorithm"}, SOURCE], [V3]),
        ([{"interface": "Algorithm", "connectionDetails": None}, algorithm(), SOURCE], [V3]),
        ([algorithm(), {"interface": "DIMSE"}], []),
        ([algorithm("vhs"), algorithm(), SOURCE], []),
        ([None], [V2, V3, "One of the 'inputResources' is not defined."]),
        ([algorithm(), {"interface": "DICOMweb"}], ["The provided URI '' is not well formed."]),
        (
            [algorithm(), {"interface": "FHIR"}],
            ["The provided URI '' in `inputResources` is not well formed."],
        ),
    ],
)
def test_asks_for_sources_and_an_algorithm(resources, expected):
    assert said(inputResources=resources) == expected


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (None, [V4]),
        ({}, [V4]),
        ({"inputs": []}, [V4]),
        ({"inputs": None, "details": None}, [V4]),
        (details("DICOM_UID"), [V5]),
        (details("DICOM_UID", studies=[]), [V5]),
        (details("DICOM_UID", studies=None), [V5]),
        (details("DICOM_UID", studies=[{}, {"StudyInstanceUID": " "}, None]), [V6, V6, V6]),
        (one_study(series=[{}, None, {"SeriesInstanceUID": ""}]), [V7, V7, V7]),
        (one_series(instances=[{}, {"SOPInstanceUID": []}, {"SOPInstanceUID": ["1", " "]}, None]), [V8] * 4),
        (one_series(instances=[{"SOPInstanceUID": [None, None]}]), [V8]),
        (one_series(instances=[]), []),
        (details("DICOM_PATIENT_ID"), [V9]),
        (details("DICOM_PATIENT_ID", PatientID=" "), [V9]),
        (details("ACCESSION_NUMBER"), [V10]),
        (details("ACCESSION_NUMBER", accessionNumber=[]), [V10]),
        (details("ACCESSION_NUMBER", accessionNumber=[""]), []),
        (details("FHIR_RESOURCE"), [V11]),
        (details("FHIR_RESOURCE", resources=[{"id": "1"}, {"resourceType": ""}, None]), [V12] * 3),
        (details("FHIR_RESOURCE", resources=[{"resourceType": "Patient"}]), []),
        ({"details": {}}, [V13]),
        ({"inputs": [None]}, [V13]),
    ],
)
def test_asks_for_what_its_type_names(metadata, expected):
    assert said(inputMetadata=metadata) == expected


def test_walks_a_study_depth_first():
    study = {"series": [{"instances": [{}]}, {"instances": [{}]}]}
    assert said(inputMetadata=details("DICOM_UID", studies=[study])) == [V6, V7, V8, V7, V8]


@pytest.mark.parametrize("where", ["inputResources", "outputResources"])
def test_asks_for_credentials_then_for_a_uri(where):
    broken = {
        "interface": "DICOMweb",
        "connectionDetails": {"uri": "x\\", "authType": "Bearer", "authID": " "},
    }
    basic = dicom_web("http://h/", authType="basic")
    fhir = {"interface": "FHIR", "connectionDetails": {"uri": "relative/", "authType": "Bearer"}}
    needed = [algorithm(), SOURCE] if where == "inputResources" else []
    assert said(**{where: [*needed, broken, basic, fhir]}) == [
        f"One of the '{where}' has authType of 'Bearer' but does not include a valid value for 'authId'",
        "The provided URI 'x\\' is not well formed.",
        f"One of the '{where}' has authType of 'Basic' but does not include a valid value for 'authId'",
        f"The provided URI 'relative/' in `{where}` is not well formed.",
    ]


def test_tells_everything_in_order():
    assert said(
        transactionID=None,
        inputResources=[dicom_web("no")],
        inputMetadata={"inputs": [{"type": "FHIR_RESOURCE"}], "details": {"type": "DICOM_UID"}},
        outputResources=[dicom_web("none")],
    ) == [
        V1,
        V3,
        V11,
        V5,
        "The provided URI 'no' is not well formed.",
        "The provided URI 'none' is not well formed.",
    ]


def test_lets_outputs_be_absent_but_not_null():
    assert said(outputResources=None) == ["No 'outputResources' specified."]
    request = body()
    del request["outputResources"]
    assert faults_of(parse(json.dumps(request).encode(), "utf-8")) == []


def test_does_not_look_at_algorithm_and_dimse_outputs():
    assert said(outputResources=[{"interface": "DIMSE"}, {"interface": "Algorithm"}]) == []


@pytest.mark.parametrize(
    "uri",
    ["http://h", "HTTPS://h:8042/dicom-web/?a=b#c", "ftp://h/", "urn:x", "http://[::1]:80/", "http://u:p@h/"],
)
def test_takes_absolute_uris(uri):
    assert is_well_formed(uri)


@pytest.mark.parametrize(
    "uri",
    [
        None, "", " ", "h", "/a", "//h/", "http:", "http://", "http:///x", "http://this.is.not.a.valid.uri\\",
        "http://h/a b", "http://h/%zz", "http://h/\n", "http://h:port/", "http://h:70000/", "1a:b", "http://h/<",
        "http://a b/",
    ],
)  # fmt: skip
def test_refuses_what_is_none(uri):
    assert not is_well_formed(uri)
