"""Inference requests on a real instance: real Triton, real Orthanc and fhirsnake, kill -9 in the middle."""

import io
import json
import time

import numpy as np
import pydicom
import pytest

from gateway.imaging.vhs.measurement import measure
from tests.dicom_files import dicom_file
from tests.dicom_results import groups, require_valid, said
from tests.integration.acr_callers import STUDY, allow, ask, ended, films, request
from tests.outbound.conftest import fhirsnake, orthanc, orthanc_server  # noqa: F401
from tests.peers.orthanc import AUTH_ID
from tools.phantoms.canine_thorax import canine_thorax


@pytest.fixture
def requests(new_instance, orthanc, fhirsnake, tmp_path):  # noqa: F811
    """An instance that may reach both peers."""
    (tmp_path / "peers.json").write_text(json.dumps(allow(orthanc, fhirsnake)))
    instance = new_instance(peers_file=str(tmp_path / "peers.json"))
    instance.start()
    instance.wait_ready(180)
    return instance


def to_both(orthanc, fhirsnake):  # noqa: F811
    asked = request(orthanc, STUDY)
    asked["outputResources"].append({"interface": "FHIR", "connectionDetails": {"uri": fhirsnake.uri}})
    return asked


def test_runs_end_to_end(requests, orthanc, fhirsnake, tmp_path):  # noqa: F811
    orthanc.add(films(2))
    code, accepted = ask(requests, "", to_both(orthanc, fhirsnake))
    assert code == 200, accepted
    found = ended(requests, accepted["jobId"])
    assert (found["platform"]["status"], found["message"]) == ("Healthy", ""), found
    results = [uid for uid in orthanc.sop_instance_uids() if not uid.startswith("2.25.1001.")]
    assert len(results) == 6
    for uid in results:
        result = pydicom.dcmread(io.BytesIO(orthanc.file(uid)))
        assert (result.StudyInstanceUID, result.PatientID) == (STUDY, "P-7")
        require_valid(result, tmp_path)
    assert len(fhirsnake.resources("DiagnosticReport")) >= 2
    assert AUTH_ID not in requests.output
    assert "P-7" not in requests.output


def test_a_dog_is_measured(requests, orthanc, tmp_path):  # noqa: F811
    thorax = canine_thorax(np.random.default_rng(20_261_128), long_side_px=900)
    truth = measure(thorax.landmarks)
    orthanc.add([dicom_file(thorax.picture, StudyInstanceUID=STUDY, SeriesInstanceUID=f"{STUDY}.1")])
    code, accepted = ask(requests, "", request(orthanc, STUDY, model="vhs"))
    assert code == 200, accepted
    found = ended(requests, accepted["jobId"])
    assert (found["platform"]["status"], found["message"]) == ("Healthy", ""), found
    held = [pydicom.dcmread(io.BytesIO(orthanc.file(uid))) for uid in orthanc.sop_instance_uids()]
    results = {each.Modality: each for each in held if each.get("Manufacturer") == "RadGate"}
    assert set(results) == {"SR", "OT"}
    for result in results.values():
        require_valid(result, tmp_path)
    vhs, unit = said(groups(results["SR"])["Measurements"], "Vertebral heart scale")
    assert (vhs, unit) == (pytest.approx(truth.vhs, abs=0.6), "{vertebrae}")


def test_a_kill_in_the_middle_exports_nothing_twice(requests, orthanc, fhirsnake):  # noqa: F811
    orthanc.add(films(6))
    code, accepted = ask(requests, "", to_both(orthanc, fhirsnake))
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
