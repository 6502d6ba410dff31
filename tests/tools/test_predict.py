"""`radgate predict`: each film gets a row, also the one that cannot be assessed."""

import asyncio
import contextlib
import json
import shutil

import pytest
from typer.testing import CliRunner

from tools import predict as predict_module
from tools.__main__ import app


@pytest.fixture
def predict(no_environment, monkeypatch, triton):
    """Run it with the fake Triton at hand, on a wide terminal."""

    @contextlib.asynccontextmanager
    async def at_hand(settings, model):
        yield triton

    monkeypatch.setattr(predict_module, "triton_at_hand", at_hand)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("RADGATE_REPORT_WORKERS", "1")
    return lambda *arguments: CliRunner().invoke(app, ["predict", *map(str, arguments)])


@pytest.fixture
def not_dicom(input_folder):
    path = input_folder / "text.dcm"
    path.write_text("no DICOM")
    return path


def test_prints_result_and_findings(predict, write_film):
    result = predict(write_film())
    assert result.exit_code == 0
    assert "TB Presumptive" in result.stdout
    assert "Tuberculosis 0.87, Consolidation 0.72" in result.stdout
    assert "Not for clinical use" in result.stdout


def test_json_is_the_contracts_prediction_by_file(predict, write_film):
    film = write_film()
    (document,) = json.loads(predict(film, "--json").stdout)
    assert list(document) == ["file", "result", "findings", "metadata"]
    assert document["file"] == str(film)
    assert document["metadata"]["patient_id"] == "PAT001"


def test_a_file_that_is_no_dicom_gets_a_row_and_spoils_no_other(predict, write_film, not_dicom):
    result = predict(not_dicom, write_film())
    assert result.exit_code == 1
    assert "not assessed" in result.stdout
    assert "Invalid DICOM image" in result.stdout
    assert "TB Presumptive" in result.stdout


def test_json_names_the_error(predict, write_film, not_dicom):
    result = predict(not_dicom, write_film(), "--json")
    bad, good = json.loads(result.stdout)
    assert result.exit_code == 1
    assert list(bad) == ["file", "error"]
    assert "error" not in good


def test_a_refused_film_says_why(predict, write_film):
    """Unlike the API, whose contract hides it: here the operator asks."""
    result = predict(write_film(Modality="MR"))
    assert result.exit_code == 1
    assert "expected a radiograph" in result.stdout


@pytest.mark.parametrize("name", ["[bold]film.dcm", "[0001] PA.dcm", "[link=x].dcm"])
def test_brackets_in_a_name_are_no_markup(predict, write_film, input_folder, name):
    assert name in predict(write_film(name)).stdout
    shutil.copy(__file__, input_folder / name)
    result = predict(input_folder / name)
    assert result.exit_code == 1
    assert result.stdout.count(name) >= 2  # the row and its message


def test_a_closing_tag_in_a_folders_name_is_no_markup(predict, write_film, input_folder):
    folder = input_folder / "[bold]" / "x[" / "bold]"
    folder.mkdir(parents=True)
    film = write_film().rename(folder / "film.dcm")
    result = predict(film)
    assert result.exit_code == 0
    assert str(film) in result.stdout


def test_follows_links_that_a_person_made(predict, write_film, tmp_path):
    (tmp_path / "link.dcm").symlink_to(write_film())
    assert predict(tmp_path / "link.dcm").exit_code == 0


def test_writes_the_four_files_where_asked(predict, write_film, output_folder, snapshot):
    result = predict(write_film(), "--output", output_folder)
    assert result.exit_code == 0
    assert len(snapshot(output_folder)) == 5


def test_writes_nothing_when_not_asked(predict, write_film, tmp_path, snapshot):
    film = write_film()
    before = snapshot(tmp_path)
    predict(film)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("arguments", [(), ("/absent.dcm",), ("/",)])
def test_asks_for_files(predict, arguments):
    assert predict(*arguments).exit_code == 2


def test_films_in_their_hundreds_are_all_assessed_in_order(predict, write_film):
    films = [write_film(f"{number}.dcm", PatientID=str(number)) for number in range(40)]
    documents = json.loads(predict(*films, "--json").stdout)
    assert [document["metadata"]["patient_id"] for document in documents] == [str(n) for n in range(40)]


def test_a_triton_that_is_away_is_a_row(no_environment, monkeypatch, write_film):
    monkeypatch.setenv("RADGATE_TRITON_URL", "127.0.0.1:9")
    result = CliRunner().invoke(app, ["predict", "--json", str(write_film())])
    assert result.exit_code == 1
    assert json.loads(result.stdout)[0]["error"] == "chest_xray is not available"


def test_a_triton_that_does_not_start_ends_the_command_in_one_line(no_environment, monkeypatch, write_film):
    @contextlib.asynccontextmanager
    async def at_hand(settings, model):
        await asyncio.sleep(0)
        raise TimeoutError("Triton did not load chest_xray within 60 s")
        yield

    monkeypatch.setattr(predict_module, "triton_at_hand", at_hand)
    result = CliRunner().invoke(app, ["predict", str(write_film())])
    assert result.exit_code == 2
    assert result.stderr == "radgate: Triton did not load chest_xray within 60 s\n"
