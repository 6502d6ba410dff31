"""Films through the whole of it: HTTP and gRPC, real ones and drawn ones."""

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from tritonclient.utils import InferenceServerException

from gateway.imaging.chest_xray import FINDINGS
from tests.dicom_files import LOSSLESS, dicom_file
from tests.integration.instances import INTERNAL_ERROR, ROOT, Instance, infer

CHEST_FILMS = (
    "rsna_chest_pa.dcm",
    "rsna_chest_pa_as_monochrome1.dcm",
    "wg04_rg1_chest_j2k.dcm",
    "wg04_rg1_chest_jpegls.dcm",
)
NEGATIVE = "rsna_chest_pa_as_monochrome1.dcm"
"""Relabelled without inverting its pixels."""
OTHER_FILMS = (
    "wg04_mg1_breast_j2k.dcm",
    "wg04_rg2_hip_j2kr.dcm",
    "wg04_rg2_hip_jlsl.dcm",
    "wg04_rg2_hip_jpll.dcm",
    "wg04_rg2_hip_jply.dcm",
    "wg04_rg2_hip_rle.dcm",
)


def four_files(instance: Instance, film: Path, output: Path) -> Path:
    """Assess a film and give the patient's folder once its contents are as documented."""
    answer = instance.single_inference(film, output)
    assert answer == (
        200,
        {"Result": "Success", "Data": None, "Message": "Inference completed successfully."},
    )
    (folder,) = output.iterdir()
    name = folder.name
    files = {"predictions.json", "heatmap.png", "source_image.png", "report.pdf"}
    assert {file.name for file in folder.iterdir()} == {f"{name}_{file}" for file in files}
    prediction = json.loads((folder / f"{name}_predictions.json").read_text())
    assert list(prediction) == ["result", "findings", "source_image", "heatmap", "metadata"]
    assert [finding["name"] for finding in prediction["findings"]] == list(FINDINGS)
    assert Path(prediction["source_image"]) == folder / f"{name}_source_image.png"
    assert (folder / f"{name}_report.pdf").read_bytes().startswith(b"%PDF-")
    assert cv2.imread(prediction["heatmap"]).shape == cv2.imread(prediction["source_image"]).shape
    return folder


def test_is_ready_and_alive(instance):
    assert instance.get("/ready", port=instance.admin_port) == (
        200,
        {"status": "ready", "pipelines": {"chest_xray": True, "vhs": True, "screen": True, "maisi": True}},
    )
    assert instance.get("/live", port=instance.admin_port).status == 200
    for port in (instance.port, instance.chest_xray_port):
        assert instance.get("/ping", port=port) == (200, {"status": "ok"})


def test_a_drawn_film_gives_four_files(instance, film, tmp_path):
    assert four_files(instance, film, tmp_path / "out").name == "PAT001"


@pytest.mark.parametrize("name", CHEST_FILMS)
def test_a_real_chest_film_gives_four_files(instance, real_films, tmp_path, name):
    four_files(instance, real_films / name, tmp_path / "out")


@pytest.mark.parametrize("name", [name for name in CHEST_FILMS if name != NEGATIVE])
def test_a_real_chest_film_passes_the_gate(gated, real_films, tmp_path, name):
    four_files(gated, real_films / name, tmp_path / "out")


def test_a_drawn_film_passes_the_gate(gated, film, tmp_path):
    four_files(gated, film, tmp_path / "out")


@pytest.mark.parametrize("name", [name for name in CHEST_FILMS if name != NEGATIVE])
def test_lungs_are_dark_whatever_the_photometric_interpretation(instance, real_films, tmp_path, name):
    folder = four_files(instance, real_films / name, tmp_path / "out")
    film = cv2.imread(str(folder / f"{folder.name}_source_image.png"), cv2.IMREAD_GRAYSCALE)
    right, left = box(film, 0.35, 0.55, 0.20, 0.35), box(film, 0.35, 0.55, 0.65, 0.80)
    mediastinum = box(film, 0.35, 0.75, 0.45, 0.58)
    assert (right + left) / 2 < mediastinum


def box(film: np.ndarray, top: float, bottom: float, left: float, right: float) -> float:
    """Mean of a box that is given in fractions of the film."""
    rows, columns = film.shape
    return float(
        film[int(top * rows) : int(bottom * rows), int(left * columns) : int(right * columns)].mean()
    )


def test_a_relabelled_film_comes_out_as_the_negative(instance, real_films, tmp_path):
    films = []
    for name in ("rsna_chest_pa.dcm", NEGATIVE):
        folder = four_files(instance, real_films / name, tmp_path / name)
        films.append(cv2.imread(str(folder / f"{folder.name}_source_image.png"), cv2.IMREAD_GRAYSCALE))
    assert np.corrcoef(films[0].ravel(), films[1].ravel())[0, 1] < -0.99


@pytest.mark.parametrize("name", OTHER_FILMS)
def test_other_body_parts_fail_and_leave_nothing(instance, real_films, tmp_path, name):
    (tmp_path / "there").mkdir()
    for folder in (tmp_path / "there", tmp_path / "new"):
        assert instance.single_inference(real_films / name, folder) == (500, INTERNAL_ERROR)
        assert not folder.exists() or list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["wg04_rg2_hip_rle.dcm", "wg04_mg1_breast_j2k.dcm"])
def test_the_gate_sees_what_the_header_hides(gated, real_films, tmp_path, name):
    dataset = pydicom.dcmread(real_films / name)
    dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition = "CR", "", ""
    dataset.save_as(tmp_path / "film.dcm")
    assert gated.single_inference(tmp_path / "film.dcm", tmp_path / "out") == (500, INTERNAL_ERROR)
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_a_film_says_the_same_over_grpc_and_http(instance, film):
    with instance.grpc() as client:
        assert infer(client, film.read_bytes()) == instance.predict(film)


def test_the_readme_calls_grpc_as_it_is(instance, real_films, tmp_path):
    """The block is run as it stands, but for the address and the file."""
    code = grpc_example((ROOT / "README.md").read_text())
    if code is None:
        pytest.skip("README.md has no example below a heading that names gRPC")
    code = re.sub(r"(localhost|127\.0\.0\.1):\d+", instance.triton_url, code)
    code = re.sub(r"""(["'])[^"'\n]*\.dcm\1""", repr(str(real_films / CHEST_FILMS[0])), code)
    assert instance.triton_url in code and CHEST_FILMS[0] in code
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Tuberculosis" in done.stdout


def grpc_example(readme: str) -> str | None:
    """Give the first Python block below the first heading that names gRPC."""
    parts = re.split(r"^#+ .*gRPC.*$", readme, maxsplit=1, flags=re.MULTILINE | re.IGNORECASE)
    block = re.search(r"^```python\n(.*?)^```", parts[1], re.MULTILINE | re.DOTALL) if parts[1:] else None
    return block[1] if block else None


def test_the_same_pixels_say_the_same_in_every_lossless_syntax(instance, film):
    pixels = pydicom.dcmread(film).pixel_array[::2, ::2].astype(np.uint16)
    with instance.grpc() as client:
        said = {syntax: infer(client, dicom_file(pixels, syntax)) for syntax in LOSSLESS}
    first = said[LOSSLESS[0]]
    assert {syntax for syntax, prediction in said.items() if prediction != first} == set()


def test_a_bad_film_among_eight_does_not_spoil_the_others(instance, film, tmp_path):
    expected = instance.predict(film)
    bad = tmp_path / "bad.dcm"
    bad.write_bytes(dicom_file(np.zeros((4, 4), np.uint8), Modality="MR"))
    films = [film, film, film, bad, film, film, film, film]
    with ThreadPoolExecutor(len(films)) as pool:
        answers = list(
            pool.map(lambda each: instance.single_inference(each, None, save_to_disk=False), films)
        )
    assert answers.pop(3) == (500, INTERNAL_ERROR)
    assert [answer.status for answer in answers] == [200] * 7
    assert all(answer.body["Data"]["findings"] == expected["findings"] for answer in answers)


def test_a_bad_film_among_eight_does_not_spoil_the_others_over_grpc(instance, film):
    data = film.read_bytes()
    files = [data, data, data, data[:1000], data, b"not DICOM", data, data]

    def outcome(dicom: bytes) -> object:
        try:
            return infer(client, dicom)
        except InferenceServerException as error:
            return error.status()

    with instance.grpc() as client, ThreadPoolExecutor(len(files)) as pool:
        expected = infer(client, data)
        outcomes = list(pool.map(outcome, files))
    refused = "StatusCode.INVALID_ARGUMENT"
    assert outcomes == [refused if len(file) < 5000 else expected for file in files]
