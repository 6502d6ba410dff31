"""Inference requests on a real instance: real Triton, real Orthanc and fhirsnake, kill -9 in the middle."""

import io
import json
import time
import urllib.error
import urllib.request

import pydicom
import pytest

from tests.dicom_results import require_valid
from tests.outbound.conftest import fhirsnake, orthanc, orthanc_server  # noqa: F401
from tests.peers.orthanc import AUTH_ID
from tools.phantoms.chest_film import chest_film_dicom


@pytest.fixture
def requests(new_instance, orthanc, fhirsnake, tmp_path):  # noqa: F811
    """An instance that may reach both peers."""
    peers = [
        {"name": "pacs", "url": orthanc.uri, "networks": ["127.0.0.0/8"], "plain_http": True},
        {"name": "record", "url": fhirsnake.uri, "networks": ["127.0.0.0/8"], "plain_http": True},
    ]
    (tmp_path / "peers.json").write_text(json.dumps(peers))
    instance = new_instance(peers_file=str(tmp_path / "peers.json"))
    instance.start()
    instance.wait_ready(180)
    return instance


def ask(instance, path, body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{instance.acr_port}/api/inference{path}")
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")


def ended(instance, id, seconds=300.0):
    deadline = time.monotonic() + seconds
    while True:
        code, body = ask(instance, f"/status/{id}")
        assert code == 200, body
        if body["platform"]["state"] == "Stopped":
            return body
        assert time.monotonic() < deadline, body
        time.sleep(0.2)


def films(count):
    """Draw films of one study; gives its UID and the files."""
    files = []
    for number in range(1, count + 1):
        film = pydicom.dcmread(io.BytesIO(chest_film_dicom(number, patient_id="P-7", patient_name="A^B")))
        film.StudyInstanceUID, film.SeriesInstanceUID = "2.25.1001", "2.25.1001.1"
        film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID = f"2.25.1001.1.{number}"
        film.AccessionNumber = "ACC-9"
        target = io.BytesIO()
        film.save_as(target)
        files.append(target.getvalue())
    return "2.25.1001", files


def request(orthanc, fhirsnake, study, transaction="TX-1"):  # noqa: F811
    pacs = {"uri": orthanc.uri, "authType": "Basic", "authID": AUTH_ID}
    return {
        "transactionID": transaction,
        "inputMetadata": {"details": {"type": "DICOM_UID", "studies": [{"StudyInstanceUID": study}]}},
        "inputResources": [
            {"interface": "Algorithm", "connectionDetails": {"name": "tb", "id": "chest_xray"}},
            {"interface": "DICOMweb", "connectionDetails": pacs},
        ],
        "outputResources": [
            {"interface": "DICOMweb", "connectionDetails": pacs},
            {"interface": "FHIR", "connectionDetails": {"uri": fhirsnake.uri}},
        ],
    }


def test_runs_end_to_end(requests, orthanc, fhirsnake, tmp_path):  # noqa: F811
    study, files = films(2)
    orthanc.add(files)
    code, accepted = ask(requests, "", request(orthanc, fhirsnake, study))
    assert code == 200, accepted
    found = ended(requests, accepted["jobId"])
    assert (found["platform"]["status"], found["message"]) == ("Healthy", ""), found
    results = [uid for uid in orthanc.sop_instance_uids() if not uid.startswith("2.25.1001.")]
    assert len(results) == 6
    for uid in results:
        result = pydicom.dcmread(io.BytesIO(orthanc.file(uid)))
        assert (result.StudyInstanceUID, result.PatientID) == (study, "P-7")
        require_valid(result, tmp_path)
    assert len(fhirsnake.resources("DiagnosticReport")) >= 2
    assert AUTH_ID not in requests.output
    assert "P-7" not in requests.output


def test_a_kill_in_the_middle_exports_nothing_twice(requests, orthanc, fhirsnake):  # noqa: F811
    study, files = films(6)
    orthanc.add(files)
    code, accepted = ask(requests, "", request(orthanc, fhirsnake, study))
    assert code == 200, accepted
    for seconds in (0.5, 3.0):
        time.sleep(seconds)
        requests.kill_everything()
        requests.start()
        requests.wait_ready(180)
    found = ended(requests, accepted["jobId"])
    assert (found["platform"]["status"], found["message"]) == ("Healthy", ""), found
    results = [uid for uid in orthanc.sop_instance_uids() if not uid.startswith("2.25.1001.")]
    assert len(results) == len(set(results)) == 18
    for file in requests.data_dir.glob("*.db*"):
        assert AUTH_ID.encode() not in file.read_bytes()
