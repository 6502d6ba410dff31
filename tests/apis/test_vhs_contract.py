"""Every example body of the documentation is reproduced in shape: the same keys, order and JSON types."""

import json
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from tests.apis import radanalyzer_v3_examples as examples
from tests.apis.event_stream import messages
from tests.apis.vhs_callers import REJECTED, VALID, b64, broken_png, png

UUID = "patient-123"


def shape(value):
    """Give a JSON value with types in place of what may differ; of an array the first item stands for all."""
    if isinstance(value, dict):
        return [(name, shape(item)) for name, item in value.items()]
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    if isinstance(value, bool) or value is None:
        return value
    return "number" if isinstance(value, int | float) else "string"


def types(value):
    """Give a JSON value's shape with true and false alike."""
    return json.loads(json.dumps(shape(value)).replace("true", "false"))


@pytest.fixture
async def used(post):
    """Make so many charged calls."""

    async def use(count):
        for _ in range(count):
            assert (await post(image=b64(png(1))))[1]["billing"]["billable"]

    return use


@pytest.fixture
async def with_history(post, clock):
    """Let the patient have one earlier measurement, of the day before."""
    clock.now = datetime(2026, 3, 27, 9, 30, tzinfo=timezone.utc)
    assert (await post(image=b64(png(1)), uuid=UUID))[0] == 200
    clock.advance(days=1)


async def test_health(vhs_client, key):
    response = await vhs_client.get("/v3/health", headers={"x-api-key": key})
    body, example = await response.json(), json.loads(examples.HEALTH)
    assert types(body) == types(example)
    # Photos of screens are not taken yet.
    assert body == {**example, "pop_models_loaded": 0, "pop_pipeline_enabled": False}


async def test_single(post, with_history):
    status, body = await post(image=b64(png(2)), uuid=UUID, render=True)
    assert status == 200
    assert shape(body) == shape(json.loads(examples.SINGLE))
    assert body["historic_vhs"] == [["2026-03-27", 11.32]]
    assert body["historic_vlas"] == [["2026-03-27", 1.87]]
    assert [point["class"] for point in body["prediction"]] == [
        point["class"] for point in json.loads(examples.SINGLE)["prediction"]
    ]


async def test_rejection(post, pipeline):
    pipeline.assessments[png(2)] = REJECTED
    status, body = await post(image=b64(png(2)), uuid=UUID, render=True)
    assert status == 200
    example = json.loads(examples.REJECTION)
    assert shape(body) == shape(example)
    example["billing"]["monthly_usage"] = 0
    assert body == example


async def test_batch(post, pipeline, with_history):
    pipeline.assessments[png(3)] = REJECTED
    status, body = await post(images=[b64(png(2)), b64(png(3))], uuid=UUID)
    assert status == 200
    example = json.loads(examples.BATCH)
    assert shape(body) == shape(example)
    assert body["per_photo"] == example["per_photo"]
    for name in list(example)[: list(example).index("historic_vhs")]:
        assert body[name] == example[name]
    assert body["billing"] == {**example["billing"], "monthly_usage": 2}


@pytest.fixture
async def streamed(vhs_client, key, pipeline):
    """Stream a valid picture and one that is not; give the messages."""

    async def stream(*pictures, **fields):
        body = {"images": [b64(picture) for picture in pictures], **fields}
        response = await vhs_client.post("/v3/predict/stream", json=body, headers={"x-api-key": key})
        assert response.status == 200
        return messages(await response.read())

    return stream


async def test_stream(streamed, pipeline):
    pipeline.assessments[png(3)] = REJECTED
    started, first, second, last = await streamed(png(2), png(3))
    assert (started.event, started.json) == (
        "processing_started",
        json.loads(examples.PROCESSING_STARTED),
    )
    photo = json.loads(examples.PHOTO)
    assert first.event == second.event == "photo"
    assert list(first.json.items())[: len(photo)] == list(photo.items())
    assert set(first.json) - set(photo) == {"pop_detected"}
    assert list(second.json)[: len(photo)] == list(photo)
    assert set(second.json) - set(photo) == {"rejected", "rejection_reason", "classifier_confidence"}
    summary = json.loads(examples.SUMMARY)
    assert last.event == "summary"
    assert list(last.json.items())[: len(summary)] == list(summary.items())
    assert list(last.json)[len(summary) :] == ["billing"]


async def test_stream_error(streamed):
    _, _, error, last = await streamed(png(2), broken_png(), uuid="patient-456")
    assert (error.event, error.json) == ("error", json.loads(examples.STREAM_ERROR))
    assert list(error.json) == list(json.loads(examples.STREAM_ERROR))
    assert last.event == "summary"


async def test_errors(vhs_client, post, pipeline):
    assert await post() == (400, json.loads(examples.ERRORS[400]))
    response = await vhs_client.post("/v3/predict", json={})
    assert (response.status, await response.json()) == (403, json.loads(examples.ERRORS[403]))
    too_large = b64(png(1) + bytes(10 * 2**20))
    assert await post(image=too_large) == (413, json.loads(examples.ERRORS[413]))
    pipeline.error = RuntimeError("a patient's name")
    assert await post(image=b64(png(1))) == (500, json.loads(examples.ERRORS[500]))


async def test_billing(post, pipeline, used, clock):
    pipeline.assessments[png(9)] = REJECTED
    await used(46)
    _, body = await post(image=b64(png(1)), uuid=UUID)
    assert body["billing"] == json.loads(examples.BILLABLE)
    _, body = await post(image=b64(png(9)), uuid=UUID)
    assert body["billing"] == json.loads(examples.NOT_BILLABLE)
    _, body = await post(image=b64(png(2)), uuid=UUID)
    assert body["billing"] == json.loads(examples.RECHECK)


async def test_the_documented_sequence_of_usage(post, pipeline, used):
    """Single 47, rejected 47, batch 48; sessions with photos of screens go on to 49."""
    pipeline.assessments[png(9)] = REJECTED
    await used(46)
    usage = []
    for fields in (
        {"image": b64(png(1))},
        {"image": b64(png(9))},
        {"images": [b64(png(1)), b64(png(9))]},
        {"images": [b64(png(1))]},
        {"images": [b64(png(9))]},
    ):
        usage.append((await post(**fields))[1]["billing"]["monthly_usage"])
    assert usage == [47, 47, 48, 49, 49]


@pytest.mark.parametrize("code", [2, 3, 4])
async def test_other_codes_with_a_measurement_have_the_same_keys(post, pipeline, code):
    vlas = None if code == 4 else 2.0
    pipeline.assessments[png(2)] = replace(VALID, result_code=code, vlas=vlas)
    _, body = await post(image=b64(png(2)), render=True)
    assert list(body) == list(json.loads(examples.SINGLE))
    assert (body["result_code"], body["vlas"], body["billing"]["billable"]) == (code, vlas, True)
