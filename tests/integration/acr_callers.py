"""Callers of inference requests on real instances, and the studies that they ask about."""

import io
import json
import time
import urllib.error
import urllib.request
from typing import Any

import pydicom

from tests.integration.instances import Instance
from tests.peers.fhirsnake import Fhirsnake
from tests.peers.orthanc import AUTH_ID, Orthanc
from tools.phantoms.chest_film import chest_film_dicom

STUDY = "2.25.1001"


def allow(*servers: Orthanc | Fhirsnake) -> list[dict[str, Any]]:
    """Give the entries of a peers file that let these be reached."""
    return [
        {"name": f"peer-{number}", "url": each.uri, "networks": ["127.0.0.0/8"], "plain_http": True}
        for number, each in enumerate(servers, 1)
    ]


def ask(instance: Instance, path: str, body: object = None) -> tuple[int, Any]:
    """Ask the API of inference requests; gives status and body."""
    request = urllib.request.Request(f"http://127.0.0.1:{instance.acr_port}/api/inference{path}")
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")


def ended(instance: Instance, id: str, seconds: float = 300.0) -> dict[str, Any]:
    """Wait for a request's end; gives its status."""
    deadline = time.monotonic() + seconds
    while True:
        code, body = ask(instance, f"/status/{id}")
        assert code == 200, body
        if body["platform"]["state"] == "Stopped":
            return body
        assert time.monotonic() < deadline, body
        time.sleep(0.2)


def films(count: int, study: str = STUDY, *, drawn: list[bytes] | None = None) -> list[bytes]:
    """Draw the films of one study; `drawn` ones are taken in turn instead, under other UIDs."""
    files = []
    for number in range(1, count + 1):
        source = drawn[(number - 1) % len(drawn)] if drawn else film(number)
        dataset = pydicom.dcmread(io.BytesIO(source))
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, f"{study}.1"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{study}.1.{number}"
        dataset.AccessionNumber = "ACC-9"
        target = io.BytesIO()
        dataset.save_as(target)
        files.append(target.getvalue())
    return files


def film(seed: int) -> bytes:
    return chest_film_dicom(seed, patient_id="P-7", patient_name="A^B")


def pacs(orthanc: Orthanc) -> dict[str, str]:
    """Describe an Orthanc as connection details."""
    return {"uri": orthanc.uri, "authType": "Basic", "authID": AUTH_ID}


def request(
    orthanc: Orthanc, *studies: str, transaction: str = "TX-1", model: str = "chest_xray"
) -> dict[str, Any]:
    """Ask for studies of an Orthanc, whose results go back there."""
    return {
        "transactionID": transaction,
        "inputMetadata": {
            "details": {"type": "DICOM_UID", "studies": [{"StudyInstanceUID": each} for each in studies]}
        },
        "inputResources": [
            {"interface": "Algorithm", "connectionDetails": {"name": model, "id": model}},
            {"interface": "DICOMweb", "connectionDetails": pacs(orthanc)},
        ],
        "outputResources": [{"interface": "DICOMweb", "connectionDetails": pacs(orthanc)}],
    }
