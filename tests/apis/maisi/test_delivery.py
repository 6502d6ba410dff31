"""Results that go to a pre-signed URL or a folder of the server, and not into the answer."""

import asyncio
import io
import sqlite3
import zipfile

import pytest

from gateway.errors import OutOfMemory
from tests.apis.maisi.conftest import emptied
from tests.apis.maisi.test_run import settled
from tests.peers.s3 import s3_server


@pytest.fixture(scope="module")
def s3():
    with s3_server() as server:
        yield server


@pytest.fixture
async def with_bucket(serve, s3):
    return await serve(peers=[s3.peer()])


async def test_uploads_the_zip_and_answers_json(run, with_bucket, s3, folders):
    response, _ = await run(client=with_bucket, pre_signed_url=s3.presigned("one.zip"), seed=3)
    body = await response.json()
    assert (response.status, body["status"], body["samples"][0]["seed"]) == (200, "success", 3)
    stored = s3.stored("one.zip")
    assert stored["ContentType"] == "application/zip"
    assert len(zipfile.ZipFile(io.BytesIO(stored["Body"].read())).namelist()) == 2
    await emptied(folders)


async def test_an_upload_can_be_a_job(run, with_bucket, s3):
    response, _ = await run(
        client=with_bucket, pre_signed_url=s3.presigned("two.zip"), headers={"Prefer": "respond-async"}
    )
    status = await settled(with_bucket, response.headers["Location"])
    assert (status["state"], status["result"]) == ("succeeded", None)
    assert s3.stored("two.zip")["ContentLength"] > 1000
    assert (await with_bucket.get(response.headers["Location"] + "/result")).status == 410


async def test_the_url_is_a_credential_and_stands_nowhere(run, with_bucket, s3, model, tmp_path):
    model.gate = asyncio.Event()
    url = s3.presigned("three.zip")
    response, _ = await run(client=with_bucket, pre_signed_url=url, headers={"Prefer": "respond-async"})
    await model.began.wait()
    with sqlite3.connect(tmp_path / "app.db") as database:
        dump = "\n".join(database.iterdump())
    assert "three.zip" not in dump
    assert "X-Amz-Signature" not in dump
    model.gate.set()
    assert (await settled(with_bucket, response.headers["Location"]))["state"] == "succeeded"


async def test_a_failed_upload_is_said_to_be_one(run, with_bucket, s3, folders):
    url = s3.presigned("x") + "&partNumber=1&uploadId=none"  # no such upload: 404
    response, _ = await run(client=with_bucket, pre_signed_url=url)
    body = await response.json()
    assert response.status == 502
    assert "peer s3" in body["detail"]
    assert "Signature" not in body["detail"]
    await emptied(folders)


async def test_urls_of_strangers_are_refused_before_anything_is_generated(run, with_bucket, model):
    response, _ = await run(client=with_bucket, pre_signed_url="http://169.254.169.254/latest/meta-data")
    (fault,) = (await response.json())["detail"]
    assert (response.status, fault["loc"]) == (422, ["body", "pre_signed_url"])
    assert model.asked == []


async def test_saves_the_files_in_a_folder_and_answers_json(run, tmp_path, folders):
    target = tmp_path / "results" / "new"
    response, _ = await run(
        local_working_dir=str(target), num_output_samples=2, image_output_ext=".dcm", sidecar=True
    )
    body = await response.json()
    assert (response.status, body["status"]) == (200, "success")
    assert sorted(body["files"]) == sorted(path.name for path in target.iterdir())
    assert len(body["files"]) == 6
    (series, _) = sorted(path for path in target.iterdir() if path.is_dir())
    assert len(list(series.iterdir())) == 128
    await emptied(folders)


async def test_folders_outside_the_roots_are_refused(serve, run, model, tmp_path):
    (tmp_path / "allowed").mkdir()
    client = await serve(output_roots=(tmp_path / "allowed",), input_roots=(tmp_path / "allowed",))
    for path in (str(tmp_path / "elsewhere"), f"{tmp_path}/allowed/../elsewhere", "relative"):
        response, _ = await run(client=client, local_working_dir=path)
        (fault,) = (await response.json())["detail"]
        assert (response.status, fault["loc"]) == (422, ["body", "local_working_dir"])
    assert model.asked == []
    assert not (tmp_path / "elsewhere").exists()


async def test_a_failure_leaves_no_file_in_the_folder(run, model, tmp_path):
    target = tmp_path / "results"
    target.mkdir()
    model.fails = [OutOfMemory("maisi ran out of memory")]
    response, _ = await run(local_working_dir=str(target))
    assert response.status == 507
    assert list(target.iterdir()) == []
