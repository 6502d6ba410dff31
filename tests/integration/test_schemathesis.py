"""What schemathesis thinks of, sent to a real instance, by the documents that it serves."""

import shutil

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from gateway.apis import chest_xray

SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
schema = schemathesis.openapi.from_path(chest_xray.OPENAPI)
# JSON Schema cannot say "printable": characters that Unicode has not assigned are refused in a patient ID.
schema.config.generation.update(codec="iso-8859-1")


def send(case, instance) -> None:
    case.call_and_validate(
        base_url=f"http://127.0.0.1:{instance.chest_xray_port}",
        headers={"Authorization": instance.token()},
        # A generated path names no film, so valid bodies are refused, rightly.
        excluded_checks=[positive_data_acceptance],
    )


@pytest.fixture(scope="module")
def folders(film, tmp_path_factory):
    folder = tmp_path_factory.mktemp("schemathesis")
    shutil.copy(film, folder / "film.dcm")
    return folder


@schema.parametrize()
@SETTINGS
def test_chest_xray_keeps_to_its_document(case, instance):
    send(case, instance)


@schema.include(path="/single_inference").parametrize()
@SETTINGS
def test_chest_xray_keeps_to_its_document_on_a_film(case, instance, folders):
    if case.meta.generation.mode.is_negative:
        return
    case.body = {**case.body, "input_image_path": str(folders / "film.dcm")}
    if "output_folder_path" in case.body:
        case.body["output_folder_path"] = str(folders / "output")
    send(case, instance)
