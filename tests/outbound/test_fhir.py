"""Reading and writing at a real fhirsnake, and at a peer that answers what it never does."""

import json
import urllib.parse

import pytest

from gateway.errors import InvalidRequest, PeerFailed, PeerRefused, PeerUnavailable
from gateway.outbound.connection import Connection
from gateway.outbound.fhir import Fhir
from tests.outbound.conftest import rule
from tests.peers import faults

PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1970-01-01"}
REPORT = {
    "resourceType": "DiagnosticReport",
    "id": "3f2c-1",
    "status": "final",
    "code": {"text": "Chest X-ray, ä"},
    "identifier": [{"system": "urn:ietf:rfc:3986", "value": "urn:oid:2.25.1|2&3"}],
}


@pytest.fixture
def ehr(make_outbound, fhirsnake):
    return Fhir(make_outbound(rule(fhirsnake.uri, name="ehr")), Connection(fhirsnake.uri))


@pytest.fixture
def faulty(make_outbound, fault_peer):
    connection = Connection(fault_peer.uri, "Bearer", "token")
    return Fhir(make_outbound(rule(fault_peer.uri, name="ehr")), connection)


async def test_reads_a_resource(ehr):
    found = await ehr.read("Patient", "p1")
    assert (json.loads(found.body), found.format) == (PATIENT, "Json")


async def test_a_peer_without_xml_answers_json_all_the_same(ehr):
    assert (await ehr.read("Patient", "p1", version="R4", format="Xml")).format == "Json"


async def test_a_resource_that_is_not_there_stays_so(ehr, slept):
    with pytest.raises(PeerFailed) as failed:
        await ehr.read("Patient", "nobody")
    assert (failed.value.answered, slept) == (404, [])


async def test_an_error_of_the_peers_own_is_tried_again(ehr, slept):
    with pytest.raises(PeerUnavailable) as unavailable:
        await ehr.read("Nonsense", "x")  # which fhirsnake answers with 500
    assert (unavailable.value.answered, slept) == (500, [0.25, 0.5, 1.0])


async def test_writing_again_overwrites(ehr, fhirsnake):
    await ehr.write(REPORT)
    await ehr.write({**REPORT, "status": "amended"})
    assert fhirsnake.resources("DiagnosticReport") == [{**REPORT, "status": "amended"}]


@pytest.mark.parametrize(
    ("version", "format", "accept"),
    [
        ("R1", "Json", "application/fhir+json; fhirVersion=0.0"),
        ("R2", "Xml", "application/fhir+xml; fhirVersion=1.0"),
        ("R3", "Json", "application/fhir+json; fhirVersion=3.0"),
        ("R4", "Xml", "application/fhir+xml; fhirVersion=4.0"),
    ],
)
async def test_asks_for_version_and_format(fault_peer, faulty, version, format, accept):
    fault_peer.answers(faults.text("<Patient/>", "application/fhir+xml; charset=utf-8"))
    found = await faulty.read("Patient", "p1", version=version, format=format)
    assert (found.body, found.format) == (b"<Patient/>", "Xml")
    (asked,) = fault_peer.asked
    assert (asked.target, asked.headers["Accept"]) == ("/dicom-web/Patient/p1", accept)
    assert asked.headers["Authorization"] == "Bearer token"


async def test_version_3_in_json_is_the_default(fault_peer, faulty):
    fault_peer.answers(faults.text(json.dumps(PATIENT), "application/json"))
    await faulty.read("Patient", "p1")
    assert fault_peer.asked[0].headers["Accept"] == "application/fhir+json; fhirVersion=3.0"


async def test_each_attempt_is_a_fresh_request(fault_peer, faulty, slept):
    fault_peer.answers(
        faults.status(500),
        faults.broken_off(b"{", "application/json"),
        faults.text(json.dumps(PATIENT), "application/fhir+json"),
    )
    assert json.loads((await faulty.read("Patient", "p1")).body) == PATIENT
    assert slept == [0.25, 0.5]
    assert len({(asked.target, asked.headers["Accept"]) for asked in fault_peer.asked}) == 1


@pytest.mark.parametrize(
    "reply",
    [
        faults.text("<html/>", "text/html"),
        faults.text("{", "application/fhir+json"),
        faults.text("[]", "application/fhir+json"),
        faults.text('{"resourceType": "Patient", "id": "p2"}', "application/fhir+json"),
        faults.text('{"resourceType": "OperationOutcome", "id": "p1"}', "application/fhir+json"),
        faults.text("[" * 10**5, "application/json"),
        faults.status(204),
        faults.status(302, Location="/elsewhere"),
        faults.status(401),
    ],
)
async def test_what_is_not_the_resource_fails(fault_peer, faulty, slept, reply):
    fault_peer.answers(reply)
    with pytest.raises(PeerFailed):
        await faulty.read("Patient", "p1")
    assert slept == []


@pytest.mark.parametrize(
    ("resource_type", "resource_id", "field"),
    [
        ("../Patient", "p1", "resourceType"),
        ("Patient/..", "p1", "resourceType"),
        ("patient", "p1", "resourceType"),
        ("", "p1", "resourceType"),
        ("Patient\n", "p1", "resourceType"),
        ("Patient", "..", "id"),
        ("Patient", ".", "id"),
        ("Patient", "", "id"),
        ("Patient", "a/b", "id"),
        ("Patient", "a?b", "id"),
        ("Patient", "a%2Fb", "id"),
        ("Patient", "p1\n", "id"),
        ("Patient", "x" * 65, "id"),
    ],
)
async def test_what_names_no_resource_is_not_asked_for(fault_peer, faulty, resource_type, resource_id, field):
    fault_peer.answers(faults.status(200))
    with pytest.raises(InvalidRequest) as refused:
        await faulty.read(resource_type, resource_id)
    assert refused.value.field == field
    with pytest.raises(InvalidRequest):
        await faulty.write({"resourceType": resource_type, "id": resource_id})
    assert fault_peer.asked == []


async def test_writes_json_of_the_version(fault_peer, faulty):
    fault_peer.answers(faults.status(201))
    await faulty.write(REPORT)
    (asked,) = fault_peer.asked
    assert (asked.method, asked.target) == ("PUT", "/dicom-web/DiagnosticReport/3f2c-1")
    assert asked.headers["Content-Type"] == "application/fhir+json; fhirVersion=4.0"
    assert json.loads(asked.body) == REPORT


@pytest.mark.parametrize("code", [404, 405])
async def test_a_peer_that_gives_the_ids_itself_is_asked_to_create_once(fault_peer, faulty, code):
    fault_peer.answers(faults.status(code), faults.status(201))
    await faulty.write(REPORT)
    created = fault_peer.asked[1]
    assert (created.method, created.target) == ("POST", "/dicom-web/DiagnosticReport")
    condition = urllib.parse.parse_qs(created.headers["If-None-Exist"])
    assert condition == {"identifier": ["urn:ietf:rfc:3986|urn:oid:2.25.1|2&3"]}


async def test_without_an_identifier_nothing_is_created_twice(fault_peer, faulty):
    fault_peer.answers(faults.status(405), faults.status(201))
    with pytest.raises(PeerFailed):
        await faulty.write({key: value for key, value in REPORT.items() if key != "identifier"})
    assert len(fault_peer.asked) == 1


@pytest.mark.parametrize("code", [400, 401, 409, 412, 422])
async def test_a_resource_that_is_refused_is_not_sent_again(fault_peer, faulty, slept, code):
    fault_peer.answers(faults.status(code))
    with pytest.raises(PeerFailed) as failed:
        await faulty.write(REPORT)
    assert (failed.value.answered, slept) == (code, [])


async def test_writing_is_tried_again(fault_peer, faulty, slept):
    fault_peer.answers(faults.status(503), faults.status(200))
    await faulty.write(REPORT)
    assert slept == [0.25]
    assert fault_peer.asked[0].body == fault_peer.asked[1].body


async def test_a_peer_without_a_rule_is_refused(make_outbound, fhirsnake):
    with pytest.raises(PeerRefused):
        Fhir(make_outbound(), Connection(fhirsnake.uri))
