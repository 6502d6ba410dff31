"""What `/single_inference` answers and writes when all goes well, for both generations of callers."""

import asyncio
import base64
import json

import cv2
import numpy as np
import pytest

from gateway.imaging.chest_xray import FINDINGS
from tests.fakes.triton import chest_xray_answer

SUCCEEDED = {"Result": "Success", "Data": None, "Message": "Inference completed successfully."}
FINDING_KEYS = ["name", "presence", "confidence"]
METADATA_KEYS = ["model_version", "patient_id", "patient_name", "sop_instance_uid", "age", "sex"]


def failure(message):
    return {"Result": "Failure", "Data": None, "Message": message}


@pytest.fixture
def ask_film(ask, write_film, output_folder):
    """Ask about a film with these DICOM attributes, given as `film`, and these further fields."""

    async def post(film=None, **fields):
        image = str(write_film(**(film or {})))
        return await ask(input_image_path=image, output_folder_path=str(output_folder), **fields)

    return post


@pytest.fixture
def prediction(ask_film, output_folder):
    """Ask about a film and give what PAT001's prediction file holds."""

    async def predict(film=None):
        assert await ask_film(film) == (200, SUCCEEDED)
        return json.loads((output_folder / "PAT001" / "PAT001_predictions.json").read_text())

    return predict


def pixels(png: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)


# The first generation: paths in, four files out, no data


async def test_answers_a_success_without_data(ask_film):
    assert await ask_film() == (200, SUCCEEDED)


async def test_answers_the_documented_bytes(client, token, write_film, output_folder):
    body = {"input_image_path": str(write_film()), "output_folder_path": str(output_folder)}
    response = await client.post("/single_inference", json=body, headers={"Authorization": token})
    expected = b'{"Result": "Success", "Data": null, "Message": "Inference completed successfully."}'
    assert await response.read() == expected
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"


async def test_writes_exactly_the_four_files(ask_film, output_folder, snapshot):
    await ask_film()
    assert sorted(snapshot(output_folder)) == [
        "PAT001",
        "PAT001/PAT001_heatmap.png",
        "PAT001/PAT001_predictions.json",
        "PAT001/PAT001_report.pdf",
        "PAT001/PAT001_source_image.png",
    ]


async def test_writes_pictures_and_a_report_that_can_be_opened(ask_film, output_folder):
    await ask_film()
    stem = output_folder / "PAT001" / "PAT001"
    assert pixels(stem.with_name("PAT001_source_image.png").read_bytes()).shape == (24, 20)
    assert pixels(stem.with_name("PAT001_heatmap.png").read_bytes()).shape == (24, 20, 3)
    report = stem.with_name("PAT001_report.pdf").read_bytes()
    assert report.startswith(b"%PDF-")
    assert report.rstrip().endswith(b"%%EOF")


async def test_writes_the_keys_in_the_documented_order(prediction):
    document = await prediction()
    assert list(document) == ["result", "findings", "source_image", "heatmap", "metadata"]
    assert [list(finding) for finding in document["findings"]] == [FINDING_KEYS] * 12
    assert list(document["metadata"]) == METADATA_KEYS
    assert [finding["name"] for finding in document["findings"]] == list(FINDINGS)


async def test_repeats_the_documented_example(prediction):
    document = await prediction()
    assert document["result"] == "TB Presumptive"
    assert document["findings"][0] == {"name": "Tuberculosis", "presence": True, "confidence": 0.87}
    assert document["findings"][1] == {"name": "Cardiomegaly", "presence": False, "confidence": 0.12}
    assert document["metadata"] == {
        "model_version": "v1.0.1",
        "patient_id": "PAT001",
        "patient_name": "John Doe",
        "sop_instance_uid": "1.2.3.4",
        "age": "045Y",
        "sex": "M",
    }


@pytest.mark.parametrize(
    ("confidences", "result"),
    [
        ([0.1] * 12, "Normal"),
        ([0.9, *[0.1] * 11], "TB Presumptive"),
        ([0.9] * 12, "TB Presumptive"),  # whatever else is there
        ([*[0.1] * 11, 0.9], "Abnormal"),
        ([0.5, *[0.1] * 11], "TB Presumptive"),  # 0.5 itself is present
        ([0.49996, *[0.1] * 11], "TB Presumptive"),  # and so is what prints as 0.5
        ([0.4999, *[0.1] * 11], "Normal"),
    ],
)
async def test_a_finding_is_present_from_half_on(prediction, triton, confidences, result):
    triton.answers["chest_xray"] = chest_xray_answer(confidences)
    document = await prediction()
    assert document["result"] == result
    for finding in document["findings"]:
        assert finding["presence"] == (finding["confidence"] >= 0.5)


@pytest.mark.parametrize("ending", ["", "/", "//"])
async def test_names_the_pictures_by_absolute_paths(ask, write_film, output_folder, ending):
    folder = str(output_folder) + ending
    await ask(input_image_path=str(write_film()), output_folder_path=folder)
    document = json.loads((output_folder / "PAT001" / "PAT001_predictions.json").read_text())
    assert document["source_image"] == f"{output_folder}/PAT001/PAT001_source_image.png"
    assert document["heatmap"] == f"{output_folder}/PAT001/PAT001_heatmap.png"


async def test_names_the_pictures_by_plain_paths_when_slashes_were_doubled(ask, write_film, output_folder):
    folder = f"/{output_folder.parent}//{output_folder.name}"
    await ask(input_image_path=str(write_film()), output_folder_path=folder)
    document = json.loads((output_folder / "PAT001" / "PAT001_predictions.json").read_text())
    assert document["heatmap"] == f"{output_folder}/PAT001/PAT001_heatmap.png"


async def test_makes_the_folders_on_the_way(ask, write_film, output_folder):
    folder = output_folder / "2026" / "ward é"
    status, _ = await ask(input_image_path=str(write_film()), output_folder_path=str(folder))
    assert status == 200
    assert (folder / "PAT001" / "PAT001_report.pdf").exists()


async def test_leaves_the_film_as_it_was(ask_film, write_film):
    before = write_film().read_bytes()
    await ask_film()
    assert (write_film("other.dcm")).read_bytes() == before


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"PatientName": "山田^太郎"}, {"patient_name": "太郎 山田"}),
        ({"PatientName": "<b>&amp;^\"'"}, {"patient_name": "\"' <b>&amp;"}),
        ({"PatientName": None}, {"patient_name": ""}),
        ({"PatientAge": "62"}, {"age": "62"}),  # verbatim, as malformed as it is
        ({"PatientAge": None, "PatientBirthDate": "19800301"}, {"age": "043Y"}),
        ({"PatientAge": None}, {"age": ""}),
        ({"PatientSex": None}, {"sex": ""}),
        ({"SOPInstanceUID": None}, {"sop_instance_uid": ""}),
    ],
)
async def test_states_what_the_header_says(prediction, attributes, expected):
    metadata = (await prediction(attributes))["metadata"]
    assert expected.items() <= metadata.items()
    assert all(isinstance(value, str) for value in metadata.values())


async def test_asks_for_the_gate_unless_the_operator_does_not(ask_film, triton):
    await ask_film()
    assert triton.calls[0].parameters == {"gate": "on"}


async def test_sends_triton_the_file_and_the_request_id(client, token, write_film, output_folder, triton):
    film = write_film()
    body = {"input_image_path": str(film), "output_folder_path": str(output_folder)}
    headers = {"Authorization": token, "X-Request-ID": "order-66"}
    await client.post("/single_inference", json=body, headers=headers)
    assert triton.calls[0].request_id == "order-66"
    assert triton.calls[0].inputs["dicom"].tobytes() == film.read_bytes()
    assert 0 < triton.calls[0].timeout_seconds <= 10


# The second generation: save_to_disk and patient_id


async def test_returns_what_it_wrote(ask_film, output_folder):
    status, answer = await ask_film(save_to_disk=True)
    written = json.loads((output_folder / "PAT001" / "PAT001_predictions.json").read_text())
    assert (status, answer["Result"], answer["Data"]) == (200, "Success", written)
    assert list(answer["Data"]) == list(written)


async def test_returns_pictures_instead_of_paths(ask, write_film, output_folder):
    image = str(write_film())
    status, answer = await ask(
        input_image_path=image, output_folder_path=str(output_folder), save_to_disk=False
    )
    data = answer["Data"]
    assert (status, answer["Message"]) == (200, "Inference completed successfully.")
    assert list(data) == ["result", "findings", "source_image", "heatmap", "metadata"]
    assert pixels(base64.b64decode(data["source_image"], validate=True)).shape == (24, 20)
    assert pixels(base64.b64decode(data["heatmap"], validate=True)).shape == (24, 20, 3)
    assert not output_folder.exists()


@pytest.mark.parametrize("folder", [{}, {"output_folder_path": None}, {"output_folder_path": 5}])
async def test_needs_no_folder_when_nothing_is_saved(ask, write_film, folder, tmp_path, snapshot):
    image = str(write_film())
    before = snapshot(tmp_path)
    status, _ = await ask({"input_image_path": image, "save_to_disk": False, **folder})
    assert status == 200
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("value", [None, "", " "])
async def test_needs_a_folder_to_save_to(ask, write_film, value):
    answer = await ask(input_image_path=str(write_film()), output_folder_path=value, save_to_disk=True)
    message = "output_folder_path is required in the request when save_to_disk is True"
    assert answer == (400, failure(message))


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "null"), ("yes", "yes"), ("true", "true"), (1, "1"), (0, "0"), ([], "[]"), ("", "")],
)
async def test_takes_nothing_but_a_boolean(ask_film, output_folder, value, shown):
    answer = await ask_film(save_to_disk=value)
    assert answer == (400, failure(f"Invalid value for save_to_disk, should be a boolean: {shown}"))
    assert not output_folder.exists()


async def test_the_callers_patient_id_names_folder_and_metadata(ask_film, output_folder, snapshot):
    status, answer = await ask_film(save_to_disk=True, patient_id="Other-7")
    assert (status, answer["Data"]["metadata"]["patient_id"]) == (200, "Other-7")
    assert sorted(snapshot(output_folder))[1] == "Other-7/Other-7_heatmap.png"


async def test_the_callers_patient_id_does_for_a_film_without(ask_film, output_folder):
    status, _ = await ask_film({"PatientID": None}, patient_id="Other-7")
    assert status == 200
    assert (output_folder / "Other-7").is_dir()


async def test_null_is_no_patient_id(ask_film, output_folder):
    assert (await ask_film(patient_id=None))[0] == 200
    assert (output_folder / "PAT001").is_dir()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("", ""),
        ("  ", "  "),
        (5, "5"),
        (True, "true"),
        (["P"], '["P"]'),
        ("a\nb", "a\nb"),
        ("a\0b", "a\0b"),
        ("x" * 65, "x" * 65),  # LO holds 64 characters
        ("\u202ep", "\u202ep"),  # turns the direction of what follows
    ],
    ids=range(9),
)
async def test_refuses_a_patient_id_that_is_none(ask_film, output_folder, value, shown):
    answer = await ask_film(patient_id=value)
    assert answer == (400, failure(f"Invalid patient_id: '{shown}' in request body"))
    assert not output_folder.exists()


@pytest.mark.parametrize("value", ["../../x", "/etc", "..", "CON", "a b", "Ünï-ß", "山田"])
async def test_the_callers_patient_id_stays_inside(ask_film, output_folder, tmp_path, value):
    before = {path.name for path in tmp_path.iterdir()}
    status, answer = await ask_film(save_to_disk=True, patient_id=value)
    assert (status, answer["Data"]["metadata"]["patient_id"]) == (200, value)
    assert {path.name for path in tmp_path.iterdir()} - before <= {"in", "out"}
    assert len(list(output_folder.iterdir())) == 1


# The same patient again


async def test_a_second_film_replaces_the_first(ask_film, output_folder, snapshot, triton):
    await ask_film()
    before = snapshot(output_folder)
    triton.answers["chest_xray"] = chest_xray_answer([0.1] * 12)
    await ask_film({"SOPInstanceUID": "1.2.3.5"})
    after = snapshot(output_folder)
    assert list(after) == list(before)
    document = json.loads(after["PAT001/PAT001_predictions.json"])
    assert (document["result"], document["metadata"]["sop_instance_uid"]) == ("Normal", "1.2.3.5")
    assert after["PAT001/PAT001_report.pdf"] != before["PAT001/PAT001_report.pdf"]


async def test_the_same_film_twice_gives_the_same_prediction(ask_film, output_folder, snapshot):
    await ask_film()
    before = snapshot(output_folder)
    await ask_film()
    after = snapshot(output_folder)
    del before["PAT001/PAT001_report.pdf"], after["PAT001/PAT001_report.pdf"]  # has an id and a time
    assert after == before


async def test_keeps_what_others_put_beside_the_results(ask_film, output_folder):
    await ask_film()
    (output_folder / "PAT001" / "letter.txt").write_text("keep")
    await ask_film()
    assert (output_folder / "PAT001" / "letter.txt").read_text() == "keep"


async def test_twenty_requests_for_one_patient_at_once_end_in_one_whole_set(
    ask, write_film, output_folder, snapshot
):
    uids = [f"1.2.{number}" for number in range(20)]
    films = [write_film(f"{uid}.dcm", SOPInstanceUID=uid, PatientName=f"N{uid}^") for uid in uids]
    answers = await asyncio.gather(
        *(ask(input_image_path=str(film), output_folder_path=str(output_folder)) for film in films)
    )
    assert answers == [(200, SUCCEEDED)] * 20
    files = snapshot(output_folder)
    assert len(files) == 5
    metadata = json.loads(files["PAT001/PAT001_predictions.json"])["metadata"]
    assert metadata["patient_name"] == f"N{metadata['sop_instance_uid']}"
