"""What schemathesis thinks of, sent to a real instance, by the documents that it serves."""

import base64
import shutil
import uuid

import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from gateway.apis import chest_xray, inference_requests, maisi, vhs
from gateway.imaging.png import encode_png
from tests.integration.instances import Instance

SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
schema = schemathesis.openapi.from_path(chest_xray.OPENAPI)
# JSON Schema cannot say "printable": characters that Unicode has not assigned are refused in a patient ID.
schema.config.generation.update(codec="iso-8859-1")


@pytest.fixture(scope="module")
def confined(instance, tmp_path_factory):
    """A gateway that may touch one folder only: generated paths may name any on this machine."""
    root = tmp_path_factory.mktemp("confined")
    running = Instance(
        tmp_path_factory.mktemp("gateway"),
        chest_xray_gate="0",
        triton_url=instance.triton_url,
        input_roots=str(root),
        output_roots=str(root),
    )
    running.start()
    running.wait_ready()
    yield running, root
    running.stop()


acr_schema = schemathesis.openapi.from_path(inference_requests.OPENAPI)
maisi_schema = schemathesis.openapi.from_path(maisi.OPENAPI)
vhs_schema = schemathesis.openapi.from_path(vhs.OPENAPI)


def send(case, instance) -> None:
    case.call_and_validate(
        base_url=f"http://127.0.0.1:{instance.chest_xray_port}",
        headers={"Authorization": instance.token()},
        # A generated path names no film, so valid bodies are refused, rightly.
        excluded_checks=[positive_data_acceptance],
    )


@pytest.fixture(scope="module")
def folders(film, confined):
    _, root = confined
    folder = root / "films"
    folder.mkdir()
    shutil.copy(film, folder / "film.dcm")
    return folder


@schema.parametrize()
@SETTINGS
def test_chest_xray_keeps_to_its_document(case, confined):
    send(case, confined[0])


@schema.include(path="/single_inference").parametrize()
@SETTINGS
def test_chest_xray_keeps_to_its_document_on_a_film(case, confined, folders):
    if case.meta.generation.mode.is_negative:
        return
    case.body = {**case.body, "input_image_path": str(folders / "film.dcm")}
    if "output_folder_path" in case.body:
        case.body["output_folder_path"] = str(folders / "output")
    send(case, confined[0])


@schema.include(path="/bulk_inference").parametrize()
@SETTINGS
def test_chest_xray_keeps_to_its_document_on_a_folder(case, confined, folders):
    if case.meta.generation.mode.is_negative:
        return
    paths = {"input_folder_path": str(folders), "output_folder_path": str(folders / "output")}
    case.body = {**case.body, **paths}
    send(case, confined[0])


def send_vhs(case, instance, key) -> None:
    case.call_and_validate(
        base_url=f"http://127.0.0.1:{instance.port}",
        headers={"x-api-key": key},
        # What is generated is base64 of nothing that could be seen, and is refused, rightly.
        excluded_checks=[positive_data_acceptance],
    )


@pytest.fixture(scope="module")
def key(instance):
    return instance.key()


@vhs_schema.parametrize()
@settings(SETTINGS, max_examples=25)
def test_vhs_keeps_to_its_document(case, instance, key):
    send_vhs(case, instance, key)


@vhs_schema.include(path_regex="/v3/predict").parametrize()
@settings(SETTINGS, max_examples=10)
def test_vhs_keeps_to_its_document_on_a_picture(case, instance, key):
    if case.meta.generation.mode.is_negative:
        return
    picture = base64.b64encode(encode_png(np.full((64, 64), 90, np.uint8))).decode()
    if case.body.get("images"):
        case.body = {**case.body, "images": [picture] * len(case.body["images"])}
    else:
        case.body = {**case.body, "image": picture}
    send_vhs(case, instance, key)


# What is taken would be generated, for hours; `validate` reads and checks the same bodies in the same way.
@maisi_schema.exclude(path="/v1/maisi/run").parametrize()
@settings(SETTINGS, max_examples=25)
def test_maisi_keeps_to_its_document(case, instance):
    case.call_and_validate(
        base_url=f"http://127.0.0.1:{instance.maisi_port}",
        # No schema says what fields must be to each other, nor that with sizes two of them do not count.
        excluded_checks=[positive_data_acceptance, negative_data_rejection],
    )


@acr_schema.parametrize()
@settings(SETTINGS, max_examples=25)
def test_acr_keeps_to_its_document(case, instance):
    case.call_and_validate(
        base_url=f"http://127.0.0.1:{instance.acr_port}",
        # A generated body names neither a model nor a peer that is there, so it is refused, rightly. What the
        # document does not say is taken as the original's binder took it: numbers as text, names in any case.
        excluded_checks=[positive_data_acceptance, negative_data_rejection],
    )


@acr_schema.include(path="/api/inference").parametrize()
@settings(SETTINGS, max_examples=25)
def test_acr_keeps_to_its_document_on_what_is_taken(case, instance):
    """What is generated, about a study of a peer that is not allow-listed: the job fails at once."""
    if case.meta.generation.mode.is_negative:
        return
    studies = [{"StudyInstanceUID": "2.25.1"}]
    case.body = {
        **case.body,
        "transactionID": uuid.uuid4().hex,  # no schema says "printable", nor "not yet used"
        "inputMetadata": {"details": {"type": "DICOM_UID", "studies": studies}},
        "inputResources": [
            {"interface": "Algorithm", "connectionDetails": {"id": "chest_xray"}},
            {"interface": "DICOMweb", "connectionDetails": {"uri": "https://pacs.invalid/dicom-web"}},
        ],
        "outputResources": [],
    }
    answer = case.call_and_validate(base_url=f"http://127.0.0.1:{instance.acr_port}")
    assert answer.status_code == 200
