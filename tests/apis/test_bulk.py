"""What /bulk_inference does with a folder of films, by its documentation."""

import asyncio
import os
import shutil

import pytest

from gateway.files.folder import MAX_DEPTH
from tests.apis.bulk_callers import names_of

DONE = {"Result": "Success", "Data": None, "Message": "Bulk inference completed successfully."}
IN_VAIN = {
    "Result": "Warning",
    "Data": None,
    "Message": "Bulk inference completed, no image could be processed.",
}


async def test_answers_as_documented_with_a_set_for_each_patient(caller, write_films, output_folder, sets):
    write_films(7)
    status, _, body = await caller.post()
    assert (status, body) == (200, DONE)
    assert sets() == {f"P{number:03}": f"1.2.3.{number}" for number in range(7)}
    assert names_of(output_folder) == set(sets())


async def test_only_dcm_files_of_any_case_in_any_depth(caller, write_film, input_folder, sets, tmp_path):
    (input_folder / "a" / "b").mkdir(parents=True)
    write_film("a/b/x.DCM", PatientID="DEEP")
    write_film("x.dcm", PatientID="FLAT")
    write_film("y.dicom", PatientID="NO1")
    write_film("dcm", PatientID="NO2")
    (input_folder / "folder.dcm").mkdir()
    away = tmp_path / "away"
    away.mkdir()
    shutil.move(write_film("z.dcm", PatientID="NO3"), away)
    (input_folder / "link").symlink_to(away)
    (input_folder / "link.dcm").symlink_to(away)
    assert (await caller.post())[2] == DONE
    assert set(sets()) == {"DEEP", "FLAT"}


async def test_the_last_film_of_a_patient_in_order_stays(caller, write_film, sets, triton):
    """Though the first takes longest, and four are in work at a time."""
    answer = triton.answers["chest_xray"]
    waits = iter((0.4, 0.2, 0.1, 0.0))

    async def slower_first(inputs, parameters):
        await asyncio.sleep(next(waits))
        return answer(inputs, parameters)

    triton.answers["chest_xray"] = slower_first
    for number in range(4):
        write_film(f"f{number}.dcm", PatientID="SAME", SOPInstanceUID=f"1.2.{number}")
    assert (await caller.post())[2] == DONE
    assert sets() == {"SAME": "1.2.3"}


async def test_films_that_cannot_be_assessed_are_skipped_and_the_manifest_says_why(
    caller, write_film, input_folder, manifest, sets
):
    write_film("a.dcm", PatientID="GOOD")
    (input_folder / "b.dcm").write_bytes(b"no film")
    (input_folder / "c.dcm").write_bytes(b"")
    write_film("d.dcm", PatientID=None)
    whole = write_film("e.dcm").read_bytes()
    (input_folder / "e.dcm").write_bytes(whole[:-300])
    (input_folder / "f.dcm").symlink_to(input_folder / "a.dcm")
    os.mkfifo(input_folder / "g.dcm")
    assert (await caller.post(manifest=True))[2] == DONE
    lines = {line["input"]: line for line in manifest()}
    assert len(manifest()) == len(lines) == 7
    assert lines["a.dcm"]["outcome"] == "done"
    assert lines["a.dcm"]["outputs"][0] == "GOOD/GOOD_predictions.json"
    assert lines["a.dcm"]["seconds"] > 0
    assert [lines[name]["outcome"] for name in sorted(lines)[1:]] == ["skipped"] * 6
    assert lines["b.dcm"]["reason"].startswith("Invalid DICOM image")
    assert lines["d.dcm"]["reason"].startswith("Patient ID is empty or None")
    assert lines["f.dcm"]["reason"] == "The path is a symbolic link"
    assert all(lines[name]["reason"] for name in sorted(lines)[1:])
    assert set(sets()) == {"GOOD"}


async def test_a_warning_where_every_film_failed(caller, input_folder):
    (input_folder / "a.dcm").write_bytes(b"no film")
    assert (await caller.post())[::2] == (200, IN_VAIN)


async def test_no_manifest_and_no_journal_where_nobody_asked(caller, write_films, output_folder):
    write_films(1)
    await caller.post()
    assert names_of(output_folder) == {"P000"}


async def test_a_film_that_changes_while_it_is_read_is_skipped(caller, write_film, monkeypatch, manifest):
    from gateway.apis.chest_xray import films

    path = write_film("a.dcm")
    read = films.read_bounded

    def read_and_change(fd, most):
        data = read(fd, most)
        path.write_bytes(data + b"more")
        return data

    monkeypatch.setattr(films, "read_bounded", read_and_change)
    assert (await caller.post(manifest=True))[2] == IN_VAIN
    assert manifest()[0]["reason"] == "The file changed while it was read"


async def test_a_film_that_vanishes_is_skipped(caller, write_films, triton, input_folder, manifest):
    answer = triton.answers["chest_xray"]

    def clear(inputs, parameters):
        shutil.rmtree(input_folder / "d3", ignore_errors=True)
        return answer(inputs, parameters)

    triton.answers["chest_xray"] = clear
    write_films(12)
    assert (await caller.post(manifest=True))[2] == DONE
    vanished = [line for line in manifest() if line["input"].startswith("d3/")]
    assert [line["outcome"] for line in vanished] == ["skipped"] * 3
    assert vanished[0]["reason"] == "There is nothing at this path"


async def test_a_folder_that_cannot_be_read_is_skipped(caller, write_films, input_folder, manifest):
    (input_folder / "deep").joinpath(*["e"] * MAX_DEPTH).mkdir(parents=True)
    write_films(1)
    assert (await caller.post(manifest=True))[2] == DONE
    (line,) = [line for line in manifest() if line["outcome"] == "skipped"]
    assert line["input"] == "deep/" + "e/" * MAX_DEPTH
    assert line["reason"] == "The folder could not be read"


async def test_studies_of_a_patient_stay_apart_where_the_operator_wants_it(
    serve_service, service, start_bulk, folders, write_film, output_folder
):
    from tests.apis.bulk_callers import Caller

    client = await serve_service(service, bulk=await start_bulk(studies=True))
    for number in range(3):
        write_film(f"f{number}.dcm", PatientID="SAME", SOPInstanceUID=f"1.2.{number}")
    assert (await Caller(client, folders).post())[2] == DONE
    assert names_of(output_folder / "SAME") == {
        f"1.2.{number}_{suffix}"
        for number in range(3)
        for suffix in ("predictions.json", "heatmap.png", "source_image.png", "report.pdf")
    }


async def test_resume_leaves_complete_sets_alone(caller, write_films, write_film, inferred, sets):
    write_films(3)
    await caller.post()
    write_film("d0/f001.dcm", PatientID="P001", SOPInstanceUID="1.2.3.99")
    write_films(1, start=3)
    assert (await caller.post(resume=True))[2] == DONE
    assert inferred() == 3 + 2
    assert sets()["P001"] == "1.2.3.99"
    assert (await caller.post())[2] == DONE
    assert inferred() == 5 + 4


@pytest.mark.parametrize("name", ["bad\udce4.dcm", "two\nlines.dcm", "…üñ.dcm"])
async def test_names_of_any_kind(caller, write_film, input_folder, manifest, name):
    os.rename(write_film("a.dcm"), os.fsencode(input_folder) + b"/" + os.fsencode(name))
    assert (await caller.post(manifest=True))[2] == DONE
    assert [line["input"] for line in manifest()] == [name]
