"""The body of a request: names, words, numbers, and what is said where it does not fit (T3-T6, T8)."""

import json

import pytest

from gateway.apis.inference_requests.binding import NotBound
from gateway.apis.inference_requests.schema import Series, parse
from tests.apis.inference_requests.conftest import body, details


def read(value, charset="utf-8"):
    return parse(value if isinstance(value, bytes) else json.dumps(value).encode(charset), charset)


def faults(value):
    with pytest.raises(NotBound) as caught:
        read(value)
    return caught.value.faults


@pytest.mark.parametrize("word", ["DICOMweb", "dicomweb", "DICOMWEB", "DicomWeb", 1, 1.0, "1", "+1"])
def test_knows_a_word_in_any_case_by_its_members_name_and_by_number(word):
    request = read(body(inputResources=[{"interface": word}]))
    assert request.input_resources[0].interface == "DICOMweb"


@pytest.mark.parametrize(
    ("field", "given", "meant"),
    [
        ("type", "accession_number", "ACCESSION_NUMBER"),
        ("type", "FhireResource", "FHIR_RESOURCE"),
        ("type", 2, "DICOM_PATIENT_ID"),
        ("type", "0", "Unknown"),
        ("fhir_format", "XML", "Xml"),
        ("fhir_version", "r4", "R4"),
        ("fhir_version", 0, "R1"),
    ],
)
def test_knows_the_words_of_details(field, given, meant):
    name = {"fhir_format": "fhirFormat", "fhir_version": "fhirVersion"}.get(field, field)
    request = read(body(inputMetadata={"details": {name: given}}))
    assert getattr(request.inputs[0], field) == meant


@pytest.mark.parametrize("word", ["wado retrieve", "WadoRetrieve", 2, "STORE"])
def test_knows_the_words_of_operations(word):
    read(body(inputResources=[{"connectionDetails": {"operations": [word]}}]))


@pytest.mark.parametrize("word", ["TAPE", "", 4, -1, "4", None, True, 1.5, [], "Algorithm, DIMSE"])
def test_says_where_a_word_is_wrong(word):
    path = "inputResources[1].interface"
    found = faults(body(inputResources=[{}, {"interface": word}]))
    assert list(found) == [path]
    (sentence,) = found[path]
    assert sentence.endswith(f": expected Algorithm | DICOMweb | DIMSE | FHIR. Path '{path}'.")


def test_shows_the_wrong_word():
    found = faults(body(inputResources=[{"interface": "TAPE"}]))
    assert found["inputResources[0].interface"][0].startswith('Error converting value "TAPE": ')


@pytest.mark.parametrize(
    ("given", "meant"),
    [(0, 0), (127, 127), (128, 128), (254, 254), (255, 255), ("255", 255), ("+7", 7), (118.0, 118)],
)
def test_reads_a_priority(given, meant):
    assert read(body(priority=given)).priority == meant


def test_takes_128_where_there_is_no_priority():
    assert read(body()).priority == 128


@pytest.mark.parametrize("given", [256, -1, "256", "-1", 1.5, "1.5", "high", "", True, [], {}])
def test_refuses_a_priority_that_is_no_byte(given):
    assert list(faults(body(priority=given))) == ["priority"]


def test_refuses_null_as_a_priority():
    assert list(faults({**body(), "priority": None})) == ["priority"]


@pytest.mark.parametrize(
    ("members", "uri", "credential"),
    [
        ({"baseUri": "http://a/", "apiKey": "T"}, "http://a/", "T"),
        ({"uri": "http://a/", "baseUri": "http://b/", "apiKey": "1", "authID": "2"}, "http://b/", "2"),
        ({"baseUri": "http://b/", "uri": "http://a/", "authID": "2", "apiKey": "1"}, "http://a/", "1"),
        ({"BASEURI": "http://b/", "AuthId": "3"}, "http://b/", "3"),
    ],
)
def test_takes_the_later_of_two_names_of_one_thing(members, uri, credential):
    (resource,) = read(body(inputResources=[{"connectionDetails": members}])).input_resources
    assert (resource.connection.uri, resource.connection.auth_id) == (uri, credential)


def test_takes_a_resource_without_interface_for_an_algorithm():
    request = read(body(inputResources=[{"connectionDetails": {"id": "vhs"}}]))
    assert request.algorithm.id == "vhs"


def test_takes_names_in_any_case_the_last_of_repeated_ones_and_ignores_unknown_ones():
    request = read(b'{"TRANSACTIONID":"a","transactionid":"b","state":"Completed","jobId":7,"x":{"y":[]}}')
    assert request.transaction_id == "b"


def test_puts_details_behind_inputs():
    metadata = {"inputs": [{"type": 4}, None], **details("DICOM_PATIENT_ID", PatientID="P")}
    assert [each.type for each in read(body(inputMetadata=metadata)).inputs] == [
        "FHIR_RESOURCE",
        "Unknown",
        "DICOM_PATIENT_ID",
    ]


def test_reads_several_uids_of_an_instance():
    study = {
        "StudyInstanceUID": "1",
        "series": [{"SeriesInstanceUID": "2", "instances": [{"SOPInstanceUID": ["3", "4"]}, None]}],
    }
    request = read(body(inputMetadata=details("DICOM_UID", studies=[study])))
    assert request.inputs[0].studies[0].series == (Series("2", (("3", "4"), ())),)


def test_tells_every_fault():
    found = faults(
        {"priority": 300, "inputMetadata": {"details": {"type": "X", "studies": 7}}, "inputResources": {}}
    )
    assert set(found) == {
        "priority",
        "inputMetadata.details.type",
        "inputMetadata.details.studies",
        "inputResources",
    }


def test_shows_no_credential_that_does_not_fit():
    found = faults(body(inputResources=[{"connectionDetails": {"authID": {"password": "hunter2"}}}]))
    assert "hunter2" not in json.dumps(found)


@pytest.mark.parametrize("given", [b"", b"  \n", b"null"])
def test_asks_for_a_body(given):
    assert faults(given) == {"": ["A non-empty request body is required."]}


@pytest.mark.parametrize(
    "given", [b"{", b"[1,]", b"{'a':1}", b'{"a":NaN}', b"\xff\xfe", b'"text"', b"[]", b"7", b"{} {}"]
)
def test_refuses_what_is_no_json_object(given):
    assert list(faults(given)) == [""]


def test_refuses_what_is_nested_too_deep():
    deep = b'{"x":' + b"[" * 40 + b"]" * 40 + b"}"
    assert "MaxDepth of 32" in faults(deep)[""][0]
    read(b'{"x":"' + b"[" * 99 + b'"}')  # within a string it is no nesting
    assert list(faults(b"[" * 100_000)) == [""]


def test_reads_utf_16_and_a_byte_order_mark():
    assert read(body(transactionID="Ä"), "utf-16").transaction_id == "Ä"
    assert read(b"\xef\xbb\xbf" + json.dumps(body()).encode()).transaction_id == "TX-1"
