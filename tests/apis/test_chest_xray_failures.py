"""What a caller sees when something fails, and that nothing is left behind."""

import asyncio
import contextlib
import json
import os
import shutil
import socket

import numpy as np
import pytest
from aiohttp import web

from gateway.accounts.tokens import TokenVerifier
from gateway.apis import chest_xray
from gateway.apis.chest_xray.bulk import Bulk
from gateway.apis.chest_xray.schema import SingleInference
from gateway.apis.chest_xray.service import ChestXray
from gateway.app import public_applications
from gateway.errors import InferenceFailed, InferenceTimeout, ModelUnavailable
from gateway.files.roots import Roots
from gateway.settings import Settings
from gateway.triton.admission import Admission
from gateway.triton.client import TritonClient
from tests.conftest import SECRET
from tests.fakes.triton import chest_xray_answer

INTERNAL = {
    "Result": "Failure",
    "Data": None,
    "Message": "Single Inference failed due to an internal error",
}
NOBODY = 65534


def failing(error):
    def answer(inputs, parameters):
        raise error

    return answer


def no_folder(path):
    return {"Result": "Failure", "Data": None, "Message": f"Unable to create output folder: {path}"}


@pytest.fixture
def ask_film(ask, write_film, output_folder):
    async def post(folder=None, **fields):
        image = str(write_film())
        return await ask(input_image_path=image, output_folder_path=str(folder or output_folder), **fields)

    return post


# Row 9: no prediction

FAULTS = {
    "Triton is down": failing(ModelUnavailable("chest_xray is not available")),
    "Triton failed": failing(InferenceFailed("chest_xray failed")),
    "Triton is late": failing(InferenceTimeout("chest_xray did not answer in time")),
    "a bug of ours": failing(KeyError("secret value")),
    "the gate refused the film": chest_xray_answer(chest_logit=-1.0),
    "not the documents that it should give": lambda inputs, parameters: {
        **chest_xray_answer()(inputs, parameters),
        "prediction": np.array([[b"no JSON"]], object),
    },
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("fields", [{}, {"save_to_disk": True}, {"save_to_disk": False}], ids=str)
async def test_says_no_more_than_that_it_failed(ask_film, triton, fault, fields):
    triton.answers["chest_xray"] = FAULTS[fault]
    assert await ask_film(**fields) == (500, INTERNAL)


@pytest.mark.parametrize("fault", FAULTS)
async def test_leaves_no_file_and_no_folder(ask_film, triton, tmp_path, snapshot, fault):
    triton.answers["chest_xray"] = FAULTS[fault]
    await ask_film(tmp_path / "out" / "deeper")
    assert sorted(snapshot(tmp_path)) == ["in", "in/film.dcm"]


@pytest.mark.parametrize("fault", FAULTS)
async def test_leaves_the_last_results_as_they_were(ask_film, triton, output_folder, snapshot, fault):
    await ask_film()
    before = snapshot(output_folder)
    triton.answers["chest_xray"] = FAULTS[fault]
    await ask_film()
    assert snapshot(output_folder) == before


@pytest.mark.parametrize("fault", FAULTS)
async def test_works_again_afterwards(ask_film, triton, fault):
    working = triton.answers["chest_xray"]
    triton.answers["chest_xray"] = FAULTS[fault]
    for _ in range(5):  # more than there are places in the queue
        await ask_film()
    triton.answers["chest_xray"] = working
    assert (await ask_film())[0] == 200


@pytest.mark.parametrize(
    ("fault", "doubts"),
    [
        ("Triton is down", 1),
        ("Triton failed", 1),
        ("Triton is late", 0),  # busy, perhaps
        ("the gate refused the film", 0),  # the film's fault
    ],
)
async def test_tells_the_canary_when_the_pipeline_is_at_fault(ask_film, service, triton, fault, doubts):
    seen = []
    service.on_failure = lambda: seen.append(1)
    triton.answers["chest_xray"] = FAULTS[fault]
    await ask_film()
    assert len(seen) == doubts


@pytest.mark.parametrize(
    "attributes",
    [
        {"Modality": "MR"},
        {"BodyPartExamined": "BREAST"},
        {"ViewPosition": "LL"},
        {"Rows": 60000, "Columns": 60000},
        {"BitsAllocated": 64},
    ],
    ids=str,
)
async def test_refuses_an_image_without_saying_why(ask, write_film, output_folder, attributes):
    """The contract has no row for it; the operator's log names the reason."""
    answer = await ask(input_image_path=str(write_film(**attributes)), output_folder_path=str(output_folder))
    assert answer == (500, INTERNAL)
    assert not output_folder.exists()


async def test_a_film_that_waits_too_long_for_its_turn_fails(
    serve_service, make_service, triton, write_film, output_folder, token
):
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def slow(inputs, parameters):
        reached.set()
        while not go_on.is_set():
            with contextlib.suppress(asyncio.CancelledError):  # and keeps its place beyond its deadline
                await go_on.wait()
        raise InferenceTimeout("late")

    triton.answers["chest_xray"] = slow
    client = await serve_service(make_service(in_flight=1, timeout_seconds=0.1))
    body = {"input_image_path": str(write_film()), "output_folder_path": str(output_folder)}

    async def post():
        response = await client.post("/single_inference", json=body, headers={"Authorization": token})
        return response.status, await response.json()

    first = asyncio.create_task(post())
    await reached.wait()
    assert await asyncio.gather(post(), post()) == [(500, INTERNAL)] * 2
    go_on.set()
    assert await first == (500, INTERNAL)
    assert len(triton.calls) == 1
    assert not output_folder.exists()


async def test_a_triton_that_is_not_there_is_an_internal_error(
    serve_service, reports, write_film, output_folder, token
):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        triton = TritonClient(f"127.0.0.1:{unused.getsockname()[1]}")
        service = ChestXray(
            triton,
            reports,
            Admission("chest_xray", in_flight=1),
            input_roots=Roots(),
            output_roots=Roots(),
            timeout_seconds=5.0,
        )
        client = await serve_service(service)
        body = {"input_image_path": str(write_film()), "output_folder_path": str(output_folder)}
        response = await client.post("/single_inference", json=body, headers={"Authorization": token})
        assert (response.status, await response.json()) == (500, INTERNAL)
        await triton.close()
    assert not output_folder.exists()


# Row 8: no place for the results


async def test_tells_when_a_file_is_in_the_way(ask_film, tmp_path):
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "out"):
        assert await ask_film(folder) == (500, no_folder(folder))
    assert (tmp_path / "file").read_text() == "mine"


async def test_tells_when_a_file_has_the_patients_name(ask_film, output_folder, snapshot):
    output_folder.mkdir()
    (output_folder / "PAT001").write_text("mine")
    assert await ask_film() == (500, no_folder(output_folder))
    assert snapshot(output_folder) == {"PAT001": b"mine"}


async def test_writes_through_no_link_in_the_patients_name(ask_film, output_folder, tmp_path):
    output_folder.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (output_folder / "PAT001").symlink_to(tmp_path / "elsewhere")
    assert await ask_film() == (500, no_folder(output_folder))
    assert not list((tmp_path / "elsewhere").iterdir())


async def test_writes_through_no_link_on_the_way(ask_film, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for folder in (tmp_path / "link", tmp_path / "link" / "out"):
        status, answer = await ask_film(folder)
        assert (status, answer["Message"]) == (400, f"Invalid path output_folder_path: {folder}")
    assert not list((tmp_path / "elsewhere").iterdir())


async def test_a_full_disk_leaves_nothing(ask_film, mount_tmpfs, snapshot):
    disk = mount_tmpfs("size=16k")
    folder = disk / "a" / "b"
    assert await ask_film(folder) == (500, no_folder(folder))
    assert snapshot(disk) == {}


async def test_a_full_disk_leaves_the_last_results(ask_film, mount_tmpfs, snapshot):
    disk = mount_tmpfs("size=100k")
    assert (await ask_film(disk))[0] == 200
    before = snapshot(disk)
    (disk / "filler").write_bytes(bytes(os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize))
    assert await ask_film(disk) == (500, no_folder(disk))
    (disk / "filler").unlink()
    assert snapshot(disk) == before


async def test_a_disk_without_room_for_folders_is_told(ask_film, mount_tmpfs, triton):
    disk = mount_tmpfs("nr_inodes=1")
    assert await ask_film(disk) == (500, no_folder(disk))
    assert not triton.calls


async def test_a_read_only_disk_is_told_before_the_inference(ask_film, mount_tmpfs, triton):
    disk = mount_tmpfs("ro,size=1m")
    for folder in (disk, disk / "out"):
        assert await ask_film(folder) == (500, no_folder(folder))
    assert not triton.calls


async def test_a_folder_of_somebody_else_is_told(ask_film, write_film):
    folder = os.path.join("/proc/self/fdinfo", "out")  # refuses root, too
    status, answer = await ask_film(folder)
    assert (status, answer) in ((500, no_folder(folder)), (400, answer))
    assert answer["Message"].endswith(folder)


# Callers that go, servers that stop


@pytest.fixture
def asked(write_film, output_folder):
    return SingleInference(str(write_film()), str(output_folder / "a"), True, False, None)


@pytest.fixture
def open_descriptors():
    return lambda: len(os.listdir("/proc/self/fd"))


async def test_a_request_cut_off_in_its_inference_leaves_nothing(service, triton, asked, tmp_path, snapshot):
    reached = asyncio.Event()

    async def never(inputs, parameters):
        reached.set()
        await asyncio.Event().wait()

    triton.answers["chest_xray"] = never
    task = asyncio.create_task(service.single_inference(asked))
    await reached.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert sorted(snapshot(tmp_path)) == ["in", "in/film.dcm"]


async def test_a_request_cut_off_anywhere_leaves_all_or_nothing(
    service, asked, output_folder, snapshot, open_descriptors
):
    """A stop comes at any moment: while a thread opens the film, makes the folder or writes into it."""
    await service.single_inference(asked)  # starts what is started once
    whole = sorted(snapshot(output_folder))
    before = open_descriptors()
    for step in range(40):
        await asyncio.to_thread(_remove, output_folder)
        task = asyncio.create_task(service.single_inference(asked))
        for _ in range(step):
            await asyncio.sleep(0)
        await asyncio.sleep(step / 1000)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.02)
        assert sorted(snapshot(output_folder)) in ([], whole)
    for _ in range(500):  # the last thread may still be on its way out
        if open_descriptors() <= before:
            break
        await asyncio.sleep(0.01)
    assert open_descriptors() <= before


def _remove(folder):
    shutil.rmtree(folder, ignore_errors=True)


async def test_a_caller_that_goes_still_gets_its_results(
    service, triton, token, write_film, output_folder, snapshot, no_environment
):
    reached, go_on = asyncio.Event(), asyncio.Event()
    answer = triton.answers["chest_xray"]

    async def slow(inputs, parameters):
        reached.set()
        await go_on.wait()
        return answer(inputs, parameters)

    triton.answers["chest_xray"] = slow
    body = json.dumps({"input_image_path": str(write_film()), "output_folder_path": str(output_folder)})
    head = f"POST /single_inference HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    async with served(service) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write((head + body).encode())
        await reached.wait()
        writer.transport.abort()
        await asyncio.sleep(0.05)
        go_on.set()
        for _ in range(500):
            await asyncio.sleep(0.01)
            if (output_folder / "PAT001").exists():
                break
    assert len(snapshot(output_folder)) == 5


@contextlib.asynccontextmanager
async def served(service):
    """Listen as an instance does, which does not cancel what a caller leaves; aiohttp's test server does."""
    settings = Settings()
    bulk = Bulk(None, input_roots=Roots(), output_roots=Roots())
    api = chest_xray.api_of(settings, service, bulk, TokenVerifier([SECRET]))
    app = public_applications(settings, [api])[settings.chest_xray_port]
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def test_a_report_worker_that_was_killed_is_replaced_once(ask_film, reports, caplog):
    assert (await ask_film())[0] == 200
    for process in list(reports._pool._processes.values()):
        process.kill()
    answers = await asyncio.gather(*(ask_film() for _ in range(6)))
    assert [status for status, _ in answers] == [200] * 6
    assert caplog.text.count("a report worker died") == 1
