"""Fetching from real Orthanc and fhirsnake, and from a peer that misbehaves (T12-T19, T22, T23)."""

import asyncio
import json
from urllib.parse import parse_qsl

import numpy as np
import pytest

from gateway.apis.inference_requests.workflow import NOTHING, RETRY_LATER
from gateway.outbound.connection import Connection
from tests.apis.inference_requests.conftest import (
    algorithm,
    body,
    details,
    dicom_web,
    instance,
    rule,
    studies,
    to,
)
from tests.peers.faults import (
    RELATED,
    broken_off,
    closing,
    document,
    endless,
    multipart,
    part,
    slow,
    status,
    text,
)
from tests.peers.names import Resolver

REFUSED = "Refused by the peer rules: none allows this scheme, host, port and path"


@pytest.fixture
def read(triton):
    """Give the SOP Instance UIDs that were assessed."""

    def uids():
        import io

        import pydicom

        found = [pydicom.dcmread(io.BytesIO(call.inputs["dicom"].tobytes())) for call in triton.calls]
        return sorted(each.SOPInstanceUID for each in found)

    return uids


def from_(*sources, **changes):
    return body(inputResources=[algorithm(), *sources], **changes)


async def test_fetches_studies_series_and_instances(serve_requests, orthanc, read):
    for study in ("1.1", "1.2", "1.3"):
        for series in (f"{study}.1", f"{study}.2"):
            orthanc.add(instance(number, study=study, series=series) for number in (1, 2, 3))
    caller = await serve_requests(rule(orthanc.uri))
    wanted = [
        {"StudyInstanceUID": "1.1"},
        {"StudyInstanceUID": "1.2", "series": [{"SeriesInstanceUID": "1.2.1"}]},
        {
            "StudyInstanceUID": "1.3",
            "series": [
                {"SeriesInstanceUID": "1.3.2", "instances": [{"SOPInstanceUID": ["1.3.2.1", "1.3.2.3"]}]}
            ],
        },
    ]
    ended = await caller.done(from_(to(orthanc), inputMetadata=details("DICOM_UID", studies=wanted)))
    assert ended["platform"]["status"] == "Healthy", ended
    assert read() == sorted(
        [f"1.1.{s}.{i}" for s in (1, 2) for i in (1, 2, 3)]
        + [f"1.2.1.{i}" for i in (1, 2, 3)]
        + ["1.3.2.1", "1.3.2.3"]
    )


@pytest.mark.parametrize("slash", ["/", ""])
async def test_adds_the_slash_that_a_base_uri_lacks(serve_requests, orthanc, slash):
    orthanc.add([instance()])
    caller = await serve_requests(rule(orthanc.uri))
    source = to(orthanc)
    source["connectionDetails"]["uri"] = orthanc.uri.rstrip("/") + slash
    assert (await caller.done(from_(source)))["platform"]["status"] == "Healthy"


@pytest.mark.parametrize("patient", ["P-1", "P'1$(2)", "A:B@C"])
async def test_finds_a_patient(serve_requests, orthanc, read, patient):
    orthanc.add([instance(1, PatientID=patient), instance(1, study="9.9", series="9.9.1", PatientID="P-2")])
    caller = await serve_requests(rule(orthanc.uri))
    ended = await caller.done(
        from_(to(orthanc), inputMetadata=details("DICOM_PATIENT_ID", PatientID=patient))
    )
    assert ended["platform"]["status"] == "Healthy", ended
    assert read() == ["1.2.3.1.1"]


@pytest.mark.parametrize("value", ["A&B", "A#B", "DOE^JOHN", "a b", "x=y+z", "100%41", "Ä"])
async def test_asks_for_a_value_as_it_is(serve_requests, fault_peer, value):
    fault_peer.answers(document([]))
    caller = await serve_requests(rule(fault_peer.uri))
    metadata = {
        "inputs": [{"type": "DICOM_PATIENT_ID", "PatientID": value}],
        **details("ACCESSION_NUMBER", accessionNumber=[value, "N"]),
    }
    ended = await caller.done(from_(dicom_web(fault_peer.uri), inputMetadata=metadata))
    assert ended["message"] == NOTHING
    queries = [dict(parse_qsl(each.target.partition("?")[2])) for each in fault_peer.asked]
    assert [each.pop("limit") for each in queries] == ["200"] * 3
    assert queries == [{"00100020": value}, {"00080050": value}, {"00080050": "N"}]


@pytest.mark.parametrize("value", ["*", "P?", "P\\Q", " ", "x" * 65])
async def test_refuses_values_that_match_more_than_one(serve_requests, orthanc, value):
    orthanc.add([instance()])
    caller = await serve_requests(rule(orthanc.uri))
    for number, metadata in enumerate(
        (
            details("DICOM_PATIENT_ID", PatientID=value.replace(" ", "*")),
            details("ACCESSION_NUMBER", accessionNumber=[value]),
        )
    ):
        ended = await caller.done(from_(to(orthanc), inputMetadata=metadata, transactionID=f"T{number}"))
        assert (ended["platform"]["status"], ended["dicom"]["status"]) == ("Faulted", "Fail")
        assert "must" in ended["message"]


async def test_keeps_the_union_of_what_sources_find(serve_requests, orthanc, fault_peer, read):
    orthanc.add([instance(1), instance(2)])
    found = [{"0020000D": {"vr": "UI", "Value": ["1.2.3"]}}]
    fault_peer.answers(document(found), multipart(part(instance(2)), part(instance(3))))
    caller = await serve_requests(rule(orthanc.uri), rule(fault_peer.uri, name="second"))
    ended = await caller.done(
        from_(
            to(orthanc),
            dicom_web(fault_peer.uri),
            inputMetadata=details("ACCESSION_NUMBER", accessionNumber=["ACC-9"]),
        )
    )
    assert ended["platform"]["status"] == "Healthy", ended
    assert read() == ["1.2.3.1.1", "1.2.3.1.2", "1.2.3.1.3"]
    assert [each.target.partition("?")[0] for each in fault_peer.asked] == [
        "/dicom-web/studies/",
        "/dicom-web/studies/1.2.3/",
    ]


async def test_falls_back_to_the_next_source_and_no_further(serve_requests, orthanc, fault_peer, read):
    orthanc.add([instance()])
    fault_peer.answers(status(404))
    caller = await serve_requests(rule(orthanc.uri), rule(fault_peer.uri, name="first"))
    sources = (dicom_web(fault_peer.uri), to(orthanc), dicom_web(fault_peer.uri + "never/"))
    ended = await caller.done(from_(*sources))
    assert ended["platform"]["status"] == "Healthy", ended
    assert ended["message"] == ""
    assert read() == ["1.2.3.1.1"]
    assert [each.target for each in fault_peer.asked] == ["/dicom-web/studies/1.2.3/"]


@pytest.mark.parametrize(
    "reply", [document([]), status(204), text("", "application/dicom+json")], ids=["[]", "204", "empty"]
)
async def test_ends_where_nothing_is_found(serve_requests, fault_peer, reply):
    fault_peer.answers(reply)
    caller = await serve_requests(rule(fault_peer.uri))
    ended = await caller.done(
        from_(dicom_web(fault_peer.uri), inputMetadata=details("DICOM_PATIENT_ID", PatientID="P"))
    )
    assert ended["platform"]["status"] == "Faulted"
    assert len(fault_peer.asked) == 1  # that there is nothing is an answer


@pytest.mark.parametrize(
    "reply",
    [status(401), status(500), text("<html>", "text/html"), text("{", "application/dicom+json")],
    ids=["401", "500", "html", "broken"],
)
async def test_tries_four_times_what_a_source_does_not_answer(serve_requests, fault_peer, reply):
    fault_peer.answers(reply)
    caller = await serve_requests(rule(fault_peer.uri))
    ended = await caller.done(
        from_(dicom_web(fault_peer.uri), inputMetadata=details("DICOM_PATIENT_ID", PatientID="P"))
    )
    assert ended["dicom"] == {"state": "Completed", "status": "Fail"}
    assert ended["message"].startswith(f"{NOTHING} The peer pacs ")
    # A 500 is asked again within each attempt, too.
    assert len(fault_peer.asked) == (16 if "500" in ended["message"] else 4)


async def test_goes_on_with_a_part_after_four_attempts(serve_requests, orthanc, read):
    orthanc.add([instance()])
    pauses, messages = [], []

    async def sleep(seconds):
        pauses.append(seconds)
        await asyncio.sleep(0.6)  # longer than it takes until progress is written
        messages.append((await caller.status("TX-1"))[1]["message"])

    caller = await serve_requests(rule(orthanc.uri), sleep=sleep)
    ended = await caller.done(from_(to(orthanc), inputMetadata=studies("1.2.3", "1.2.99")))
    assert pauses == [1.0, 5.0, 15.0]
    assert messages[0] == f"{RETRY_LATER}\nThe peer pacs answered 404"
    assert ended["platform"]["status"] == "Healthy", ended
    assert ended["dicom"] == {"state": "Completed", "status": "Success"}
    assert ended["message"] == "Not everything was retrieved: The peer pacs answered 404"
    assert read() == ["1.2.3.1.1"]


async def test_falls_back_where_the_first_source_is_down(serve_requests, orthanc, read):
    orthanc.add([instance()])
    caller = await serve_requests(rule(orthanc.uri), rule("http://127.0.0.1:9/", name="down"))
    ended = await caller.done(from_(dicom_web("http://127.0.0.1:9/"), to(orthanc)))
    assert (ended["platform"]["status"], ended["message"]) == ("Healthy", ""), ended
    assert read() == ["1.2.3.1.1"]


async def test_keeps_what_came_before_a_connection_broke(serve_requests, fault_peer, read):
    large = [instance(number, pixels=np.full((1024, 1024), number, np.uint16)) for number in (1, 2)]
    fault_peer.answers(broken_off(part(large[0]) + part(large[1])[:-30]))
    caller = await serve_requests(rule(fault_peer.uri))
    ended = await caller.done(from_(dicom_web(fault_peer.uri)))
    assert ended["platform"]["status"] == "Healthy", ended
    assert ended["message"].startswith("Not everything was retrieved: The peer pacs broke off")
    assert read() == ["1.2.3.1.1"]


async def test_reads_fhir_resources_with_the_asked_media_type(serve_requests, fault_peer, monkeypatch):
    kept = []
    fault_peer.answers(status(500), status(500), text("<Patient/>", "application/fhir+xml"), status(404))
    caller = await serve_requests(rule(fault_peer.origin))
    from gateway.apis.inference_requests.folders import RequestFolder

    monkeypatch.setattr(
        RequestFolder, "keep_resource", lambda self, key, body, suffix: kept.append((body, suffix))
    )
    resources = [{"resourceType": "Patient", "id": "p1"}, {"resourceType": "Observation", "id": "o1"}]
    ended = await caller.done(
        from_(
            {"interface": "FHIR", "connectionDetails": {"uri": fault_peer.origin}},
            inputMetadata=details("FHIR_RESOURCE", fhirFormat="xml", fhirVersion="R4", resources=resources),
        )
    )
    assert ended["dicom"]["status"] == "Fail"  # the file was not kept, in this test
    assert kept == [(b"<Patient/>", "xml")]
    assert {each.headers["Accept"] for each in fault_peer.asked} == {"application/fhir+xml; fhirVersion=4.0"}
    # Two real retries, then the resource; the other is asked for once in each of four attempts.
    assert [each.target for each in fault_peer.asked] == ["/Patient/p1"] * 3 + ["/Observation/o1"] * 4


@pytest.mark.parametrize(
    ("type", "id"), [("../../etc", "passwd"), ("Patient", "../x"), ("Patient", "a/b"), ("Patient", None)]
)
async def test_makes_no_path_of_a_fhir_resource(serve_requests, fault_peer, type, id):
    fault_peer.answers(status(200))
    caller = await serve_requests(rule(fault_peer.origin))
    metadata = details("FHIR_RESOURCE", resources=[{"resourceType": type, "id": id}])
    source = {"interface": "FHIR", "connectionDetails": {"uri": fault_peer.origin}}
    ended = await caller.done(from_(source, inputMetadata=metadata))
    assert ended["dicom"]["status"] == "Fail"
    assert fault_peer.asked == []


@pytest.mark.parametrize("uid", ["../../x", "1.2/../3", "1.2.3?a=b", "1..2", "x"])
async def test_makes_no_path_of_a_uid(serve_requests, fault_peer, uid):
    fault_peer.answers(status(200))
    caller = await serve_requests(rule(fault_peer.uri))
    ended = await caller.done(from_(dicom_web(fault_peer.uri), inputMetadata=studies(uid)))
    assert ended["message"] == f"{NOTHING} StudyInstanceUID must be a DICOM UID"
    assert fault_peer.asked == []


async def test_makes_no_path_of_what_an_instance_says(serve_requests, orthanc, tmp_path):
    orthanc.add([instance(1, PatientID="../../../../tmp/x")])
    caller = await serve_requests(rule(orthanc.uri))
    ended = await caller.done(from_(to(orthanc)))
    assert ended["platform"]["status"] == "Healthy", ended


ATTACKS = [
    "http://127.0.0.1:{port}/", "http://[::ffff:127.0.0.1]:{port}/dicom-web/", "http://2130706433:{port}/",
    "http://0x7f.1:{port}/dicom-web/", "http://localhost:{port}/dicom-web/", "http://127.1:{port}/dicom-web/",
    "http://user:pw@127.0.0.1:{port}/dicom-web/", "http://127.0.0.1:{port}/dicom-web/../admin/",
    "http://169.254.169.254/latest/", "ftp://127.0.0.1/", "urn:x",
]  # fmt: skip


@pytest.mark.parametrize("uri", ATTACKS)
async def test_reaches_no_peer_that_is_not_allowed(serve_requests, fault_peer, uri):
    fault_peer.answers(status(200))
    uri = uri.format(port=fault_peer.origin.rpartition(":")[2])
    caller = await serve_requests(rule(fault_peer.uri))
    ended = await caller.done(from_(dicom_web(uri)))
    assert (ended["platform"]["status"], ended["dicom"]["status"]) == ("Faulted", "Fail")
    assert "Refused by the peer rules" in ended["message"]
    for secret in ("127", "7f", "2130706433", "169", "localhost", "user:", "pw", "admin"):
        assert secret not in ended["message"]
    assert fault_peer.asked == []


async def test_a_name_that_is_led_inside_later_is_refused_then(serve_requests, fault_peer):
    fault_peer.answers(closing(multipart(part(instance()))))
    uri = fault_peer.uri.replace("127.0.0.1", "pacs.example.org")
    resolver = Resolver(["127.0.0.1"], ["127.0.0.2"])
    caller = await serve_requests(rule(uri, networks=["127.0.0.1/32"]), resolver=resolver)
    asked = from_(dicom_web(uri, authType="Bearer", authID="a-token"))
    assert (await caller.done(asked))["platform"]["status"] == "Healthy"
    outbound = caller.service.outbound
    outbound._session(outbound.peer(Connection(uri))).connector.clear_dns_cache()
    ended = await caller.done({**asked, "transactionID": "TX-2"})
    assert (ended["platform"]["status"], ended["dicom"]["status"]) == ("Faulted", "Fail")
    assert "pacs" in ended["message"], "the rule's name"
    for secret in ("127.0.0", "example.org", "a-token"):
        assert secret not in ended["message"]
    assert (resolver.asked, len(fault_peer.asked)) == (2, 1), "the second address was never spoken to"


async def test_follows_no_redirect(serve_requests, fault_peer):
    fault_peer.answers(status(302, Location=f"{fault_peer.origin}/other/"))
    caller = await serve_requests(rule(fault_peer.uri))
    ended = await caller.done(from_(dicom_web(fault_peer.uri)))
    assert "redirects are not followed" in ended["message"]
    assert {each.target for each in fault_peer.asked} == {"/dicom-web/studies/1.2.3/"}


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_parts": 3}, "sent more than 3"),
        ({"max_bytes": 5000}, "sent more than 5000 bytes"),
        ({"total_seconds": 0.5}, "did not bring wado to its end in time"),
    ],
    ids=["parts", "bytes", "seconds"],
)
async def test_ends_an_endless_answer(serve_requests, fault_peer, limits, message):
    first = part(instance(1))
    fault_peer.answers(endless(b"".join(part(instance(number)) for number in range(2, 9)), RELATED, first))
    if "total_seconds" in limits:
        fault_peer.answers(slow(0.05, first))
    caller = await serve_requests(rule(fault_peer.uri), **limits)
    ended = await caller.done(from_(dicom_web(fault_peer.uri)))
    assert f"The peer pacs {message}" in ended["message"]


async def test_says_that_dimse_is_not_supported(serve_requests, orthanc):
    orthanc.add([instance()])
    caller = await serve_requests(rule(orthanc.uri))
    ended = await caller.done(
        from_({"interface": "DIMSE"}, to(orthanc), outputResources=[{"interface": "DIMSE"}])
    )
    assert ended["platform"]["status"] == "Healthy"
    assert ended["message"].split("\n") == [
        "Input 2: the interface DIMSE is not supported.",
        "Output 1: the interface DIMSE is not supported.",
    ]


async def test_ends_where_only_dimse_is_named(serve_requests):
    caller = await serve_requests()
    ended = await caller.done(from_({"interface": "DIMSE"}))
    assert ended["dicom"] == {"state": "Completed", "status": "Fail"}


async def test_waits_for_disk_space_and_goes_on(serve_requests, orthanc, monkeypatch):
    orthanc.add([instance()])
    waits = []

    async def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            monkeypatch.undo()
        await asyncio.sleep(0)

    caller = await serve_requests(rule(orthanc.uri), sleep=sleep, min_free_bytes=1)
    monkeypatch.setattr(type(caller.service.folders), "free_bytes", lambda self: 0)
    ended = await caller.done(from_(to(orthanc)))
    assert (ended["platform"]["status"], ended["message"], waits) == ("Healthy", "", [5.0] * 3)


async def test_leaves_nothing_on_disk(serve_requests, orthanc, tmp_path):
    orthanc.add([instance()])
    caller = await serve_requests(rule(orthanc.uri))
    for number, study in enumerate(("1.2.3", "1.2.99")):
        await caller.done(from_(to(orthanc), inputMetadata=studies(study), transactionID=f"T{number}"))
    assert list((tmp_path / "requests").iterdir()) == []


async def test_says_nothing_of_patients_and_credentials(serve_requests, orthanc, caplog, tmp_path):
    caplog.set_level("DEBUG")
    orthanc.add([instance(1, PatientID="SECRET-PATIENT", PatientName="Secret^Name")])
    caller = await serve_requests(rule(orthanc.uri))
    ended = await caller.done(
        from_(
            to(orthanc),
            dicom_web(orthanc.uri, authType="Bearer", authID="secret-token"),
            inputMetadata=details("DICOM_PATIENT_ID", PatientID="SECRET-PATIENT"),
        )
    )
    credential = to(orthanc)["connectionDetails"]["authID"]
    own = [each.getMessage() for each in caplog.records if each.name.startswith(("gateway", "dbos"))]
    for secret in (credential, "secret-token", "SECRET-PATIENT", "Secret^Name"):
        assert not any(secret in line for line in own), secret
        assert secret not in json.dumps(ended)
    for file in tmp_path.glob("*.db*"):
        for secret in (credential, "secret-token"):
            assert secret.encode() not in file.read_bytes(), file
    assert b"SECRET-PATIENT" not in (tmp_path / "dbos.db").read_bytes()
