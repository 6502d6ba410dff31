"""Results at real outputs, and what is said about those that fail (T20), read back and validated."""

import asyncio
import io
import json

import numpy as np
import pydicom
import pytest
from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from fhir.resources.R4B.observation import Observation

from gateway.apis.inference_requests.delivery import PAUSES_SECONDS
from gateway.errors import InferenceFailed, ModelUnavailable
from gateway.imaging.results import encoded
from tests.apis.inference_requests.conftest import algorithm, body, dicom_web, instance, rule, to
from tests.dicom_results import require_valid
from tests.peers.faults import document, slow, status


@pytest.fixture
def results(orthanc):
    """Read every result back from Orthanc, by what it is."""

    def read():
        found = [pydicom.dcmread(io.BytesIO(orthanc.file(uid))) for uid in orthanc.sop_instance_uids()]
        return sorted(
            (each for each in found if each.SOPInstanceUID.startswith("2.25.")),
            key=lambda each: each.Modality,
        )

    return read


async def test_puts_valid_results_into_the_study(serve_requests, orthanc, results, tmp_path):
    orthanc.add([instance(1, StudyID="S1")])
    caller = await serve_requests(rule(orthanc.uri))
    await caller.done(body(inputResources=[algorithm(), to(orthanc)], outputResources=[to(orthanc)]))
    document_, picture, report = results()
    assert [each.Modality for each in (document_, picture, report)] == ["DOC", "OT", "SR"]
    for each in (document_, picture, report):
        assert (each.StudyInstanceUID, each.PatientID, each.AccessionNumber) == ("1.2.3", "PAT001", "ACC-9")
        assert each.SOPInstanceUID.startswith("2.25.")
        require_valid(each, tmp_path)
    assert len({each.SeriesInstanceUID for each in (document_, picture, report)}) == 3
    assert document_.EncapsulatedDocument.startswith(b"%PDF")
    assert picture.SourceImageSequence[0].ReferencedSOPInstanceUID == "1.2.3.1.1"
    (evidence,) = report.CurrentRequestedProcedureEvidenceSequence
    referenced = evidence.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert orthanc.file(referenced)


async def test_sends_to_each_output(serve_requests, orthanc, fhirsnake, fault_peer):
    orthanc.add([instance(number) for number in range(1, 5)])
    stowed = []

    async def reply(request):
        stowed.append((await request.read()).count(b"Content-Type: application/dicom"))
        return await document({"00081199": {"vr": "SQ", "Value": []}})(request)

    fault_peer.answers(reply)
    caller = await serve_requests(
        rule(orthanc.uri), rule(fault_peer.uri, name="archive"), rule(fhirsnake.uri, name="record")
    )
    fhir = {"interface": "FHIR", "connectionDetails": {"uri": fhirsnake.uri}}
    outputs = [dicom_web(fault_peer.uri, authType="Bearer", authID="T"), fhir, to(orthanc)]
    ended = await caller.done(body(inputResources=[algorithm(), to(orthanc)], outputResources=outputs))
    assert (ended["platform"]["status"], ended["message"]) == ("Healthy", "")
    assert stowed == [10, 2]  # four instances, three results each
    assert {each.headers["Authorization"] for each in fault_peer.asked} == {"Bearer T"}
    assert len(orthanc.sop_instance_uids()) == 4 + 12
    for resource in fhirsnake.resources("Observation"):
        Observation.model_validate(resource)
    reports = [DiagnosticReport.model_validate(each) for each in fhirsnake.resources("DiagnosticReport")]
    assert len(reports) == 4
    assert len(fhirsnake.resources("Observation")) == 48


async def test_keeps_the_documents_with_the_job(serve_requests, orthanc):
    orthanc.add([instance()])
    caller = await serve_requests(rule(orthanc.uri))
    _, accepted = await caller.post(body(inputResources=[algorithm(), to(orthanc)]))
    await caller.ended("TX-1")
    found = await caller.service.status(accepted["jobId"], "")
    assert found.result["outputs"] == []
    assert [each["metadata"]["sop_instance_uid"] for each in found.result["results"]] == ["1.2.3.1.1"]


def told(*failed):
    """Account for a batch: these failed, the rest is not named."""
    items = [{"00081155": {"vr": "UI", "Value": [uid]}, "00081197": {"Value": [0x0110]}} for uid in failed]
    return {"00081198": {"vr": "SQ", "Value": items}}


@pytest.mark.parametrize(
    ("reply", "health", "sentence"),
    [
        (status(202), "Faulted", "answered 202"),
        (status(409), "Faulted", "answered 409"),
        (status(400), "Faulted", "answered 400"),
        (status(401), "Faulted", "answered 401"),
        (status(503), "Faulted", "answered 503"),
        (document({}), "Healthy", ""),
    ],
    ids=["202", "409", "400", "401", "503", "200"],
)
async def test_believes_what_an_output_answers(serve_requests, orthanc, fault_peer, reply, health, sentence):
    orthanc.add([instance()])
    fault_peer.answers(reply)
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)

    caller = await serve_requests(rule(orthanc.uri), rule(fault_peer.uri, name="archive"), sleep=sleep)
    source = [algorithm(), to(orthanc)]
    ended = await caller.done(body(inputResources=source, outputResources=[dicom_web(fault_peer.uri)]))
    assert ended["platform"]["status"] == health, ended
    assert ended["dicom"] == {"state": "Completed", "status": "Success"}
    assert sentence in ended["message"]
    if health == "Faulted":
        assert ended["message"].startswith("Output 1: 3 of 3 results were not stored: The peer ")
    waited = list(PAUSES_SECONDS) if "503" in sentence else []
    assert [each for each in pauses if each in PAUSES_SECONDS and each != 1.0] == waited[1:]


async def test_leaves_an_output_that_does_not_answer_in_time(serve_requests, orthanc, fault_peer):
    orthanc.add([instance()])
    fault_peer.answers(slow(60.0))
    caller = await serve_requests(
        rule(orthanc.uri), rule(fault_peer.uri, name="archive"), total_seconds=2.0, document_seconds=2.0
    )
    outputs = [dicom_web(fault_peer.uri), to(orthanc)]
    ended = await caller.done(body(inputResources=[algorithm(), to(orthanc)], outputResources=outputs))
    assert ended["platform"]["status"] == "Faulted"
    assert ended["message"].startswith("Output 1: 3 of 3 results were not stored: The peer archive ")
    assert len(orthanc.sop_instance_uids()) == 4


async def test_waits_for_disk_space_before_it_exports(serve_requests, orthanc, monkeypatch, triton):
    orthanc.add([instance()])
    waits, phases = [], []

    async def sleep(seconds):
        waits.append(seconds)
        phases.append((await caller.service.status("TX-1", "")).phase)
        if len(waits) == 3:
            monkeypatch.undo()
        await asyncio.sleep(0.6)  # longer than it takes until progress is written

    caller = await serve_requests(rule(orthanc.uri), sleep=sleep, min_free_bytes=1)
    answer = triton.answers["chest_xray"]

    def fill_the_disk(inputs, parameters):
        monkeypatch.setattr(type(caller.service.folders), "free_bytes", lambda self: 0)
        return answer(inputs, parameters)

    triton.answers["chest_xray"] = fill_the_disk
    ended = await caller.done(body(inputResources=[algorithm(), to(orthanc)], outputResources=[to(orthanc)]))
    assert (ended["platform"]["status"], ended["message"]) == ("Healthy", ""), ended
    assert (waits, phases[-1]) == ([5.0] * 3, "exporting")
    assert len(orthanc.sop_instance_uids()) == 4


async def test_says_that_it_waits_for_triton_and_goes_on(serve_requests, orthanc, triton):
    orthanc.add([instance()])
    answer, said = triton.answers["chest_xray"], []

    def away(inputs, parameters):
        if len(said) < 2:
            raise ModelUnavailable("chest_xray is not available")
        return answer(inputs, parameters)

    async def sleep(seconds):
        await asyncio.sleep(0.6)  # longer than it takes until progress is written
        said.append(await caller.status("TX-1"))

    triton.answers["chest_xray"] = away
    caller = await serve_requests(rule(orthanc.uri), sleep=sleep)
    ended = await caller.done(body(inputResources=[algorithm(), to(orthanc)]))
    assert (ended["platform"]["status"], ended["message"]) == ("Healthy", ""), ended
    for code, found in said:
        assert (code, found["message"]) == (200, "Waiting: chest_xray is not available.")
        assert (found["platform"]["state"], found["dicom"]["status"]) == ("Running", "Success")


async def test_serves_one_output_while_another_is_down(serve_requests, orthanc):
    orthanc.add([instance()])
    caller = await serve_requests(rule(orthanc.uri), rule("http://127.0.0.1:9/", name="down"))
    outputs = [dicom_web("http://127.0.0.1:9/"), to(orthanc)]
    ended = await caller.done(body(inputResources=[algorithm(), to(orthanc)], outputResources=outputs))
    assert ended["platform"]["status"] == "Faulted"
    assert ended["message"].startswith(
        "Output 1: 3 of 3 results were not stored: The peer down was not reached"
    )
    assert len(orthanc.sop_instance_uids()) == 4


@pytest.mark.parametrize(
    ("images", "failing", "health"),
    [(1, 1, "Healthy"), (1, 2, "Faulted"), (2, 3, "Healthy"), (2, 4, "Faulted")],
)
async def test_takes_half_for_enough_and_says_what_is_missing(
    serve_requests, orthanc, fault_peer, images, failing, health
):
    """Each image has three results."""
    orthanc.add([instance(number + 1) for number in range(images)])

    async def reply(request):
        data = await request.read()
        uids = sorted({each.decode() for each in _uids(data)})
        return await document(told(*uids[:failing]), code=200)(request)

    fault_peer.answers(reply)
    caller = await serve_requests(rule(orthanc.uri), rule(fault_peer.uri, name="archive"))
    ended = await caller.done(
        body(inputResources=[algorithm(), to(orthanc)], outputResources=[dicom_web(fault_peer.uri)])
    )
    assert ended["platform"]["status"] == health, ended
    missing = f"Output 1: {failing} of {3 * images} results were not stored: The peer answered"
    assert ended["message"].startswith(missing)


def _uids(data):
    for piece in data.split(b"DICM")[1:]:
        yield pydicom.dcmread(io.BytesIO(bytes(128) + b"DICM" + piece), force=True).SOPInstanceUID.encode()


async def test_refuses_an_output_that_no_rule_allows(serve_requests, orthanc, fault_peer):
    orthanc.add([instance()])
    fault_peer.answers(status(200))
    caller = await serve_requests(rule(orthanc.uri))
    ended = await caller.done(
        body(inputResources=[algorithm(), to(orthanc)], outputResources=[dicom_web(fault_peer.uri)])
    )
    assert ended["platform"]["status"] == "Faulted"
    assert "Refused by the peer rules" in ended["message"]
    assert "127.0.0.1" not in ended["message"]
    assert fault_peer.asked == []


async def test_exports_the_same_bytes_when_it_is_done_again(serve_requests, orthanc, results, triton):
    orthanc.add([instance()])
    caller = await serve_requests(rule(orthanc.uri), duplicates="allow")
    sent = body(inputResources=[algorithm(), to(orthanc)], outputResources=[to(orthanc)])
    await caller.done(sent)
    before = {each.SOPInstanceUID: encoded(each) for each in results()}
    _, second = await caller.post(sent)  # another job has results of its own
    await caller.ended(second["jobId"])
    after = {each.SOPInstanceUID: encoded(each) for each in results()}
    assert len(after) == 2 * len(before) == 6
    assert before.items() <= after.items()


async def test_skips_what_is_no_image_and_says_what_was_refused(serve_requests, orthanc, results):
    orthanc.add([instance(1), instance(2, pixels=np.zeros((8, 8), np.uint16), Modality="CT"), instance(3)])
    caller = await serve_requests(rule(orthanc.uri))
    sent = body(inputResources=[algorithm(), to(orthanc)], outputResources=[to(orthanc)])
    ended = await caller.done(sent)
    assert ended["platform"]["status"] == "Healthy", ended
    assert ended["message"].startswith("1 of 3 instances could not be assessed: ")
    assert len(results()) == 6
    # The results now lie in the study, and are fetched with it: none of them is assessed.
    again = await caller.done({**sent, "transactionID": "TX-2", "outputResources": []})
    assert again["message"].startswith("1 of 9 instances could not be assessed: ")


async def test_fails_where_no_instance_can_be_assessed(serve_requests, orthanc, results):
    orthanc.add([instance(1, Modality="CT")])
    caller = await serve_requests(rule(orthanc.uri))
    ended = await caller.done(body(inputResources=[algorithm(), to(orthanc)], outputResources=[to(orthanc)]))
    assert ended["platform"]["status"] == "Faulted"
    assert ended["dicom"]["status"] == "Success"
    assert ended["message"].startswith("None of 1 instances could be assessed: ")
    assert results() == []


async def test_tries_again_what_triton_answers_badly(serve_requests, orthanc, triton):
    orthanc.add([instance()])
    answer, failures = triton.answers["chest_xray"], [InferenceFailed("chest_xray failed")] * 2

    def sometimes(inputs, parameters):
        if failures:
            raise failures.pop()
        return answer(inputs, parameters)

    triton.answers["chest_xray"] = sometimes
    caller = await serve_requests(rule(orthanc.uri))
    ended = await caller.done(body(inputResources=[algorithm(), to(orthanc)]))
    assert ended["platform"]["status"] == "Healthy", ended
    assert json.dumps(ended).count("failed") == 0
