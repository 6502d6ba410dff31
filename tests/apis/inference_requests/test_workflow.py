"""Requests that are interrupted, cancelled, in a queue (T10, T11, T21, T24, T27)."""

import asyncio
import dataclasses
import uuid
from datetime import datetime

import pytest
from sqlalchemy import select

from gateway.accounts.vault import Unreadable, Vault
from gateway.apis.inference_requests.asked import Asked, algorithm_of, job_name
from gateway.storage.tables import job_steps, jobs
from gateway.triton.admission import BULK, INTERACTIVE, Admissions
from tests.apis.inference_requests.conftest import algorithm, body, details, instance, rule, to


async def until(condition, seconds=120.0):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.fixture
def slow_triton(triton):
    """Make the first assessments wait for an event."""
    answer, go, seen = triton.answers["chest_xray"], asyncio.Event(), []

    async def wait(inputs, parameters):
        seen.append(inputs)
        if len(seen) > 1:  # the first one passes
            await go.wait()
        return answer(inputs, parameters)

    triton.answers["chest_xray"] = wait
    return go, seen


async def test_goes_on_after_a_restart_and_exports_once(serve_requests, orthanc, slow_triton):
    go, seen = slow_triton
    orthanc.add([instance(number) for number in (1, 2, 3)])
    caller = await serve_requests(rule(orthanc.uri))
    sent = body(inputResources=[algorithm(), to(orthanc)], outputResources=[to(orthanc)])
    await caller.post(sent)
    await until(lambda: len(seen) == 3)
    go.set()
    caller = await serve_requests(rule(orthanc.uri))  # stops the first engine in the middle of the job
    ended = await caller.ended("TX-1")
    assert ended["platform"]["status"] == "Healthy", ended
    uids = orthanc.sop_instance_uids()
    assert len(uids) == len(set(uids)) == 3 + 9
    assert len(seen) <= 6


async def test_keeps_its_end_across_a_restart(serve_requests, orthanc):
    orthanc.add([instance()])
    caller = await serve_requests(rule(orthanc.uri))
    good = await caller.done(body(inputResources=[algorithm(), to(orthanc)]))
    bad = await caller.done(body(transactionID="TX-2"))
    caller = await serve_requests()
    assert (await caller.status("TX-1"))[1] == good
    assert (await caller.status("TX-2"))[1] == bad
    assert (good["dicom"]["status"], bad["dicom"]["status"]) == ("Success", "Fail")


async def test_does_it_all_again_where_its_folder_is_lost(serve_requests, orthanc, slow_triton, tmp_path):
    import shutil

    go, seen = slow_triton
    orthanc.add([instance(number) for number in (1, 2, 3)])
    caller = await serve_requests(rule(orthanc.uri))
    sent = body(inputResources=[algorithm(), to(orthanc)], outputResources=[to(orthanc)])
    await caller.post(sent)
    await until(lambda: len(seen) == 3)
    go.set()
    await caller.service.engine.close()
    shutil.rmtree(tmp_path / "requests")
    orthanc_before = set(orthanc.sop_instance_uids())
    caller = await serve_requests(rule(orthanc.uri))
    ended = await caller.ended("TX-1")
    assert ended["platform"]["status"] == "Healthy", ended
    assert len(set(orthanc.sop_instance_uids()) - orthanc_before) == 9


async def test_cancels_a_running_request(serve_requests, orthanc, slow_triton):
    go, seen = slow_triton
    orthanc.add([instance(number) for number in range(1, 6)])
    caller = await serve_requests(rule(orthanc.uri))
    sent = body(inputResources=[algorithm(), to(orthanc)], outputResources=[to(orthanc)])
    await caller.post(sent)
    await until(lambda: len(seen) >= 2)
    status = await caller.service.status("TX-1", "")
    await caller.service.engine.cancel(status.id, account=None)
    go.set()
    ended = await caller.ended("TX-1")
    assert (ended["platform"]["status"], ended["platform"]["state"]) == ("Canceled", "Stopped")
    assert len(orthanc.sop_instance_uids()) == 5
    assert caller.service.folders.job_ids() == []


async def test_lets_an_immediate_request_overtake(serve_requests, orthanc, slow_triton):
    go, seen = slow_triton
    orthanc.add([instance(1), instance(2)])
    caller = await serve_requests(rule(orthanc.uri), jobs=1)
    resources = [algorithm(), to(orthanc)]
    await caller.post(body(inputResources=resources))
    await until(lambda: len(seen) == 2)  # the only place of the queue is taken
    for number, priority in enumerate((0, 254, 128)):
        await caller.post(
            body(inputResources=[algorithm(), to(orthanc)], transactionID=f"W{number}", priority=priority)
        )
    await caller.post(body(transactionID="NOW", priority=255))  # without an allowed source: fails at once
    now = await caller.ended("NOW")
    assert now["platform"]["priority"] == "Immediate"
    assert {(await caller.status(f"W{n}"))[1]["platform"]["state"] for n in range(3)} == {"Pending"}
    go.set()
    ended = [await caller.ended(f"W{number}") for number in range(3)]
    started = [each["platform"]["started"] for each in ended]
    assert started[1] < started[2] < started[0]


async def test_takes_turns_at_the_model_with_the_other_apis(serve_requests, orthanc, triton):
    """One place: a caller of another API goes before what was asked for earlier, 255 beside callers."""
    orthanc.add([instance(1)])
    admissions, order = Admissions(), []
    theirs = admissions.of("chest_xray", in_flight=1)
    answer = triton.answers["chest_xray"]

    def note(inputs, parameters):
        order.append(triton.calls[-1].request_id)
        return answer(inputs, parameters)

    triton.answers["chest_xray"] = note
    caller = await serve_requests(rule(orthanc.uri), admissions=admissions)

    async def take_a_turn(name, **turn):
        async with theirs.turn(**turn):
            order.append(name)

    jobs, resources = {}, [algorithm(), to(orthanc)]
    async with theirs.turn():
        for number, priority in enumerate((0, 200, 255)):
            sent = body(inputResources=resources, transactionID=f"P{priority}", priority=priority)
            jobs[(await caller.post(sent))[1]["jobId"]] = f"P{priority}"
            await until(lambda number=number: len(theirs._waiting) == number + 1)
        others = [
            asyncio.create_task(take_a_turn("bulk", priority=BULK)),
            asyncio.create_task(take_a_turn("caller")),
        ]
        await asyncio.sleep(0)
    await asyncio.gather(*others, *(caller.ended(job) for job in jobs))
    known = {str(uuid.UUID(job)): name for job, name in jobs.items()}
    assert [known.get(each, each) for each in order] == ["P255", "caller", "P200", "bulk", "P0"]


async def test_erases_credentials_at_the_end_and_keeps_none_in_clear(serve_requests, orthanc):
    orthanc.add([instance()])
    caller = await serve_requests(rule(orthanc.uri))
    await caller.done(body(inputResources=[algorithm(), to(orthanc)], outputResources=[to(orthanc)]))
    credential = to(orthanc)["connectionDetails"]["authID"]
    async with caller.service.database.read() as connection:
        (row,) = (await connection.execute(select(jobs))).all()
        steps = (await connection.execute(select(job_steps))).all()
    assert row.secret is None
    for text in (str(row), str(steps)):
        assert credential not in text
        assert orthanc.uri not in text


async def test_fails_where_the_secret_has_changed(serve_requests, orthanc, monkeypatch):
    caller = await serve_requests(rule(orthanc.uri))
    monkeypatch.setattr(Vault, "open", lambda *_, **__: (_ for _ in ()).throw(Unreadable("cannot be read")))
    ended = await caller.done(body())
    assert (ended["platform"]["status"], ended["message"]) == ("Faulted", "cannot be read")


def test_a_vault_opens_for_its_own_job_only():
    vault, other = Vault("x" * 32), Vault("y" * 32)
    sealed = vault.seal({"a": [1]}, job_id="1")
    assert vault.open(sealed, job_id="1") == {"a": [1]}
    assert sealed != vault.seal({"a": [1]}, job_id="1")
    for wrong, job, data in (
        (vault, "2", sealed), (other, "1", sealed), (vault, "1", sealed[:-1]), (vault, "1", b""),
        (vault, "1", None),
    ):  # fmt: skip
        with pytest.raises(Unreadable):
            wrong.open(data, job_id=job)
    assert vault.fingerprint([1]) == vault.fingerprint([1]) != other.fingerprint([1])


def _asked(transaction, name):
    return Asked(transaction, 1, "m", "", name, (), (), (), (), ())


AT = datetime(2026, 3, 1, 10, 0, 5)


@pytest.mark.parametrize(
    ("transaction", "name", "expected"),
    [
        ("TX-1", "Liver Seg", "tx-1-liver-seg-20260301100005"),
        ("TX-1", "", "tx-1-20260301100005"),
        ("--A", "Z", "a-z-20260301100005"),
        *(("A" + c + "Z", "n", "a-z-n-20260301100005") for c in "_~!@#$%^&*()=+[]\\|:;\"',<.>/?`"),
        ("x" * 80, "n", "x" * 63),
        ("x" * 62 + "-y", "n", "x" * 62),
        ("Ä", "ö", "20260301100005"),
    ],
)
def test_names_a_job_for_people(transaction, name, expected):
    assert job_name(_asked(transaction, name), AT) == expected


@pytest.mark.parametrize(
    ("priority", "place"), [(0, 428), (127, 301), (128, BULK), (129, 299), (254, 174), (255, INTERACTIVE)]
)
def test_stands_at_a_model_by_its_priority(priority, place):
    asked = _asked("TX", "n")
    assert dataclasses.replace(asked, priority=priority).inference_priority == place


@pytest.mark.parametrize(
    ("id", "expected"),
    [
        ("vhs", ("vhs", "")),
        ("vhs:3", ("vhs", "3")),
        ("vhs:", None),
        ("a b", None),
        ("../x", None),
        ("a/b", None),
        ("", None),
        (None, None),
        ("x" * 129, None),
        ("vhs:-1", None),
    ],
)
def test_reads_a_model_and_its_version(id, expected):
    assert algorithm_of(id) == expected


async def test_reads_fhir_resources_beside_images(serve_requests, orthanc, fhirsnake):
    orthanc.add([instance(1, PatientID="P-7")])
    caller = await serve_requests(rule(orthanc.uri), rule(fhirsnake.uri, name="record"))
    metadata = {
        "inputs": [
            {"type": "FHIR_RESOURCE", "resources": [{"resourceType": "Patient", "id": "p1"}]},
            {"type": "DICOM_UID", "studies": [{"StudyInstanceUID": "1.2.3"}]},
        ],
        **details("ACCESSION_NUMBER", accessionNumber=["ACC-9"]),
    }
    record = {"interface": "FHIR", "connectionDetails": {"uri": fhirsnake.uri}}
    ended = await caller.done(
        body(
            inputResources=[algorithm(), to(orthanc), record, {"interface": "DIMSE"}], inputMetadata=metadata
        )
    )
    assert ended["platform"]["status"] == "Healthy", ended
    assert ended["message"] == "Input 4: the interface DIMSE is not supported."


async def test_says_that_resources_alone_are_no_image(serve_requests, fhirsnake):
    caller = await serve_requests(rule(fhirsnake.uri))
    metadata = details("FHIR_RESOURCE", resources=[{"resourceType": "Patient", "id": "p1"}])
    record = {"interface": "FHIR", "connectionDetails": {"uri": fhirsnake.uri}}
    ended = await caller.done(body(inputResources=[algorithm(), record], inputMetadata=metadata))
    assert ended["dicom"] == {"state": "Completed", "status": "Success"}
    assert ended["platform"]["status"] == "Faulted"
    assert ended["message"] == "No image was retrieved, and the algorithm takes images."
