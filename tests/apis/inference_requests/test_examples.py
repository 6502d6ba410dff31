"""The five examples of the specification, end to end: with peers and models that are there."""

import pytest

from tests.apis.inference_requests.conftest import instance, rule
from tests.peers.faults import status
from tests.peers.orthanc import AUTH_ID

MODEL = {"interface": "Algorithm", "connectionDetails": {"name": "exam", "id": "chest_xray"}}


@pytest.fixture
def pacs(orthanc):
    """An Orthanc that has what the examples name."""
    for study, series in (
        ("2.25.1001", "2.25.1001.1"),
        ("2.25.1002", "2.25.1002.1"),
        ("2.25.1002", "2.25.1002.2"),
    ):
        orthanc.add([instance(1, study=study, series=series, PatientID="PID-7")])
    orthanc.add(
        instance(number, study="2.25.1003", series="2.25.1003.1", PatientID="PID-8") for number in (1, 2, 3)
    )
    orthanc.add([instance(1, study="2.25.2001", series="2.25.2001.1", AccessionNumber="ACC-77")])
    return orthanc


async def test_by_uid_at_three_depths(serve_requests, pacs, triton):
    caller = await serve_requests(rule(pacs.uri))
    basic = {"uri": pacs.uri, "authID": AUTH_ID, "authType": "Basic"}
    ended = await caller.done(
        {
            "transactionID": "TX-UID-1",
            "priority": 255,
            "inputMetadata": {
                "details": {
                    "type": "DICOM_UID",
                    "studies": [
                        {"StudyInstanceUID": "2.25.1001"},
                        {
                            "StudyInstanceUID": "2.25.1002",
                            "series": [{"SeriesInstanceUID": "2.25.1002.1"}],
                        },
                        {
                            "StudyInstanceUID": "2.25.1003",
                            "series": [
                                {
                                    "SeriesInstanceUID": "2.25.1003.1",
                                    "instances": [{"SOPInstanceUID": ["2.25.1003.1.1", "2.25.1003.1.2"]}],
                                }
                            ],
                        },
                    ],
                }
            },
            "inputResources": [
                MODEL,
                {
                    "interface": "DICOMweb",
                    "connectionDetails": {"operations": ["QUERY", "WADO Retrieve"], **basic},
                },
            ],
            "outputResources": [
                {"interface": "DICOMweb", "connectionDetails": {"operations": ["STORE"], **basic}}
            ],
        }
    )
    assert (ended["platform"]["status"], ended["message"]) == ("Healthy", ""), ended
    assert ended["platform"]["priority"] == "Immediate"
    assert len(triton.calls) == 4
    assert len([uid for uid in pacs.sop_instance_uids() if len(uid) > 20]) == 12


async def test_by_patient_without_outputs(serve_requests, pacs, triton):
    caller = await serve_requests(rule(pacs.uri))
    source = {"uri": pacs.uri, "authID": AUTH_ID, "authType": "Basic"}
    ended = await caller.done(
        {
            "transactionID": "TX-PID-1",
            "priority": "128",
            "inputMetadata": {"details": {"type": "DICOM_PATIENT_ID", "PatientID": "PID-7"}},
            "inputResources": [MODEL, {"interface": "DICOMweb", "connectionDetails": source}],
        }
    )
    assert (ended["platform"]["status"], ended["message"]) == ("Healthy", ""), ended
    assert len(triton.calls) == 3


async def test_by_accession_numbers_over_two_sources(serve_requests, pacs, fault_peer, triton):
    """The first source knows nobody; two spellings of names and words."""
    fault_peer.answers(status(204))
    caller = await serve_requests(rule(pacs.uri), rule(fault_peer.uri, name="first"))
    ended = await caller.done(
        {
            "transactionID": "TX-ACC-1",
            "inputMetadata": {
                "details": {"type": "accession_number", "accessionNumber": ["ACC-77", "ACC-10"]}
            },
            "inputResources": [
                {**MODEL, "interface": "algorithm"},
                {
                    "interface": "dicomweb",
                    "connectionDetails": {"baseUri": fault_peer.uri, "apiKey": "T1", "authType": "bearer"},
                },
                {
                    "interface": "DicomWeb",
                    "connectionDetails": {"uri": pacs.uri, "authType": "BASIC", "apiKey": AUTH_ID},
                },
            ],
            "outputResources": [],
        }
    )
    assert (ended["platform"]["status"], ended["message"]) == ("Healthy", ""), ended
    assert [each.headers["Authorization"] for each in fault_peer.asked] == ["Bearer T1"] * 2
    assert len(triton.calls) == 1


async def test_fhir_alone_with_a_fhir_output(serve_requests, fhirsnake):
    """A model that takes images has nothing to assess, and the status says so."""
    caller = await serve_requests(rule(fhirsnake.uri))
    ended = await caller.done(
        {
            "transactionID": "TX-FHIR-1",
            "priority": 10,
            "inputMetadata": {
                "details": {
                    "type": "FHIR_RESOURCE",
                    "fhirFormat": "Xml",
                    "fhirVersion": "R4",
                    "resources": [{"resourceType": "Patient", "id": "p1"}],
                }
            },
            "inputResources": [
                MODEL,
                {
                    "interface": "FHIR",
                    "connectionDetails": {"uri": fhirsnake.uri, "authID": "tok", "authType": "Bearer"},
                },
            ],
            "outputResources": [{"interface": "FHIR", "connectionDetails": {"uri": fhirsnake.uri}}],
        }
    )
    assert ended["dicom"] == {"state": "Completed", "status": "Success"}
    assert ended["message"] == "No image was retrieved, and the algorithm takes images."


async def test_mixed_inputs_with_a_dimse_source(serve_requests, pacs, fhirsnake, triton):
    caller = await serve_requests(rule(pacs.uri), rule(fhirsnake.uri, name="record"))
    details = {"uri": pacs.uri, "authID": AUTH_ID, "authType": "Basic"}
    ended = await caller.done(
        {
            "transactionID": "TX-MIX-1",
            "priority": 200,
            "inputMetadata": {
                "inputs": [
                    {"type": "FHIR_RESOURCE", "resources": [{"resourceType": "Patient", "id": "p1"}]},
                    {"type": "DICOM_UID", "studies": [{"StudyInstanceUID": "2.25.1001"}]},
                ],
                "details": {"type": "ACCESSION_NUMBER", "accessionNumber": ["ACC-77"]},
            },
            "inputResources": [
                MODEL,
                {"interface": "DICOMweb", "connectionDetails": details},
                {"interface": "FHIR", "connectionDetails": {"uri": fhirsnake.uri}},
                {"interface": "DIMSE"},
            ],
            "outputResources": [{"interface": "DICOMweb", "connectionDetails": details}],
        }
    )
    assert ended["platform"]["status"] == "Healthy", ended
    assert ended["message"] == "Input 4: the interface DIMSE is not supported."
    assert len(triton.calls) == 2
