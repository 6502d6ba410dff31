"""`/v3/predict/stream` byte for byte, and what it costs whoever leaves early."""

import asyncio
import contextlib

import aiohttp
import pytest

from gateway.errors import InferenceFailed, ModelUnavailable
from tests.apis.event_stream import EventStream, messages
from tests.apis.vhs_callers import NOT_MEASURABLE, REJECTED, VALID, b64, broken_png, png

PICTURES = [png(level) for level in range(10)]


@pytest.fixture
async def session(key):
    async with aiohttp.ClientSession(headers={"x-api-key": key}) as session:
        yield session


@pytest.fixture
def stream(listen_vhs, session):
    """Begin a stream of pictures; gives the response."""

    async def begin(*pictures, fields=None, headers=None, **settings):
        url, begin.stop = await listen_vhs(**settings)
        body = {"images": [b64(picture) for picture in pictures], **(fields or {})}
        response = await session.post(f"{url}/v3/predict/stream", json=body, headers=headers)
        assert response.status == 200, await response.text()
        return response

    return begin


async def names(response):
    return [message.event for message in messages(await response.read())]


async def until(condition, what):
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"not within five seconds: {what}")


# Bytes


async def test_is_an_event_stream_that_nothing_on_the_way_may_change(stream):
    response = await stream(PICTURES[0], headers={"Accept-Encoding": "gzip, deflate, br"})
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert {"no-cache", "no-transform"} <= set(response.headers["Cache-Control"].split(", "))
    assert response.headers["X-Accel-Buffering"] == "no"
    assert "Content-Length" not in response.headers
    assert "Content-Encoding" not in response.headers
    content = await response.read()
    for block in content.decode().removesuffix("\n\n").split("\n\n"):
        event, data = block.split("\n")
        assert event.startswith("event: ")
        assert data.startswith("data: {") and data.endswith("}")


async def test_sends_no_ids(stream):
    response = await stream(PICTURES[0], headers={"Last-Event-ID": "3"})
    found = messages(await response.read())
    assert [message.event for message in found] == ["processing_started", "photo", "summary"]
    assert {message.last_event_id for message in found} == {""}


async def test_says_that_it_is_still_there(stream, pipeline):
    pipeline.gate.clear()
    response = await stream(*PICTURES[:2], heartbeat_seconds=0.05)
    reader = EventStream()
    found = []
    async for chunk in response.content.iter_any():
        found += reader.feed(chunk)
        if len(reader.comments) == 3 and not pipeline.gate.is_set():
            assert [message.event for message in found] == ["processing_started"]
            pipeline.gate.set()
    assert [message.event for message in found][1:] == ["photo", "photo", "summary"]
    assert set(reader.comments) == {" keep-alive"}
    assert not reader.unknown and not reader.rest


# Order


async def test_photos_come_in_their_order_though_several_are_in_work(stream, pipeline):
    pipeline.gate.clear()
    response = await stream(*PICTURES, vhs_in_flight=3)
    await until(lambda: pipeline.running == 3, "three are in work")
    pipeline.gate.set()
    found = messages(await response.read())
    photos = [message.json for message in found if message.event == "photo"]
    assert [photo["index"] for photo in photos] == list(range(10))
    assert {photo["n_total"] for photo in photos} == {10}
    assert pipeline.most == 3
    assert found[-1].event == "summary"


async def test_what_cannot_be_assessed_is_an_event_of_its_own(stream, pipeline, usage):
    pipeline.assessments = {PICTURES[1]: REJECTED, PICTURES[2]: NOT_MEASURABLE}
    pictures = [broken_png(), PICTURES[1], PICTURES[2], b"GIF89a", PICTURES[3]]
    found = messages(await (await stream(*pictures, fields={"uuid": "Rex"})).read())
    assert [message.event for message in found] == [
        "processing_started",
        "error",
        "photo",
        "photo",
        "error",
        "photo",
        "summary",
    ]
    assert found[1].json == {"index": 0, "uuid": "Rex", "error": "Invalid image data"}
    assert found[4].json == {"index": 3, "uuid": "Rex", "error": "Unsupported image format"}
    assert "pop_detected" not in found[3].json
    summary = found[-1].json
    assert (summary["n_photos_processed"], summary["n_photos_with_landmarks"]) == (3, 1)
    assert summary["best_photo_index"] == 4
    assert summary["billing"]["rate"] == 4.0
    assert (await usage()).cents == 400


async def test_a_stream_without_a_measurement_costs_nothing(stream, pipeline, usage):
    found = messages(await (await stream(broken_png(), fields={"uuid": None})).read())
    assert found[1].json["uuid"] is None
    assert found[-1].json["best_photo_index"] is None
    assert found[-1].json["billing"]["reason"] == "no_valid_vhs"
    assert (await usage()).monthly_usage == 0


async def test_is_charged_once_and_then_free_for_a_day(stream, usage):
    for expected in ("valid_vhs", "recheck_24h"):
        found = messages(await (await stream(*PICTURES, fields={"uuid": "Rex"})).read())
        assert found[-1].json["billing"]["reason"] == expected
    assert (await usage()).monthly_usage == 1


# What goes wrong on the way


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ModelUnavailable("vhs is not available"), "Prediction models not available"),
        (InferenceFailed("a patient's name"), "Internal server error"),
        (RuntimeError("a patient's name"), "Internal server error"),
    ],
)
async def test_ends_with_an_error_without_an_index(stream, pipeline, usage, error, text):
    pipeline.errors[PICTURES[2]] = error
    found = messages(await (await stream(*PICTURES, vhs_in_flight=1)).read())
    assert [message.event for message in found] == ["processing_started", "photo", "photo", "error"]
    assert found[-1].json == {"error": text}
    assert len(pipeline.seen) <= 3
    assert (await usage()).monthly_usage == 0


async def test_ends_when_its_time_is_over(stream, pipeline, usage):
    pipeline.held.add(PICTURES[1])
    response = await stream(*PICTURES[:3], vhs_in_flight=2, vhs_timeout_seconds=0.5)
    found = messages(await response.read())
    assert found[-1].json == {"error": "Request timeout"}
    assert (await usage()).monthly_usage == 0


# Callers who leave


@pytest.fixture
def leave_after(stream, pipeline):
    """Read so many photo and error events, and leave; the next picture's call never ends."""

    async def leave(count, *pictures, **settings):
        response = await stream(*pictures, **settings)
        reader, seen = EventStream(), 0
        while seen < count:
            for message in reader.feed(await response.content.readany()):
                seen += message.event in ("photo", "error")
        await until(lambda: pipeline.running == 4, "the next four are in work")
        response.close()
        await until(lambda: pipeline.running == 0, "the work has stopped")

    return leave


@pytest.mark.parametrize(
    ("first", "count", "charged"),
    [
        (VALID, 0, 0),
        (VALID, 1, 1),
        (REJECTED, 1, 0),
        (NOT_MEASURABLE, 1, 0),
        (None, 1, 0),
    ],
)
async def test_whoever_leaves_pays_for_what_was_valid_and_sent(
    leave_after, pipeline, usage, first, count, charged
):
    pictures = [PICTURES[0] if first else broken_png(), *PICTURES[1:]]
    if first:
        pipeline.assessments[PICTURES[0]] = first
    pipeline.held.update(pictures[count:])
    await leave_after(count, *pictures, vhs_in_flight=4)
    assert pipeline.cancelled == 4
    assert len(pipeline.seen) == count + 4
    await until_charged(usage, charged)
    await asyncio.sleep(0.1)
    used = await usage()
    assert (used.monthly_usage, used.cents) == (charged, 400 * charged)
    assert sum(line.events for line in used.lines) == charged


async def test_what_was_charged_at_leaving_is_free_for_a_day(leave_after, stream, pipeline, usage):
    pipeline.held.update(PICTURES[1:])
    await leave_after(1, *PICTURES, fields={"uuid": "Rex"})
    await until_charged(usage, 1)
    pipeline.held.clear()
    found = messages(await (await stream(*PICTURES, fields={"uuid": "Rex"})).read())
    assert found[-1].json["billing"]["reason"] == "recheck_24h"


async def until_charged(usage, count):
    for _ in range(500):
        if (await usage()).monthly_usage == count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not charged within five seconds")


async def test_a_caller_who_leaves_in_silence_is_missed_soon(stream, pipeline, usage):
    pipeline.gate.clear()
    response = await stream(*PICTURES[:2])
    await until(lambda: pipeline.running == 2, "two are in work")
    response.close()
    await until(lambda: pipeline.cancelled == 2, "both are taken back")
    assert (await usage()).monthly_usage == 0


async def test_a_server_that_stops_charges_nobody(stream, pipeline, usage):
    pipeline.held.update(PICTURES[1:])
    response = await stream(*PICTURES[:3])
    while b"event: photo" not in await response.content.readany():
        pass
    await stream.stop()
    with contextlib.suppress(aiohttp.ClientError):
        await response.read()
    await until(lambda: pipeline.running == 0, "the work has stopped")
    assert (await usage()).monthly_usage == 0


async def test_a_stream_read_to_its_end_is_not_charged_twice(stream, usage):
    response = await stream(*PICTURES[:2])
    assert (await names(response))[-1] == "summary"
    response.close()
    await asyncio.sleep(0.1)
    used = await usage()
    assert (used.monthly_usage, sum(line.events for line in used.lines)) == (1, 1)


async def test_an_idempotency_key_is_refused_before_the_stream_begins(listen_vhs, session):
    url, _ = await listen_vhs()
    response = await session.post(
        f"{url}/v3/predict/stream", json={"images": [b64(PICTURES[0])]}, headers={"Idempotency-Key": "k"}
    )
    assert response.status == 400
    assert await response.json() == {"error": "Idempotency-Key is for /v3/predict only"}
