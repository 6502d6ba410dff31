"""POST /v1/maisi/run and its neighbours, over HTTP."""

import asyncio
import json
import re
import zipfile
from io import BytesIO

import nibabel
import numpy as np
import pytest
import SimpleITK

from gateway.errors import InferenceFailed, InferenceTimeout, InvalidImage, ModelUnavailable, OutOfMemory
from tests.apis.maisi.conftest import BODY, emptied, members, nifti, volume

NAME = re.compile(r"sample_\d{8}_\d{6}_\d{6}_(image|label)\.nii\.gz")


async def settled(client, location, *, seconds=60):
    for _ in range(seconds * 20):
        status = await (await client.get(location)).json()
        if status["finished_at"]:
            return status
        await asyncio.sleep(0.05)
    raise AssertionError(status)


async def test_gives_a_zip_of_image_and_label(run):
    response, body = await run(seed=42)
    assert (response.status, response.content_type) == (200, "application/zip")
    assert response.headers["Content-Disposition"] == "attachment; filename=output.zip"
    assert int(response.headers["Content-Length"]) == len(body)
    assert (response.headers["X-Maisi-Seed"], response.headers["X-Maisi-Quality"]) == ("42", "passed")
    files = members(body)
    assert len(files) == 2
    assert all(NAME.fullmatch(name) for name in files)
    image_name, label_name = sorted(files)
    assert image_name.replace("image", "label") == label_name
    image, label = nifti(files[image_name]), nifti(files[label_name])
    expected, labels = volume(42, BODY["output_size"])
    assert np.array_equal(image.get_fdata(), expected)
    assert np.allclose(image.affine, np.diag([1.5, 1.5, 1.5, 1]))
    assert np.array_equal(image.affine, label.affine)
    # By the contract, values are places in anatomy_list: spleen, liver.
    assert np.array_equal(label.get_fdata(), (labels == 3) * 1 + (labels == 1) * 2)


async def test_compressed_members_are_stored_and_others_are_not(run):
    _, body = await run(image_output_ext=".nii", label_output_ext=".nrrd")
    listed = zipfile.ZipFile(BytesIO(body)).infolist()
    kinds = {each.filename.partition(".")[2]: each.compress_type for each in listed}
    assert kinds == {"nii": zipfile.ZIP_DEFLATED, "nrrd": zipfile.ZIP_STORED}


async def test_leaves_nothing_behind(run, folders):
    await run()
    await emptied(folders)


async def test_each_sample_has_a_seed_and_a_name_of_its_own(run, model):
    response, body = await run(num_output_samples=2, seed=7)
    assert response.headers["X-Maisi-Seed"] == "7,8"
    assert len(members(body)) == 4
    assert [each["seed"] for each in model.asked] == [7, 8]


async def test_draws_a_seed_and_says_which(run, model):
    response, _ = await run()
    assert int(response.headers["X-Maisi-Seed"]) == model.asked[0]["seed"]


async def test_the_same_seed_gives_the_same_bytes(run):
    first, second = [members((await run(seed=5))[1]) for _ in range(2)]
    assert sorted(first) != sorted(second)
    assert [first[name] for name in sorted(first)] == [second[name] for name in sorted(second)]


async def test_asks_the_model_for_what_was_asked(run, model):
    await run(seed=1, num_inference_steps=3)
    assert model.asked == [
        {
            "seed": 1,
            "output_size": [256, 256, 128],
            "spacing_mm": [1.5, 1.5, 1.5],
            "body_region": ["abdomen"],
            "anatomy_list": ["spleen", "liver"],
            "controllable_anatomy_size": [],
            "num_inference_steps": 3,
        }
    ]


async def test_with_sizes_the_model_gets_their_names(run, model):
    await run(controllable_anatomy_size=[["hepatic tumor", 0.3], ["liver", 0.5]], body_region=["no such"])
    (asked,) = model.asked
    assert (asked["body_region"], asked["anatomy_list"]) == ([], ["hepatic tumor", "liver"])
    assert asked["controllable_anatomy_size"] == [["hepatic tumor", 0.3], ["liver", 0.5]]


async def test_native_labels_keep_their_indices(run):
    _, body = await run(label_values="native", sidecar=True, seed=3)
    files = members(body)
    (label,) = [file for name, file in files.items() if name.endswith("_label.nii.gz")]
    assert set(np.unique(nifti(label).get_fdata())) == {0, 1, 3, 200}
    (sidecar,) = [file for name, file in files.items() if name.endswith(".json")]
    told = json.loads(sidecar)
    assert told["labels"] == {"liver": 1, "spleen": 3, "body": 200}
    assert (told["seed"], told["synthetic"], told["quality"]["passed"]) == (3, True, True)


async def test_tries_other_seeds_until_quality_control_passes(run, model):
    model.bad_seeds = {7, 8}
    response, _ = await run(seed=7)
    assert [each["seed"] for each in model.asked] == [7, 8, 9]
    assert (response.headers["X-Maisi-Seed"], response.headers["X-Maisi-Quality"]) == ("9", "passed")


async def test_gives_what_does_not_pass_in_the_end_and_says_so(run, model):
    model.bad_seeds = set(range(100))
    response, body = await run(seed=7)
    assert len(model.asked) == 3
    assert response.headers["X-Maisi-Quality"] == "failed"
    assert len(members(body)) == 2


async def test_dicom_is_a_series_and_a_segmentation(run, tmp_path):
    _, body = await run(image_output_ext=".dcm", label_output_ext=".dcm", seed=1)
    files = members(body)
    slices = sorted(name for name in files if "_image/" in name)
    assert len(slices) == 128
    assert slices[0].endswith("_image/IM0001.dcm")
    (label,) = set(files) - set(slices)
    assert label.endswith("_label.dcm")
    for name, file in files.items():
        (tmp_path / name.replace("/", "_")).write_bytes(file)
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames([str(tmp_path / name.replace("/", "_")) for name in slices])
    read = SimpleITK.GetArrayFromImage(reader.Execute()).transpose(2, 1, 0)[::-1, ::-1]
    assert np.array_equal(read, volume(1, BODY["output_size"])[0])


@pytest.mark.parametrize(
    ("failure", "status", "said"),
    [
        (ModelUnavailable("maisi is not available"), 503, "not available"),
        (InferenceTimeout("maisi did not answer in time"), 504, "in time"),
        (OutOfMemory("maisi ran out of memory"), 507, "out of memory"),
        (InferenceFailed("maisi failed"), 502, "maisi failed"),
    ],
)
async def test_says_what_failed_and_leaves_nothing(run, model, folders, failure, status, said):
    model.fails = [failure]
    response, _ = await run()
    body = await response.json()
    assert (response.status, set(body)) == (status, {"detail"})
    assert said in body["detail"]
    assert ("Retry-After" in response.headers) == (status in (503, 507))
    await emptied(folders)


async def test_what_the_model_cannot_make_is_the_requests_fault(run, model):
    model.fails = [InvalidImage("the brain does not lie in the field of view")]
    response, _ = await run()
    assert response.status == 422
    assert await response.json() == {
        "detail": [
            {"loc": ["body"], "msg": "the brain does not lie in the field of view", "type": "value_error"}
        ]
    }


async def test_refuses_what_is_wrong_before_anything_is_generated(run, model):
    response, _ = await run(spacing=[0.9, 0.9, 1], output_size=[256, 256, 128])
    assert response.status == 422
    (fault,) = (await response.json())["detail"]
    assert fault["loc"] == ["body", "spacing", 0]
    assert model.asked == []


async def test_does_not_let_a_caller_wait_for_models_that_are_away(serve, run, model):
    response, _ = await run(client=await serve(ready=False))
    assert response.status == 503
    assert model.asked == []


async def test_takes_json_only(client):
    response = await client.post("/v1/maisi/run", data=b"{}", headers={"Content-Type": "text/plain"})
    assert response.status == 415


async def test_validates_without_generating(run, model):
    response, _ = await run("/v1/maisi/validate")
    body = await response.json()
    assert (response.status, body["valid"]) == (200, True)
    assert (body["field_of_view_mm"], body["labels"]) == ([384, 384, 192], {"spleen": 1, "liver": 2})
    response, _ = await run("/v1/maisi/validate", anatomy_list=["lver"])
    assert response.status == 422
    assert "Did you mean 'liver'?" in (await response.json())["detail"][0]["msg"]
    assert model.asked == []


async def test_answers_at_once_where_that_is_preferred(client, run):
    response, _ = await run(headers={"Prefer": "respond-async"}, seed=11)
    assert (response.status, response.headers["Preference-Applied"]) == (202, "respond-async")
    location = response.headers["Location"]
    status = await settled(client, location)
    assert (status["state"], status["done"], status["num_output_samples"]) == ("succeeded", 1, 1)
    assert status["samples"][0]["seed"] == 11
    result = await client.get(status["result"])
    assert (result.status, result.headers["X-Maisi-Seed"]) == (200, "11")
    assert result.content_type == "application/zip"
    archive = await result.read()
    assert len(members(archive)) == 2
    part = await client.get(status["result"], headers={"Range": "bytes=0-3"})
    assert (part.status, await part.read()) == (206, b"PK\x03\x04")


async def test_streams_progress(client, run):
    response, _ = await run(headers={"Prefer": "respond-async"})
    events = await client.get(response.headers["Location"] + "/events")
    text = (await events.read()).decode()
    assert events.content_type == "text/event-stream"
    assert text.count("event: end") == 1
    assert '"state":"succeeded"' in text


async def test_a_job_can_be_cancelled_while_it_generates(client, run, model, folders):
    model.gate = asyncio.Event()
    response, _ = await run(headers={"Prefer": "respond-async"})
    location = response.headers["Location"]
    await model.began.wait()
    assert (await client.get(location + "/result")).status == 409
    assert (await client.delete(location)).status in (200, 202)
    assert (await settled(client, location))["state"] == "cancelled"
    await emptied(folders)
    assert (await client.get(location + "/result")).status == 409


async def test_a_result_can_be_removed(client, run, folders):
    response, _ = await run(headers={"Prefer": "respond-async"})
    location = response.headers["Location"]
    await settled(client, location)
    assert (await client.delete(location)).status == 200
    await emptied(folders)
    assert (await client.get(location + "/result")).status == 410


async def test_a_caller_who_leaves_cancels_what_it_waited_for(client, model, folders):
    model.gate = asyncio.Event()
    asking = asyncio.create_task(client.post("/v1/maisi/run", json=BODY))
    await model.began.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await emptied(folders)


async def test_a_job_waits_for_a_triton_that_is_away(client, run, model, monkeypatch):
    monkeypatch.setattr("gateway.apis.maisi.workflow.UNAVAILABLE_PAUSE_SECONDS", 0.01)
    model.fails = [ModelUnavailable("maisi is not available")] * 3
    response, _ = await run(headers={"Prefer": "respond-async"})
    assert (await settled(client, response.headers["Location"]))["state"] == "succeeded"


async def test_a_failed_job_says_why(client, run, model, folders):
    model.fails = [OutOfMemory("maisi ran out of memory")]
    response, _ = await run(headers={"Prefer": "respond-async"})
    status = await settled(client, response.headers["Location"])
    assert status["error"] == {"code": "out_of_memory", "status": 507, "message": "maisi ran out of memory"}
    await emptied(folders)


@pytest.mark.parametrize("job", ["x", "6b0c5a4f-d5b1-4a0f-9f3e-6d7f3c5f2f10"])
async def test_there_is_no_such_job(client, job):
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/events"), ("GET", "/result")):
        assert (await client.request(method, f"/v1/maisi/jobs/{job}{path}")).status == 404


async def test_says_that_it_is_live_and_ready(serve):
    client = await serve()
    live, ready = [await client.get(f"/v1/health/{each}") for each in ("live", "ready")]
    assert (live.status, (await live.json())["status"]) == (200, "live")
    assert (ready.status, (await ready.json())["status"]) == (200, "ready")


async def test_is_not_ready_without_its_models(serve):
    client = await serve(ready=False)
    ready = await client.get("/v1/health/ready")
    assert (ready.status, (await ready.json())["status"]) == (503, "not ready")
    assert (await client.get("/v1/health/live")).status == 200


async def test_describes_itself(client):
    info = await (await client.get("/v1/maisi/info")).json()
    assert len(info["labels"]) == 124
    assert (info["labels"]["liver"], info["labels"]["colon cancer primaries"]) == (1, 27)
    assert len(info["recommended"]) == 9
    license = await (await client.get("/v1/license")).json()
    assert "Apache" in license["license"]


async def test_only_who_may_ask_is_answered(serve, run):
    client = await serve(maisi_auth="jwt")
    for path in ("/v1/maisi/run", "/v1/maisi/validate"):
        response, _ = await run(path, client=client)
        assert response.status == 401
    assert (await client.get("/v1/maisi/info")).status == 401
    assert (await client.get("/v1/maisi/jobs/x")).status == 401
    assert (await client.get("/v1/health/ready")).status == 200


async def test_an_image_of_the_whole_is_readable_by_nibabel_from_disk(run, tmp_path):
    _, body = await run(image_output_ext=".nii")
    (name,) = [each for each in members(body) if each.endswith("_image.nii")]
    (tmp_path / "image.nii").write_bytes(members(body)[name])
    assert nibabel.load(tmp_path / "image.nii").shape == (256, 256, 128)
