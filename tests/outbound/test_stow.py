"""Storing at a real Orthanc, and at a peer that answers what Orthanc never does."""

import email
import io
import json

import numpy as np
import pydicom
import pytest

from gateway.errors import PeerRefused
from gateway.imaging.errors import ImageError
from gateway.outbound import stow
from gateway.outbound.connection import Connection
from gateway.outbound.dicomweb import DicomWeb
from tests.dicom_files import EXPLICIT, chest_header, written
from tests.outbound.conftest import instance, rule
from tests.peers import faults
from tests.peers.orthanc import AUTH_ID

ONE, TWO, THREE = "1.2.3.1.1", "1.2.3.1.2", "1.2.3.1.3"


@pytest.fixture
def pacs(make_outbound, orthanc, to_orthanc):
    return DicomWeb(make_outbound(rule(orthanc.uri)), to_orthanc)


@pytest.fixture
def faulty(make_outbound, fault_peer):
    return DicomWeb(make_outbound(rule(fault_peer.uri)), Connection(fault_peer.uri))


def account(*, failed=(), referenced=()):
    return {
        stow.FAILED_SOP_SEQUENCE: {
            "vr": "SQ",
            "Value": [
                {
                    stow.REFERENCED_SOP_INSTANCE_UID: {"vr": "UI", "Value": [uid]},
                    stow.FAILURE_REASON: {"vr": "US", "Value": [reason]},
                }
                for uid, reason in failed
            ],
        },
        stow.REFERENCED_SOP_SEQUENCE: {
            "vr": "SQ",
            "Value": [{stow.REFERENCED_SOP_INSTANCE_UID: {"vr": "UI", "Value": [uid]}} for uid in referenced],
        },
    }


async def test_what_is_stored_is_what_was_sent(orthanc, pacs, tmp_path):
    on_disk = tmp_path / "result.dcm"
    on_disk.write_bytes(instance(1))
    outcome = await pacs.store([on_disk, instance(2)])
    assert [each.sop_instance_uid for each in outcome.stored] == [ONE, TWO]
    assert outcome.failed == ()
    assert sorted(orthanc.sop_instance_uids()) == [ONE, TWO]
    sent, kept = pydicom.dcmread(on_disk), pydicom.dcmread(io.BytesIO(orthanc.file(ONE)))
    assert np.array_equal(sent.pixel_array, kept.pixel_array)
    assert sent.to_json() == kept.to_json()


async def test_a_repetition_changes_nothing(orthanc, pacs):
    for _ in range(3):
        assert len((await pacs.store([instance(1), instance(2)])).stored) == 2
    assert len(orthanc.sop_instance_uids()) == 2


async def test_many_are_sent_ten_at_a_time(orthanc, pacs):
    outcome = await pacs.store([instance(number) for number in range(1, 26)])
    assert len(outcome.stored) == 25
    assert len(orthanc.sop_instance_uids()) == 25


async def test_what_has_no_pixels_is_stored(orthanc, pacs):
    report = chest_header(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33", SOPInstanceUID="1.2.3.9", Modality="SR"
    )
    assert (await pacs.store([written(report, EXPLICIT)])).stored[0].sop_instance_uid == "1.2.3.9"
    assert orthanc.sop_instance_uids() == ["1.2.3.9"]


async def test_a_wrong_credential_is_each_instances_fault(orthanc, make_outbound, slept):
    pacs = DicomWeb(make_outbound(rule(orthanc.uri)), Connection(orthanc.uri, "Basic", "d3Jvbmc6d3Jvbmc="))
    (failed,) = (await pacs.store([instance(1)])).failed
    assert (failed.answered, failed.retry, slept) == (401, False, [])
    assert "401" in failed.fault
    assert orthanc.sop_instance_uids() == []


async def test_what_orthanc_cannot_take_is_told(orthanc, pacs):
    # It answers 400 for the one that belongs to no study, and has stored the other.
    outcome = await pacs.store([instance(1), instance(2, StudyInstanceUID=None)])
    assert orthanc.sop_instance_uids() == [ONE]
    assert [each.sop_instance_uid for each in outcome.stored] == [ONE]
    (failed,) = outcome.failed
    assert (failed.sop_instance_uid, failed.reason, failed.answered) == (TWO, 0xC000, 400)


async def test_what_is_no_dicom_is_not_sent(fault_peer, faulty, tmp_path):
    fault_peer.answers(faults.status(200))
    (tmp_path / "x").write_bytes(b"%PDF-1.7")
    for wrong in (tmp_path / "x", b"", instance(1, SOPInstanceUID=None)):
        with pytest.raises(ImageError):
            await faulty.store([wrong])
    assert fault_peer.asked == []


async def test_sends_proper_multipart(fault_peer, make_outbound, tmp_path):
    fault_peer.answers(faults.document({}))
    file = tmp_path / "patient-name.dcm"
    file.write_bytes(instance(1))
    pacs = DicomWeb(make_outbound(rule(fault_peer.uri)), Connection(fault_peer.uri, "Basic", AUTH_ID))
    await pacs.store([file, instance(2)])
    (asked,) = fault_peer.asked
    assert (asked.method, asked.target) == ("POST", "/dicom-web/studies/")
    assert asked.headers["Accept"] == "application/dicom+json"
    assert asked.headers["Authorization"] == f"Basic {AUTH_ID}"
    assert asked.headers["Content-Length"] == str(len(asked.body))
    head = f"Content-Type: {asked.headers['Content-Type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + asked.body)
    assert (message.get_content_type(), message.get_param("type")) == (
        "multipart/related",
        "application/dicom",
    )
    assert [part.get_content_type() for part in message.get_payload()] == ["application/dicom"] * 2
    assert b"patient-name" not in asked.body
    assert instance(1) in asked.body
    assert instance(2) in asked.body


async def test_a_batch_is_of_ten_or_of_some_bytes(fault_peer, faulty, monkeypatch):
    fault_peer.answers(faults.document({}))
    await faulty.store([instance(number) for number in range(25)])
    assert [asked.body.count(b"DICM") for asked in fault_peer.asked] == [10, 10, 5]
    monkeypatch.setattr(stow, "BATCH_BYTES", 3 * len(instance(1)))
    fault_peer.answers(faults.document({}))
    await faulty.store([instance(number) for number in range(1, 8)])
    assert [asked.body.count(b"DICM") for asked in fault_peer.asked] == [3, 3, 1]


@pytest.mark.parametrize(
    ("reply", "stored"),
    [
        (faults.document(account(referenced=[ONE, TWO])), [ONE, TWO]),
        (faults.document([account(referenced=[ONE, TWO])]), [ONE, TWO]),  # an array of one, as some send it
        (faults.status(200), [ONE, TWO]),
        (faults.text("<NativeDicomModel/>", "application/dicom+xml"), [ONE, TWO]),
        (faults.document(account(referenced=[ONE], failed=[(TWO, 0x0110)])), [ONE]),  # 200 all the same
        (faults.document(account(failed=[(TWO, 0x0110)])), [ONE]),
        (faults.document(account(referenced=[ONE], failed=[(TWO, 0xC000)]), code=202), [ONE]),
        (faults.document(account(referenced=[TWO]), code=202), [TWO]),
        (faults.document(account(failed=[(ONE, 0xA900), (TWO, 0xA900)]), code=409), []),
        (faults.document(account(referenced=[ONE], failed=[("", 0xC122)]), code=400), [ONE]),
        (faults.status(202), []),
        (faults.status(409), []),
        (faults.text("<html/>", "text/html", code=400), []),
        (faults.document({stow.FAILED_SOP_SEQUENCE: {"Value": [None, 7, {}]}}, code=202), []),
        (faults.document({stow.REFERENCED_SOP_SEQUENCE: {"Value": "x"}}, code=202), []),
        (faults.document("what", code=202), []),
    ],
)  # fmt: skip
async def test_the_account_of_each_instance_is_read(fault_peer, faulty, reply, stored):
    fault_peer.answers(reply)
    outcome = await faulty.store([instance(1), instance(2)])
    assert [each.sop_instance_uid for each in outcome.stored] == stored
    assert [each.sop_instance_uid for each in outcome.failed] == [
        uid for uid in (ONE, TWO) if uid not in stored
    ]
    assert all(each.fault and not each.retry for each in outcome.failed)


@pytest.mark.parametrize(
    ("reason", "told", "retry"),
    [
        (0xA700, 0xA700, True),
        (0x0122, 0x0122, False),
        ("272", 272, False),
        ("x", None, False),
        (-1, None, False),
    ],
)
async def test_the_reason_is_told(fault_peer, faulty, reason, told, retry):
    fault_peer.answers(faults.document(account(failed=[(ONE, reason)]), code=409))
    (failed,) = (await faulty.store([instance(1)])).failed
    assert (failed.reason, failed.answered, failed.retry) == (told, 409, retry)


async def test_a_peer_that_comes_back_has_everything(fault_peer, faulty, slept, tmp_path):
    file = tmp_path / "x.dcm"
    file.write_bytes(instance(1))
    fault_peer.answers(faults.status(503), faults.status(429), faults.document({}))
    outcome = await faulty.store([file, instance(2)])
    assert len(outcome.stored) == 2
    assert slept == [0.25, 0.5]
    assert len({asked.body.count(b"DICM") for asked in fault_peer.asked}) == 1
    assert instance(1) in fault_peer.asked[-1].body


async def test_one_batch_that_is_refused_hinders_no_other(fault_peer, faulty):
    fault_peer.answers(faults.document({}), faults.status(413), faults.document({}))
    outcome = await faulty.store([instance(number) for number in range(25)])
    assert (len(outcome.stored), len(outcome.failed)) == (15, 10)
    assert {(each.answered, each.retry) for each in outcome.failed} == {(413, False)}


async def test_a_peer_that_is_gone_is_not_asked_for_each_batch(fault_peer, faulty):
    fault_peer.answers(faults.document({}), faults.status(503))
    outcome = await faulty.store([instance(number) for number in range(45)])
    assert (len(outcome.stored), len(outcome.failed)) == (10, 35)
    assert all(each.retry for each in outcome.failed)
    assert len(fault_peer.asked) == 1 + 4


async def test_an_account_without_a_media_type_is_read(fault_peer, faulty):
    body = json.dumps(account(referenced=[ONE], failed=[(TWO, 0xC000)]))
    fault_peer.answers(faults.text(body, "", code=400))
    assert len((await faulty.store([instance(1), instance(2)])).stored) == 1


@pytest.mark.parametrize(
    "reply", [faults.text("{", "application/dicom+json"), faults.endless(b" " * 65536, "application/json")]
)
async def test_an_account_that_cannot_be_read_counts_as_failed(fault_peer, make_outbound, reply):
    fault_peer.answers(reply)
    outbound = make_outbound(rule(fault_peer.uri), max_document_bytes=10**6)
    outcome = await DicomWeb(outbound, Connection(fault_peer.uri)).store([instance(1)])
    assert len(outcome.failed) == 1


async def test_a_name_that_leads_elsewhere_ends_it(fault_peer, make_outbound, monkeypatch):
    monkeypatch.setattr("gateway.outbound.peers.Peer._literal_is_open", lambda _: True)
    outbound = make_outbound(rule(fault_peer.uri, networks=["10.0.0.0/8"]))
    with pytest.raises(PeerRefused):
        await DicomWeb(outbound, Connection(fault_peer.uri)).store([instance(1)])


async def test_nothing_to_store_is_nothing_to_ask(fault_peer, faulty):
    fault_peer.answers(faults.status(200))
    assert (await faulty.store([])).instances == ()
    assert fault_peer.asked == []
