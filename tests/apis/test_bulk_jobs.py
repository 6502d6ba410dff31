"""Bulk inference in the background: its status, its events, its end, and who may see it."""

import asyncio
import json

import pytest

from gateway.apis.chest_xray import bulk_films
from gateway.errors import InferenceFailed, ModelUnavailable
from tests.apis.bulk_callers import Caller

NO_SUCH = {"Result": "Failure", "Data": None, "Message": "no such job"}


@pytest.fixture
def hold(triton):
    """Let Triton answer only when told to."""
    answer, go_on = triton.answers["chest_xray"], asyncio.Event()

    async def wait(inputs, parameters):
        await go_on.wait()
        return answer(inputs, parameters)

    triton.answers["chest_xray"] = wait
    return go_on


async def test_a_job_in_the_background_says_how_far_it_is(caller, write_films, input_folder):
    write_films(5)
    (input_folder / "z.dcm").write_bytes(b"no film")
    status, headers, body = await caller.post(background=True)
    assert (status, body["Result"], body["Data"]["state"]) == (202, "Success", "queued")
    assert headers["Location"] == f"/bulk_inference/{body['Data']['id']}"
    last = await caller.until(headers["Location"], lambda data: data["finished_at"])
    assert last["films_per_second"] > 0
    expected = {"state": "succeeded", "found": 6, "done": 5, "skipped": 1, "failed": 0, "error": None}
    assert expected.items() <= last.items()
    assert last["remaining_seconds"] is None


async def test_another_account_sees_nothing(caller, bulk_client, folders, write_films):
    write_films(1)
    url = await caller.begin()
    stranger = Caller(bulk_client, folders, subject="stranger")
    for method, path in (("GET", url), ("DELETE", url), ("GET", f"{url}/events"), ("GET", url[:-1] + "%00")):
        assert await stranger.ask(method, path) == (404, NO_SUCH)
    assert await stranger.begin() != url


async def test_the_same_folders_join_the_job_at_work_and_begin_anew_after_its_end(
    caller, write_films, hold, inferred, folders
):
    write_films(2)
    url = await caller.begin()
    again = {name: f"{path}//" for name, path in folders.items()}
    assert await caller.begin(**again, manifest=True) == url
    waiting = asyncio.create_task(caller.post())
    await caller.until(url, lambda data: data["state"] == "running")
    hold.set()
    assert (await waiting)[0] == 200
    assert inferred() == 2
    assert await caller.begin() != url


async def test_a_job_can_be_cancelled_and_keeps_what_is_done(caller, write_films, hold, manifest, sets):
    write_films(12)
    url = await caller.begin(manifest=True)
    waiting = asyncio.create_task(caller.post())
    await caller.until(url, lambda data: data["found"] == 12)
    assert (await caller.ask("DELETE", url))[0] == 202
    await asyncio.sleep(1)
    hold.set()
    last = await caller.until(url, lambda data: data["finished_at"])
    assert last["state"] == "cancelled"
    assert 0 < last["done"] < 12
    assert {line["outputs"][0].split("/")[0] for line in manifest()} == set(sets())
    assert (await caller.ask("DELETE", url))[0] == 200
    cancelled = {"Result": "Warning", "Data": None, "Message": "Bulk inference was cancelled."}
    assert (await waiting)[2] == cancelled


async def test_events_end_with_the_job(caller, write_films):
    write_films(6)
    url = await caller.begin()
    async with caller.client.get(f"{url}/events", headers=caller.headers) as response:
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-store, no-cache, no-transform"
        assert response.headers["X-Accel-Buffering"] == "no"
        events = [
            dict(line.split(": ", 1) for line in text.splitlines())
            for text in (await response.text()).split("\n\n")
            if text
        ]
    assert [event["id"] for event in events] == [str(n) for n in range(1, len(events) + 1)]
    assert [event["event"] for event in events] == ["progress"] * (len(events) - 1) + ["end"]
    assert json.loads(events[-1]["data"])["done"] == 6


async def test_a_caller_who_leaves_stops_nothing(caller, write_films, hold, sets, output_folder):
    write_films(2)
    url = await caller.begin()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(caller.post(), 0.5)
    hold.set()
    assert (await caller.until(url, lambda data: data["finished_at"]))["state"] == "succeeded"
    assert len(sets()) == 2


@pytest.mark.parametrize("fault", [ModelUnavailable, InferenceFailed])
async def test_what_is_not_the_films_fault_is_tried_again(
    caller, write_films, triton, monkeypatch, sets, fault
):
    monkeypatch.setattr(bulk_films, "PAUSES_SECONDS", (0.05,) * 5)
    answer, faults = triton.answers["chest_xray"], iter(range(6))

    def fail_first(inputs, parameters):
        if next(faults, None) is not None:
            raise fault("down")
        return answer(inputs, parameters)

    triton.answers["chest_xray"] = fail_first
    write_films(4)
    assert (await caller.post())[2]["Result"] == "Success"
    assert len(sets()) == 4


async def test_a_film_that_triton_never_manages_is_failed(caller, write_films, triton, monkeypatch, manifest):
    monkeypatch.setattr(bulk_films, "PAUSES_SECONDS", (0.01,) * 2)

    def fail(inputs, parameters):
        raise InferenceFailed("chest_xray failed")

    triton.answers["chest_xray"] = fail
    write_films(2)
    assert (await caller.post(manifest=True))[2]["Result"] == "Warning"
    assert {(line["outcome"], line["reason"]) for line in manifest()} == {("failed", "chest_xray failed")}
    assert len(triton.calls) == 6


async def test_a_job_fails_when_triton_stays_away(caller, write_films, triton, monkeypatch):
    monkeypatch.setattr(bulk_films, "PAUSES_SECONDS", (0.01,))
    monkeypatch.setattr(bulk_films, "UNAVAILABLE_SECONDS", 0.2)

    def away(inputs, parameters):
        raise ModelUnavailable("away")

    triton.answers["chest_xray"] = away
    write_films(2)
    status, _, body = await caller.post()
    assert (status, body["Message"]) == (500, "Bulk inference failed due to an internal error")


async def test_a_full_disk_fails_the_job(caller, write_films, mount_tmpfs):
    write_films(30)
    folder = mount_tmpfs("size=600k")
    status, _, body = await caller.post(output_folder_path=str(folder))
    assert (status, body["Message"]) == (500, f"Unable to create output folder: {folder}")
    job = await caller.begin(output_folder_path=str(folder))
    last = await caller.until(job, lambda data: data["finished_at"])
    assert (last["state"], last["error"]) == ("failed", f"Unable to create output folder: {folder}")


async def test_a_patient_whose_folder_cannot_be_made_fails_alone(
    caller, write_films, output_folder, sets, manifest
):
    write_films(3)
    output_folder.mkdir()
    (output_folder / "P001").write_bytes(b"in the way")
    assert (await caller.post(manifest=True))[2]["Result"] == "Success"
    assert set(sets()) == {"P000", "P002"}
    assert [line["reason"] for line in manifest() if line["outcome"] == "failed"] == ["Not a directory"]


async def test_a_job_goes_on_after_a_restart_and_no_film_is_inferred_again(
    caller, write_films, hold, start_bulk, serve_service, service, folders, triton, manifest, sets
):
    write_films(40)
    url = await caller.begin(manifest=True)
    await caller.until(url, lambda data: data["state"] == "running")
    hold.set()
    await caller.until(url, lambda data: data["done"] >= 5)
    again = Caller(await serve_service(service, bulk=await start_bulk()), folders)
    last = await again.until(url, lambda data: data["finished_at"])
    assert (last["state"], last["found"], last["done"]) == ("succeeded", 40, 40)
    assert len(sets()) == len(manifest()) == len({line["input"] for line in manifest()}) == 40
    assert len(triton.calls) <= 40 + 4  # those in work at the stop had no set yet
