"""Search and retrieval at a real Orthanc."""

import contextlib
import io

import numpy as np
import pydicom
import pytest

from gateway.errors import InvalidRequest, PeerFailed, PeerRefused
from gateway.outbound.connection import Connection
from gateway.outbound.dicomweb import DicomWeb
from gateway.outbound.received import file_name
from tests.dicom_files import (
    BIG_ENDIAN,
    EXPLICIT,
    IMPLICIT,
    JPEG_2000,
    JPEG_BASELINE,
    JPEG_LS,
    RLE,
    chest_header,
    written,
)
from tests.outbound.conftest import instance, rule
from tests.peers.orthanc import AUTH_ID


@pytest.fixture
def pacs(make_outbound, orthanc, to_orthanc):
    return DicomWeb(make_outbound(rule(orthanc.uri)), to_orthanc)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "received"
    made.mkdir()
    return made


async def fetched(pacs, *uids, folder):
    return [part async for part in pacs.retrieve(*uids, folder=folder)]


async def test_finds_the_studies_of_a_patient(orthanc, pacs):
    orthanc.add(
        [instance(1, study="1.2.1"), instance(2, study="1.2.2"), instance(3, study="1.2.3", PatientID="B")]
    )
    assert sorted(await pacs.studies_of_patient("PAT001")) == ["1.2.1", "1.2.2"]
    assert await pacs.studies_of_patient("nobody") == []


async def test_finds_the_studies_of_an_accession_number(orthanc, pacs):
    orthanc.add([instance(1, study="1.2.1"), instance(2, study="1.2.2", AccessionNumber="ACC-10")])
    assert await pacs.studies_of_accession("ACC-10") == ["1.2.2"]


@pytest.mark.parametrize("patient_id", ["A-1", "A/B", "A:B", "A(1)", "A.1_2~3"])
async def test_a_value_is_matched_as_it_is(orthanc, pacs, patient_id):
    orthanc.add(
        instance(number, study=f"1.2.{number}", series=f"1.2.{number}.1", PatientID=each)
        for number, each in enumerate((patient_id, "A", f"{patient_id}2"), 1)
    )
    assert await pacs.studies_of_patient(patient_id) == ["1.2.1"]


@pytest.mark.parametrize("patient_id", ["A&00080050=X", "A#B", "A B", "A%2A", "A&limit=0", "A,AB", "Ä", "a"])
async def test_no_value_finds_another_patient(orthanc, pacs, patient_id):
    # This Orthanc takes "a" for "A", as it does in names, and does not undo escapes.
    orthanc.add([instance(1, study="1.2.1", PatientID="A"), instance(2, study="1.2.2", PatientID="AB")])
    assert await pacs.studies_of_patient(patient_id) == []


@pytest.mark.parametrize(
    "value", ["*", "PAT*", "PAT00?", "PAT001\\PAT002", "", "  ", "A\nB", "A\0", "x" * 65]
)
async def test_a_value_that_matches_several_is_refused(pacs, value):
    for search in (pacs.studies_of_patient, pacs.studies_of_accession):
        with pytest.raises(InvalidRequest) as refused:
            await search(value)
        assert refused.value.field in ("PatientID", "accessionNumber")
        assert "PAT" not in refused.value.message


async def test_finds_more_studies_than_a_page_holds(orthanc, pacs, monkeypatch):
    orthanc.add(instance(number, study=f"1.2.{number}", series=f"1.2.{number}.1") for number in range(1, 8))
    monkeypatch.setattr("gateway.outbound.qido.PAGE", 3)
    assert len(await pacs.studies_of_patient("PAT001")) == 7
    monkeypatch.setattr("gateway.outbound.qido.PAGE", 7)
    assert len(await pacs.studies_of_patient("PAT001")) == 7


async def test_more_studies_than_allowed_are_too_many(orthanc, make_outbound, to_orthanc):
    orthanc.add(instance(number, study=f"1.2.{number}") for number in range(1, 4))
    with pytest.raises(PeerFailed, match="more studies"):
        await DicomWeb(make_outbound(rule(orthanc.uri), max_studies=2), to_orthanc).studies_of_patient(
            "PAT001"
        )


async def test_retrieves_a_study_a_series_and_an_instance(orthanc, pacs, folder):
    files = {
        uid: instance(number, series=series)
        for series in ("1.2.3.1", "1.2.3.2")
        for number in (1, 2)
        for uid in [f"{series}.{number}"]
    }
    orthanc.add([*files.values(), instance(9, study="9.9", series="9.9.1")])
    assert {part.sop_instance_uid for part in await fetched(pacs, "1.2.3", folder=folder)} == set(files)
    series = await fetched(pacs, "1.2.3", "1.2.3.2", folder=folder)
    assert sorted(part.sop_instance_uid for part in series) == ["1.2.3.2.1", "1.2.3.2.2"]
    (one,) = await fetched(pacs, "1.2.3", "1.2.3.2", "1.2.3.2.1", folder=folder)
    assert one.path == folder / file_name("1.2.3.2.1")
    assert (one.study_instance_uid, one.series_instance_uid, one.has_pixels) == ("1.2.3", "1.2.3.2", True)
    assert one.sop_class_uid == "1.2.840.10008.5.1.4.1.1.1"
    assert one.size == one.path.stat().st_size
    pixels = pydicom.dcmread(one.path).pixel_array
    assert np.array_equal(pixels, pydicom.dcmread(io.BytesIO(files["1.2.3.2.1"])).pixel_array)
    assert len(list(folder.iterdir())) == len(files)  # nothing hidden is left, and nothing is twice there
    assert one.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN, RLE, JPEG_BASELINE, JPEG_LS, JPEG_2000])
async def test_retrieves_what_is_stored_in_any_transfer_syntax(
    orthanc, make_outbound, to_orthanc, folder, syntax
):
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    orthanc.add([instance(1, pixels=pixels, syntax=syntax)])
    stored = DicomWeb(make_outbound(rule(orthanc.uri, transfer_syntaxes=("*",))), to_orthanc)
    (part,) = await fetched(stored, "1.2.3", folder=folder)
    assert (part.transfer_syntax_uid, part.fault) == (syntax, "")
    if syntax == JPEG_2000:
        return  # Debian's Orthanc cannot turn it into the explicit little endian that is the default
    (part,) = await fetched(DicomWeb(make_outbound(rule(orthanc.uri)), to_orthanc), "1.2.3", folder=folder)
    assert (part.transfer_syntax_uid, part.fault) == (EXPLICIT, "")


async def test_retrieves_what_is_no_image(orthanc, pacs, folder):
    report = chest_header(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", SOPInstanceUID="1.2.3.9", SeriesInstanceUID="1.2.3.8",
        Modality="SR", PhotometricInterpretation=None, PixelRepresentation=None,
    )  # fmt: skip
    orthanc.add([written(report, EXPLICIT), instance(1)])
    parts = {part.sop_instance_uid: part for part in await fetched(pacs, "1.2.3", folder=folder)}
    assert (parts["1.2.3.9"].has_pixels, parts["1.2.3.9"].fault) == (False, "")
    assert parts["1.2.3.1.1"].has_pixels


async def test_a_study_that_is_not_there_fails(pacs, folder, slept):
    with pytest.raises(PeerFailed) as failed:
        await fetched(pacs, "1.2.404", folder=folder)
    assert (failed.value.answered, slept, list(folder.iterdir())) == (404, [], [])


@pytest.mark.parametrize(
    "uids",
    [("",), ("1.2/../..",), ("1..2",), ("1.2.3", "*"), ("1.2.3?x=",), ("1" * 65,), ("１",), ("1.2\n",)],
)
async def test_what_is_no_uid_is_not_asked_for(pacs, folder, uids):
    with pytest.raises(InvalidRequest, match="must be a DICOM UID"):
        await fetched(pacs, *uids, folder=folder)


async def test_an_instance_is_asked_for_within_its_series(pacs, folder):
    with pytest.raises(InvalidRequest):
        await fetched(pacs, "1.2.3", None, "1.2.3.1.1", folder=folder)


@pytest.mark.parametrize(
    ("auth_type", "auth_id"), [("None", None), ("Basic", "d3Jvbmc6cGFzc3dvcmQ="), ("Bearer", AUTH_ID)]
)
async def test_a_wrong_credential_fails_at_once(orthanc, make_outbound, folder, slept, auth_type, auth_id):
    pacs = DicomWeb(make_outbound(rule(orthanc.uri)), Connection(orthanc.uri, auth_type, auth_id))
    for asking in (pacs.studies_of_patient("A"), fetched(pacs, "1.2.3", folder=folder)):
        with pytest.raises(PeerFailed) as failed:
            await asking
        assert failed.value.answered == 401
    assert slept == []


async def test_a_peer_without_a_rule_is_refused(orthanc, make_outbound, to_orthanc):
    with pytest.raises(PeerRefused):
        DicomWeb(make_outbound(), to_orthanc)


async def test_a_base_without_its_slash_is_the_same(orthanc, make_outbound):
    orthanc.add([instance(1)])
    for uri in (orthanc.uri.rstrip("/"), f"{orthanc.uri}/", orthanc.uri):
        connection = Connection(uri, "Basic", AUTH_ID)
        for slash in (True, False):
            pacs = DicomWeb(make_outbound(rule(orthanc.uri, trailing_slash=slash)), connection)
            assert await pacs.studies_of_patient("PAT001") == ["1.2.3"]


async def test_leaving_early_leaves_nothing_half_written(orthanc, pacs, folder):
    orthanc.add(instance(number) for number in range(1, 6))
    async with contextlib.aclosing(pacs.retrieve("1.2.3", folder=folder)) as parts:
        async for part in parts:
            assert part.path.exists()
            break
    assert len(list(folder.iterdir())) == 1


async def test_too_many_instances_are_cut(orthanc, make_outbound, to_orthanc, folder):
    orthanc.add(instance(number) for number in range(1, 6))
    pacs = DicomWeb(make_outbound(rule(orthanc.uri), max_parts=3), to_orthanc)
    with pytest.raises(PeerFailed, match="more than 3 parts"):
        await fetched(pacs, "1.2.3", folder=folder)
    assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("limit", ["max_bytes", "max_part_bytes"])
async def test_too_many_bytes_are_cut(orthanc, make_outbound, to_orthanc, folder, limit):
    orthanc.add([instance(1, pixels=np.zeros((1500, 1500), np.uint16))])
    pacs = DicomWeb(make_outbound(rule(orthanc.uri), **{limit: 10**6}), to_orthanc)
    with pytest.raises(PeerFailed, match="more than 1000000 bytes"):
        await fetched(pacs, "1.2.3", folder=folder)
    assert list(folder.iterdir()) == []
