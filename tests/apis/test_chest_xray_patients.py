"""Whatever a film calls its patient, the results stay inside the folder and apart from each other's."""

import json

import pytest

HOSTILE = [
    "../../x",
    "..\\..\\x",
    "/etc/passwd",
    "..",
    ".",
    "...",
    ".hidden",
    "trailing.",
    "a/b",
    "a\\b",
    "a\0b",
    "a\nb",
    "a\rb",
    "x" * 300,
    "é" * 150,
    "CON",
    "nul.txt",
    "COM1",
    "山田太郎",
    "עברית",
    "\u202egpj.exe",
    "a b",
    " leading",
    "~root",
    "$(id)",
    "%2e%2e%2f",
    "a:b",
    "*",
    "-rf",
    ".radgate-0123456789abcdef",
    "None",
    "<script>",
    "P\u0301",
    "P_1",
    "P 1",
    "P/1",
]


@pytest.fixture
def assess(ask, write_film, output_folder):
    async def post(patient_id):
        return await ask(
            input_image_path=str(write_film(PatientID=patient_id)),
            output_folder_path=str(output_folder),
            save_to_disk=True,
        )

    return post


# DICOM takes an escape for a change of character set, so that one does not come through as written.
@pytest.mark.parametrize("patient_id", [*HOSTILE, "a\x1b[31mb"], ids=range(len(HOSTILE) + 1))
async def test_results_stay_inside_the_folder(assess, patient_id, tmp_path, output_folder):
    status, answer = await assess(patient_id)
    assert status == 200
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out"}
    (folder,) = output_folder.iterdir()
    assert len(folder.name.encode()) <= 100
    assert sorted(file.name.removeprefix(folder.name) for file in folder.iterdir()) == [
        "_heatmap.png",
        "_predictions.json",
        "_report.pdf",
        "_source_image.png",
    ]
    assert answer["Data"]["heatmap"] == f"{folder}/{folder.name}_heatmap.png"


@pytest.mark.parametrize("patient_id", HOSTILE, ids=range(len(HOSTILE)))
async def test_the_prediction_holds_the_true_value(assess, patient_id, output_folder):
    _, answer = await assess(patient_id)
    (file,) = output_folder.glob("*/*_predictions.json")
    document = json.loads(file.read_text())
    assert document["metadata"]["patient_id"] == answer["Data"]["metadata"]["patient_id"] == patient_id


async def test_no_two_patients_share_a_folder(assess, output_folder):
    for patient_id in HOSTILE:
        await assess(patient_id)
    assert len(list(output_folder.iterdir())) == len(HOSTILE)


@pytest.mark.parametrize("patient_id", ["PAT001", "1234-5", "a_b.c", "ABC", "山田太郎"])
async def test_a_harmless_value_names_the_folder_as_it_is(assess, patient_id, output_folder):
    await assess(patient_id)
    assert [folder.name for folder in output_folder.iterdir()] == [patient_id]
