"""Search and retrieval at a peer that does what real ones do not do on demand."""

import asyncio
import json

import numpy as np
import pytest
from prometheus_client import REGISTRY

from gateway.errors import PeerFailed, PeerUnavailable
from gateway.outbound import qido
from gateway.outbound.connection import Connection
from gateway.outbound.dicomweb import DicomWeb
from tests.dicom_files import deflate_bomb, dicom_file, huge_header, many_elements, nested_sequences
from tests.outbound.conftest import instance, rule
from tests.peers import faults

ONE, TWO, THREE = (instance(number) for number in (1, 2, 3))


@pytest.fixture
def pacs(make_outbound, fault_peer):
    return DicomWeb(make_outbound(rule(fault_peer.uri)), Connection(fault_peer.uri))


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "received"
    made.mkdir()
    return made


def study(uid, patient_id="PAT001", accession="ACC-9"):
    found = {qido.STUDY_INSTANCE_UID: uid, qido.PATIENT_ID: patient_id, qido.ACCESSION_NUMBER: accession}
    return {tag: {"vr": "LO", "Value": [value]} for tag, value in found.items()}


async def fetched(pacs, folder, *uids):
    return [part async for part in pacs.retrieve(*(uids or ("1.2.3",)), folder=folder)]


def left(folder):
    return sorted(path.name[:5] for path in folder.iterdir())


# search


async def test_asks_as_the_clara_adapter_did_but_escaped(fault_peer, pacs):
    fault_peer.answers(faults.document([study("1.2.3", "A&B#C D%")]))
    assert await pacs.studies_of_patient("A&B#C D%") == ["1.2.3"]
    asked = fault_peer.asked[0]
    assert asked.target == "/dicom-web/studies/?00100020=A%26B%23C%20D%25&limit=200"
    assert asked.headers["Accept"] == "application/dicom+json"
    assert "Authorization" not in asked.headers


@pytest.mark.parametrize("reply", [faults.status(204), faults.status(200), faults.document([])])
async def test_no_match_is_no_fault(fault_peer, pacs, reply):
    fault_peer.answers(reply)
    assert await pacs.studies_of_accession("ACC-9") == []


@pytest.mark.parametrize(
    "reply",
    [
        faults.text("<html>Log in</html>", "text/html"),
        faults.text("<NativeDicomModel/>", "application/dicom+xml"),
        faults.text("[{", "application/dicom+json"),
        faults.text("[" * 100_000, "application/dicom+json"),
        faults.text("9" * 100_000, "application/dicom+json"),
        faults.text(b"\xff\xfe[", "application/dicom+json"),
        faults.document({"error": "none"}),
    ],
)
async def test_what_is_no_list_of_studies_fails_at_once(fault_peer, pacs, slept, reply):
    fault_peer.answers(reply)
    with pytest.raises(PeerFailed):
        await pacs.studies_of_patient("PAT001")
    assert slept == []


@pytest.mark.parametrize(
    "item", [None, 7, "x", {}, {"0020000D": None}, {"0020000D": {"Value": None}}, {"0020000D": {"vr": "UI"}}]
)
async def test_a_result_without_a_study_uid_is_left_out(fault_peer, pacs, item):
    fault_peer.answers(faults.document([item, study("1.2.3")]))
    assert await pacs.studies_of_patient("PAT001") == ["1.2.3"]


async def test_studies_of_other_patients_are_left_out(fault_peer, pacs, caplog):
    # As from a peer that knows no such query, and gives everything.
    fault_peer.answers(
        faults.document([study("1.1", "PAT002"), study("1.2", "PAT001 "), study("1.3", "PAT003")])
    )
    assert await pacs.studies_of_patient("PAT001") == ["1.2"]
    assert "2 studies that were not asked for" in caplog.text
    assert "PAT00" not in caplog.text


async def test_the_next_page_is_asked_for_when_the_peer_says_so(fault_peer, pacs):
    more = {"Warning": "299 pacs: There are 1 additional results that can be requested"}
    fault_peer.answers(faults.document([study("1.1"), study("1.2")], **more), faults.document([study("1.3")]))
    assert await pacs.studies_of_patient("PAT001") == ["1.1", "1.2", "1.3"]
    assert fault_peer.asked[1].target.endswith("&limit=200&offset=2")


async def test_a_peer_that_knows_no_pages_is_asked_twice(fault_peer, pacs):
    fault_peer.answers(faults.document([study(f"1.{number}") for number in range(500)]))
    assert len(await pacs.studies_of_patient("PAT001")) == 500
    assert len(fault_peer.asked) == 2


async def test_a_peer_that_finds_ever_more_is_left(fault_peer, pacs):
    pages = (faults.document([study(f"{page}.{n}") for n in range(200)]) for page in range(1, 20))
    fault_peer.answers(*pages)
    with pytest.raises(PeerFailed, match="more studies"):
        await pacs.studies_of_patient("PAT001")


async def test_a_search_is_tried_again(fault_peer, pacs, slept):
    fault_peer.answers(
        faults.status(503),
        faults.broken_off(b"[", "application/dicom+json"),
        faults.document([study("1.2.3")]),
    )
    assert await pacs.studies_of_patient("PAT001") == ["1.2.3"]
    assert slept == [0.25, 0.5]


async def test_an_endless_list_is_cut(fault_peer, make_outbound):
    fault_peer.answers(faults.endless(b" " * 65536, "application/dicom+json", b"["))
    pacs = DicomWeb(make_outbound(rule(fault_peer.uri), max_document_bytes=10**6), Connection(fault_peer.uri))
    with pytest.raises(PeerFailed, match="more than 1000000 bytes"):
        await pacs.studies_of_patient("PAT001")


# retrieval


@pytest.mark.parametrize(
    ("uids", "path"),
    [
        (("1.2.3",), "studies/1.2.3/"),
        (("1.2.3", "1.2.3.1"), "studies/1.2.3/series/1.2.3.1/"),
        (("1.2.3", "1.2.3.1", "1.2.3.1.1"), "studies/1.2.3/series/1.2.3.1/instances/1.2.3.1.1/"),
    ],
)
async def test_retrieves_as_the_clara_adapter_did(fault_peer, pacs, folder, uids, path):
    fault_peer.answers(faults.multipart(faults.part(ONE)))
    (part,) = await fetched(pacs, folder, *uids)
    assert part.path.read_bytes() == ONE
    assert fault_peer.asked[0].target == f"/dicom-web/{path}"
    assert fault_peer.asked[0].headers["Accept"] == 'multipart/related; type="application/dicom"'


async def test_transfer_syntaxes_are_asked_for_in_order(fault_peer, make_outbound, folder):
    fault_peer.answers(faults.multipart(faults.part(ONE)))
    peer = rule(fault_peer.uri, transfer_syntaxes=("1.2.840.10008.1.2.4.80", "*"))
    await fetched(DicomWeb(make_outbound(peer), Connection(fault_peer.uri)), folder)
    plain = 'multipart/related; type="application/dicom"; transfer-syntax='
    assert fault_peer.asked[0].headers["Accept"] == f"{plain}1.2.840.10008.1.2.4.80, {plain}*"


@pytest.mark.parametrize("length", [None, len(ONE)])
async def test_parts_may_say_their_length(fault_peer, pacs, folder, length):
    fault_peer.answers(faults.multipart(b"a preamble\r\n", faults.part(ONE, length=length), faults.part(TWO)))
    assert [part.path.read_bytes() for part in await fetched(pacs, folder)] == [ONE, TWO]


@pytest.mark.parametrize("size", [1, 2, 7, 61])
async def test_the_pieces_that_an_answer_comes_in_do_not_matter(fault_peer, pacs, folder, size):
    body = faults.part(ONE) + faults.part(TWO) + f"--{faults.BOUNDARY}--".encode()
    fault_peer.answers(faults.dribbled(body, size))
    assert [part.path.read_bytes() for part in await fetched(pacs, folder)] == [ONE, TWO]


async def test_a_cancelled_retrieval_leaves_nothing_half_written(fault_peer, pacs, folder):
    fault_peer.answers(faults.endless(bytes(2**16), faults.RELATED, faults.part(ONE)[:-2]))
    task = asyncio.create_task(fetched(pacs, folder))
    while not left(folder):
        await asyncio.sleep(0.01)
    assert left(folder) == [".part"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left(folder) == []


async def test_what_is_received_is_counted_by_peer_and_operation(fault_peer, pacs, folder):
    def counted():
        labels = {"peer": "pacs", "operation": "wado"}
        timed = {**labels, "outcome": "answered"}
        return (
            REGISTRY.get_sample_value("radgate_outbound_bytes_total", labels) or 0,
            REGISTRY.get_sample_value("radgate_outbound_seconds_count", timed) or 0,
        )

    bytes_before, count_before = counted()
    fault_peer.answers(faults.multipart(faults.part(ONE)))
    await fetched(pacs, folder)
    bytes_after, count_after = counted()
    assert bytes_after - bytes_before > len(ONE)
    assert count_after - count_before == 1


async def test_a_file_that_holds_the_boundary_is_kept_whole(fault_peer, pacs, folder):
    pixels = np.frombuffer(f"\r\n--{faults.BOUNDARY[:-1]}X\r\n".encode() * 64, np.uint8)[: 32 * 32].reshape(
        32, 32
    )
    file = instance(1, pixels=pixels)
    fault_peer.answers(faults.multipart(faults.part(file)))
    (part,) = await fetched(pacs, folder)
    assert part.path.read_bytes() == file


@pytest.mark.parametrize(
    "cut",
    [
        faults.multipart(faults.part(ONE), faults.part(TWO), end=b""),
        faults.multipart(faults.part(ONE), faults.part(TWO)[:-400], end=b""),
        faults.multipart(faults.part(ONE), faults.part(TWO, length=10**6)[:-400], end=b""),
        faults.multipart(faults.part(ONE), faults.part(TWO)[:30], end=b""),
        faults.broken_off(faults.part(ONE) + faults.part(TWO)[:-400]),
        faults.broken_off(faults.part(ONE) + faults.part(TWO)),
    ],
)
async def test_a_truncated_answer_is_asked_for_again_and_nothing_is_given_twice(
    fault_peer, pacs, folder, slept, cut
):
    whole = faults.multipart(faults.part(ONE), faults.part(TWO), faults.part(THREE))
    fault_peer.answers(cut, faults.status(503), whole)
    uids = [part.sop_instance_uid for part in await fetched(pacs, folder)]
    assert uids == ["1.2.3.1.1", "1.2.3.1.2", "1.2.3.1.3"]
    assert slept == [0.25, 0.5]
    assert len(left(folder)) == 3


async def test_what_came_before_the_end_of_patience_stays(fault_peer, pacs, folder):
    fault_peer.answers(faults.multipart(faults.part(ONE), faults.part(TWO)[:-400], end=b""))
    received = []
    with pytest.raises(PeerUnavailable, match="early"):
        async for part in pacs.retrieve("1.2.3", folder=folder):
            received.append(part)
    assert [part.path.read_bytes() for part in received] == [ONE]
    assert [path.read_bytes() for path in folder.iterdir()] == [ONE]
    assert len(fault_peer.asked) == 4


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (faults.text("<html/>", "text/html"), "multipart/related"),
        (faults.text(ONE, "application/dicom"), "multipart/related"),
        (faults.text(b"--x--", "multipart/related; type=application/dicom"), "malformed|early"),
        (
            faults.text(b"", f'multipart/related; type="image/jpeg"; boundary={faults.BOUNDARY}'),
            "multipart/related",
        ),
        (faults.text(b"", f"multipart/form-data; boundary={faults.BOUNDARY}"), "multipart/related"),
        (faults.text(b"", ""), "multipart/related"),
        (faults.text(b"", f"multipart/related; boundary={'x' * 100}"), "malformed|early"),
        (faults.status(302, Location="/dicom-web/studies/9.9/"), "redirects"),
        (faults.status(401), "401"),
        (faults.multipart(faults.part(b"", "multipart/related; boundary=b")), "within another"),
    ],
)
async def test_what_is_no_multipart_answer_fails(fault_peer, pacs, folder, reply, message):
    fault_peer.answers(reply)
    with pytest.raises((PeerFailed, PeerUnavailable), match=message):
        await fetched(pacs, folder)
    assert left(folder) == []


@pytest.mark.parametrize(
    "headers",
    [
        b"X: " + b"y" * 10_000 + b"\r\n\r\n",
        b"".join(b"X-%d: y\r\n" % number for number in range(1000)) + b"\r\n",
        b"no header\r\n\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: 3\r\n\r\n" + ONE,
    ],
)
async def test_headers_of_a_part_are_bounded(fault_peer, pacs, folder, headers):
    body = f"--{faults.BOUNDARY}\r\n".encode() + headers + b"\r\n" + bytes(2**20)
    fault_peer.answers(faults.endless(bytes(2**16), faults.RELATED, body))
    with pytest.raises(PeerFailed, match="malformed"):
        await fetched(pacs, folder)
    assert left(folder) == []


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (f"--{faults.BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode(), "bytes in one part"),
        (b"", "more than|malformed"),  # a preamble without an end
    ],
)
@pytest.mark.parametrize("chunk", [bytes(2**16), b"x\r\n" * 20_000])
async def test_an_endless_answer_is_cut(fault_peer, make_outbound, folder, first, message, chunk):
    fault_peer.answers(faults.endless(chunk, faults.RELATED, first))
    limited = make_outbound(rule(fault_peer.uri), max_bytes=8 * 10**6, max_part_bytes=4 * 10**6)
    with pytest.raises(PeerFailed, match=message):
        await fetched(DicomWeb(limited, Connection(fault_peer.uri)), folder)
    assert left(folder) == []


async def test_an_answer_of_endless_parts_is_cut(fault_peer, make_outbound, folder):
    fault_peer.answers(faults.endless(faults.part(b"x"), faults.RELATED))
    limited = make_outbound(rule(fault_peer.uri), max_parts=50)
    with pytest.raises(PeerFailed, match="more than 50 parts"):
        await fetched(DicomWeb(limited, Connection(fault_peer.uri)), folder)


async def test_a_slow_answer_is_left_at_the_deadline(fault_peer, make_outbound, folder):
    fault_peer.answers(faults.slow(0.05, faults.part(ONE)))
    limited = make_outbound(rule(fault_peer.uri), total_seconds=0.5)
    received = []
    with pytest.raises(PeerFailed, match="in time"):
        async for part in DicomWeb(limited, Connection(fault_peer.uri)).retrieve("1.2.3", folder=folder):
            received.append(part)
    assert received


@pytest.mark.parametrize(
    ("file", "fault"),
    [
        (b"", "not a DICOM file"),
        (b"%PDF-1.7", "not a DICOM file"),
        (bytes(128) + b"DICM", "UID is missing"),
        (ONE[132:], "not a DICOM file"),
        (ONE[: len(ONE) - 560], "ends"),
        (instance(1, study="9.9"), "another study"),
        (instance(1, SOPInstanceUID=None), "UID is missing"),
        (nested_sequences(), "nested"),
        (many_elements(50_000), "more than"),
        (deflate_bomb(64 * 2**20), ""),
    ],
)
async def test_a_hostile_part_is_thrown_away_and_the_others_stay(fault_peer, pacs, folder, file, fault):
    fault_peer.answers(faults.multipart(faults.part(file), faults.part(TWO)))
    bad, good = await fetched(pacs, folder)
    assert fault in bad.fault
    assert bad.fault
    assert bad.path is None
    assert good.path.read_bytes() == TWO
    assert len(left(folder)) == 1


async def test_a_part_of_another_media_type_is_thrown_away(fault_peer, pacs, folder):
    fault_peer.answers(
        faults.multipart(faults.part(b"\xff\xd8", "image/jpeg"), faults.part(ONE, "application/dicom; a=b"))
    )
    bad, good = await fetched(pacs, folder)
    assert "application/dicom" in bad.fault
    assert good.sop_instance_uid == "1.2.3.1.1"


async def test_another_series_or_instance_than_asked_for_is_thrown_away(fault_peer, pacs, folder):
    fault_peer.answers(faults.multipart(faults.part(ONE)))
    for uids in (("1.2.3", "9.9"), ("1.2.3", "1.2.3.1", "9.9")):
        (part,) = await fetched(pacs, folder, *uids)
        assert part.path is None


async def test_uids_from_a_peer_name_no_path(fault_peer, pacs, folder):
    hostile = dicom_file(
        np.zeros((2, 2), np.uint8), SOPInstanceUID="../../x", SeriesInstanceUID="/etc", PatientID="../.."
    )
    fault_peer.answers(faults.multipart(faults.part(hostile)))
    (part,) = await fetched(pacs, folder)
    assert part.path.parent == folder
    assert part.path.name.removesuffix(".dcm").isalnum()


async def test_the_same_instance_twice_is_given_once(fault_peer, pacs, folder):
    fault_peer.answers(faults.multipart(faults.part(ONE), faults.part(ONE), faults.part(TWO)))
    assert len(await fetched(pacs, folder)) == 2


async def test_a_header_that_promises_too_much_is_not_allocated(fault_peer, pacs, folder):
    file = huge_header().replace(b"1.2.3.4\0", b"1.2.3.9\0")
    fault_peer.answers(faults.multipart(faults.part(file)))
    (part,) = await fetched(pacs, folder)
    assert part.has_pixels  # decoding it is refused where it is decoded


async def test_some_instances_only_is_said_after_them(fault_peer, pacs, folder):
    fault_peer.answers(faults.multipart(faults.part(ONE), code=206))
    received = []
    with pytest.raises(PeerFailed, match="only some"):
        async for part in pacs.retrieve("1.2.3", folder=folder):
            received.append(part)
    assert len(received) == 1


@pytest.mark.parametrize("reply", [faults.status(204), faults.multipart()])
async def test_nothing_there_is_nothing_given(fault_peer, pacs, folder, reply):
    fault_peer.answers(reply)
    assert await fetched(pacs, folder) == []


async def test_a_full_disk_is_not_taken_for_the_peers_fault(fault_peer, pacs, mount_tmpfs):
    small = mount_tmpfs("size=64k")
    fault_peer.answers(faults.multipart(faults.part(instance(1, pixels=np.zeros((512, 512), np.uint16)))))
    with pytest.raises(OSError, match="No space"):
        await fetched(pacs, small)
    assert left(small) == []
    assert len(fault_peer.asked) == 1


async def test_a_retrieval_url_of_the_peers_own_is_not_followed(fault_peer, pacs):
    item = {**study("1.2.3"), "00081190": {"vr": "UR", "Value": ["http://169.254.169.254/latest/"]}}
    fault_peer.answers(faults.text(json.dumps([item]), "application/json; charset=utf-8"))
    assert await pacs.studies_of_patient("PAT001") == ["1.2.3"]
    assert len(fault_peer.asked) == 1
