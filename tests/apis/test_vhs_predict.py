"""What `/v3/predict` answers, what it costs, and what happens when a part is not there."""

import asyncio
import contextlib
import json
import socket
from dataclasses import replace
from io import BytesIO

import aiohttp
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from gateway.app import public_applications
from gateway.errors import InferenceFailed, InferenceTimeout, ModelUnavailable
from gateway.storage.transactions import TransactionFailed
from gateway.triton.client import TritonClient
from tests.apis.vhs_callers import (
    ABNORMAL,
    NO_RECTIFICATION,
    NO_VLAS,
    NOT_MEASURABLE,
    REJECTED,
    RENDERED,
    VALID,
    b64,
    broken_png,
    jpeg,
    png,
)

PHOTO = b64(png(1))


# One image


@pytest.mark.parametrize("picture", [png(1), jpeg()])
async def test_measures_one_image(post, picture):
    status, body = await post(image=b64(picture))
    assert status == 200
    assert (body["vhs"], body["vlas"], body["spread"]) == (11.32, 1.87, 0.0023)
    assert body["prediction"][1] == {"x": 0.1333, "y": 0.2143, "class": "heart_bottom"}
    assert (body["historic_vhs"], body["historic_vlas"]) == (None, None)
    assert "rendered_image" not in body


async def test_returns_the_picture_where_it_is_asked_for(post):
    _, body = await post(image=PHOTO, render=True)
    assert body["rendered_image"] == b64(RENDERED)
    _, body = await post(image=PHOTO, render=False)
    assert "rendered_image" not in body


@pytest.mark.parametrize(
    ("assessment", "code", "vhs", "vlas"),
    [
        (replace(VALID, result_code=2, model_confidence="good"), 2, 11.32, 1.87),
        (replace(VALID, result_code=3, model_confidence="review"), 3, 11.32, 1.87),
        (NO_VLAS, 4, 11.32, None),
        (NOT_MEASURABLE, 5, None, None),
        (ABNORMAL, 0, None, None),
        (NO_RECTIFICATION, 7, None, None),
    ],
)
async def test_every_code_has_its_answer_and_its_price(post, pipeline, assessment, code, vhs, vlas):
    pipeline.assessments[png(1)] = assessment
    _, body = await post(image=PHOTO)
    assert (body["result_code"], body["vhs"], body["vlas"]) == (code, vhs, vlas)
    assert body["model_confidence"] == assessment.model_confidence
    assert body["pop_detected"] == (code == 7)
    reason = "valid_vhs" if vhs else "no_valid_vhs"
    assert (body["billing"]["billable"], body["billing"]["reason"]) == (vhs is not None, reason)


# Batches


async def test_a_batch_without_a_measurement_has_no_numbers(post, pipeline):
    pipeline.assessments = {png(1): REJECTED, png(2): NOT_MEASURABLE}
    status, body = await post(images=[PHOTO, b64(png(2)), b64(broken_png()), b64(b"GIF89a")], render=True)
    assert status == 200
    numbers = ("vhs", "vlas", "best_vhs", "best_vlas", "median_vhs", "median_vlas", "vhs_std", "vlas_std")
    assert {body[name] for name in (*numbers, "best_photo_index", "rendered_image")} == {None}
    assert (body["vhs_confidence"], body["vlas_confidence"]) == ("review", "review")
    assert (body["n_photos_processed"], body["n_photos_with_landmarks"]) == (2, 0)
    assert body["billing"]["reason"] == "no_valid_vhs"
    assert [line.get("error") for line in body["per_photo"]] == [
        None,
        None,
        "Invalid image data",
        "Unsupported image format",
    ]
    assert body["per_photo"][1] == {
        "vhs": None,
        "vlas": None,
        "spread": None,
        "model_confidence": "review",
        "landmarks_detected": False,
        "axes_perpendicular": False,
    }


async def test_a_batch_of_one_is_a_session(post):
    _, body = await post(images=[PHOTO])
    assert (body["billing"]["call_type"], body["billing"]["rate"]) == ("session", 4.0)


async def test_a_batch_draws_its_best_picture(post, pipeline):
    pipeline.assessments[png(2)] = replace(VALID, spread=0.001)
    _, body = await post(images=[PHOTO, b64(png(2)), b64(png(3))], render=True)
    assert body["best_photo_index"] == 1
    assert body["rendered_image"] == b64(RENDERED)
    assert len(pipeline.seen) == 4 and pipeline.seen[3] == png(2)


async def test_a_batch_has_several_pictures_in_work(serve_vhs, key, pipeline):
    client = await serve_vhs(vhs_in_flight=3)
    pipeline.gate.clear()
    body = {"images": [b64(png(level)) for level in range(8)]}
    waiting = asyncio.create_task(client.post("/v3/predict", json=body, headers={"x-api-key": key}))
    while pipeline.running < 3:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    pipeline.gate.set()
    assert (await (await waiting).json())["n_photos_processed"] == 8
    assert pipeline.most == 3


# History


async def test_tells_a_patients_history_without_this_call(post, pipeline, clock):
    clock.now = clock.now.replace(day=1)
    assert (await post(image=PHOTO, uuid="Rex"))[1]["historic_vhs"] == []
    clock.advance(days=1)
    pipeline.assessments[png(2)] = replace(NO_VLAS, vhs=9.2349)
    assert (await post(image=b64(png(2)), uuid="Rex"))[1]["historic_vhs"] == [["2026-05-01", 11.32]]
    clock.advance(hours=1)
    pipeline.assessments[png(3)] = NOT_MEASURABLE
    await post(image=b64(png(3)), uuid="Rex")
    _, body = await post(images=[PHOTO], uuid="Rex")
    assert body["historic_vhs"] == [["2026-05-01", 11.32], ["2026-05-02", 9.23]]
    assert body["historic_vlas"] == [["2026-05-01", 1.87]]
    assert (await post(image=PHOTO, uuid="Max"))[1]["historic_vhs"] == []
    assert (await post(image=PHOTO))[1]["historic_vhs"] is None


async def test_a_patients_history_is_its_accounts_own(post, vhs_client, new_key):
    await post(image=PHOTO, uuid="Rex")
    headers = {"x-api-key": await new_key("Another clinic")}
    response = await vhs_client.post("/v3/predict", json={"image": PHOTO, "uuid": "Rex"}, headers=headers)
    body = await response.json()
    assert body["historic_vhs"] == []
    assert (body["billing"]["billable"], body["billing"]["monthly_usage"]) == (True, 1)


async def test_two_keys_of_one_account_share_its_usage(post, vhs_client, new_key):
    await post(image=PHOTO, uuid="Rex")
    response = await vhs_client.post(
        "/v3/predict", json={"image": PHOTO, "uuid": "Rex"}, headers={"x-api-key": await new_key()}
    )
    assert (await response.json())["billing"] == {
        "billable": False,
        "reason": "recheck_24h",
        "monthly_usage": 1,
        "tier": "paygo",
    }


async def test_an_enterprise_pays_its_own_rates(vhs_client, new_key):
    key = await new_key("Chain", tier="enterprise", single_cents=125, session_cents=275)
    for fields, rate in (({"image": PHOTO}, 1.25), ({"images": [PHOTO]}, 2.75)):
        response = await vhs_client.post("/v3/predict", json=fields, headers={"x-api-key": key})
        assert (await response.json())["billing"]["rate"] == rate


# What fails


@pytest.mark.parametrize("fields", [{"image": PHOTO}, {"images": [PHOTO, PHOTO]}])
@pytest.mark.parametrize(
    ("error", "status", "text", "is_doubted"),
    [
        (ModelUnavailable("vhs is not available"), 503, "Prediction models not available", True),
        (InferenceTimeout("vhs did not answer in time"), 504, "Request timeout", False),
        (InferenceFailed("a patient's name"), 500, "Internal server error", True),
        (KeyError("a patient's name"), 500, "Internal server error", False),
    ],
)
async def test_says_what_it_may_of_a_failure_and_charges_nothing(
    vhs_client, key, pipeline, usage, canary, fields, error, status, text, is_doubted
):
    pipeline.error = error
    response = await vhs_client.post("/v3/predict", json=fields, headers={"x-api-key": key})
    assert (response.status, await response.json()) == (status, {"error": text})
    assert ("Retry-After" in response.headers) == (status == 503)
    assert response.headers["X-Request-ID"]
    assert (await usage()).lines == ()
    assert canary.ready["vhs"] != is_doubted


async def test_a_triton_that_is_not_there_is_said_to_be_away(vhs_api, vhs_triton, key, aiohttp_client):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        away = TritonClient(f"127.0.0.1:{unused.getsockname()[1]}")
        vhs_triton.infer = away.infer
        settings, api = vhs_api()
        client = await aiohttp_client(public_applications(settings, [api])[settings.port])
        response = await client.post("/v3/predict", json={"image": PHOTO}, headers={"x-api-key": key})
        assert (response.status, await response.json()) == (
            503,
            {"error": "Prediction models not available"},
        )
        await away.close()


async def test_a_request_ends_when_its_time_is_over(serve_vhs, key, pipeline, usage):
    client = await serve_vhs(vhs_timeout_seconds=0.3, vhs_in_flight=1)
    pipeline.gate.clear()
    posts = (client.post("/v3/predict", json={"image": PHOTO}, headers={"x-api-key": key}) for _ in range(2))
    for response in await asyncio.gather(*posts):
        assert (response.status, await response.json()) == (504, {"error": "Request timeout"})
    assert len(pipeline.seen) <= 2
    assert (await usage()).lines == ()


async def test_a_ledger_that_fails_is_no_error_of_the_call(post, monkeypatch):
    assert (await post(image=PHOTO))[1]["billing"]["monthly_usage"] == 1

    async def fail(*arguments, **keywords):
        raise TransactionFailed("the database is away", may_be_committed=False)

    monkeypatch.setattr("gateway.accounts.ledger.transact", fail)
    status, body = await post(image=PHOTO, uuid="Rex")
    assert (status, body["vhs"]) == (200, 11.32)
    assert body["billing"] == {
        "billable": False,
        "reason": "billing_error",
        "monthly_usage": 1,
        "tier": "paygo",
    }


async def test_keys_that_cannot_be_looked_up_are_not_called_wrong(vhs_client, key, database):
    async with database.write() as connection:
        await connection.execute(text("ALTER TABLE api_keys RENAME TO away"))
    response = await vhs_client.post("/v3/predict", json={"image": PHOTO}, headers={"x-api-key": key})
    assert (response.status, response.headers.get("Retry-After")) == (503, "5")
    assert await response.json() == {"error": "API keys cannot be checked at the moment"}


async def test_usage_that_cannot_be_read_may_be_asked_for_later(vhs_client, key, database):
    async with database.write() as connection:
        await connection.execute(text("ALTER TABLE usage_counters RENAME TO away"))
    response = await vhs_client.get("/v3/usage", headers={"x-api-key": key})
    assert (response.status, response.headers.get("Retry-After")) == (503, "5")


async def test_a_caller_who_leaves_after_the_result_is_charged(listen_vhs, key, pipeline, usage, vhs_triton):
    url, _ = await listen_vhs()
    pipeline.gate.clear()
    async with aiohttp.ClientSession(headers={"x-api-key": key}) as session:
        call = asyncio.create_task(session.post(f"{url}/v3/predict", json={"image": PHOTO}))
        while not pipeline.running:
            await asyncio.sleep(0.01)
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call
    pipeline.gate.set()
    for _ in range(500):
        if (await usage()).monthly_usage:
            break
        await asyncio.sleep(0.01)
    assert (await usage()).monthly_usage == 1


# A key's own limit


async def test_a_key_has_so_many_requests_in_work_where_that_is_set(serve_vhs, key, new_key, pipeline):
    client = await serve_vhs(vhs_in_flight_per_key=2)
    pipeline.gate.clear()

    async def call(raw):
        return await client.post("/v3/predict", json={"image": PHOTO}, headers={"x-api-key": raw})

    waiting = [asyncio.create_task(call(key)) for _ in range(2)]
    while pipeline.running < 2:
        await asyncio.sleep(0.01)
    response = await call(key)
    assert (response.status, await response.json()) == (429, {"error": "Too many requests"})
    assert response.headers["Retry-After"] == "1"
    another = asyncio.create_task(call(await new_key("Another clinic")))
    await asyncio.sleep(0.05)
    pipeline.gate.set()
    assert {response.status for response in await asyncio.gather(*waiting, another)} == {200}
    assert (await call(key)).status == 200


async def test_there_is_no_such_limit_unless_it_is_set(vhs_client, key, pipeline):
    posts = (
        vhs_client.post("/v3/predict", json={"image": PHOTO}, headers={"x-api-key": key}) for _ in range(12)
    )
    assert {response.status for response in await asyncio.gather(*posts)} == {200}


# Calls that are repeated


async def test_a_repeated_call_gets_its_answer_and_no_charge(vhs_client, key, pipeline, usage):
    async def call(**fields):
        headers = {"x-api-key": key, "Idempotency-Key": "k1"}
        response = await vhs_client.post("/v3/predict", json=fields, headers=headers)
        return response.status, await response.read()

    first = await call(image=PHOTO, render=True)
    assert first[0] == 200
    assert await call(image=PHOTO, render=True) == first
    assert len(pipeline.seen) == 1
    assert (await usage()).monthly_usage == 1
    status, body = await call(image=b64(png(2)), render=True)
    assert status == 422
    assert json.loads(body) == {"error": "Idempotency-Key was used with a different request body"}
    assert len(pipeline.seen) == 1


async def test_a_call_that_is_in_work_cannot_be_repeated(vhs_client, key, pipeline):
    headers = {"x-api-key": key, "Idempotency-Key": "k1"}
    pipeline.gate.clear()
    first = asyncio.create_task(vhs_client.post("/v3/predict", json={"images": [PHOTO]}, headers=headers))
    while not pipeline.running:
        await asyncio.sleep(0.01)
    response = await vhs_client.post("/v3/predict", json={"images": [PHOTO]}, headers=headers)
    assert response.status == 409
    assert int(response.headers["Retry-After"]) >= 1
    assert "in progress" in (await response.json())["error"]
    pipeline.gate.set()
    assert (await first).status == 200


async def test_a_call_that_failed_can_be_repeated_at_once(vhs_client, key, pipeline, usage):
    headers = {"x-api-key": key, "Idempotency-Key": "k1"}
    for error, status in (
        (ModelUnavailable("away"), 503),
        (InferenceFailed("broken"), 500),
        (None, 200),
        (None, 200),
    ):
        pipeline.error = error
        response = await vhs_client.post("/v3/predict", json={"image": PHOTO}, headers=headers)
        assert response.status == status
    assert (await usage()).monthly_usage == 1


async def test_what_was_wrong_is_not_kept(vhs_client, key, pipeline):
    headers = {"x-api-key": key, "Idempotency-Key": "k1"}
    for image in (5, b64(broken_png())):
        response = await vhs_client.post("/v3/predict", json={"image": image}, headers=headers)
        assert response.status == 400
    response = await vhs_client.post("/v3/predict", json={"image": PHOTO}, headers=headers)
    assert response.status == 200


@pytest.mark.parametrize("value", ["", " ", "x" * 256, "ü", "a\tb"])
async def test_an_idempotency_key_that_is_none_is_refused(vhs_client, key, value):
    headers = {"x-api-key": key, "Idempotency-Key": value}
    response = await vhs_client.post("/v3/predict", json={"image": PHOTO}, headers=headers)
    assert response.status == 400
    assert (await response.json())["error"].startswith("Idempotency-Key must be 1 to 255")


async def test_a_large_call_can_be_repeated(vhs_client, key, pipeline):
    body = json.dumps({"images": [b64(png(level).ljust(2**20, b"x")) for level in range(3)]}).encode()
    headers = {"x-api-key": key, "Idempotency-Key": "k1", "Content-Type": "application/json"}
    answers = set()
    for _ in range(2):
        response = await vhs_client.post("/v3/predict", data=BytesIO(body), headers=headers)
        answers.add(await response.read())
    assert len(answers) == 1 and len(pipeline.seen) == 3


# Health and usage


async def test_is_degraded_while_the_models_are_away(vhs_client, key, canary):
    canary.doubt("vhs")
    response = await vhs_client.get("/v3/health", headers={"x-api-key": key})
    body = await response.json()
    assert response.status == 200
    assert (body["status"], body["models_loaded"]) == ("degraded", 0)


@pytest.mark.parametrize(
    ("enabled", "ready", "status", "models"),
    [
        (False, False, "healthy", 0),
        (False, True, "healthy", 0),
        (True, True, "healthy", 5),
        (True, False, "degraded", 0),
    ],
)
async def test_photos_of_screens_count_where_they_are_taken(
    serve_vhs, key, canary, enabled, ready, status, models
):
    async def probe():
        if not ready:
            raise ModelUnavailable("screen is not available")

    canary.watch("screen", probe)
    await canary.tick()
    canary._next_round = 0.0
    await canary.tick()
    client = await serve_vhs(vhs_pop=enabled)
    body = await (await client.get("/v3/health", headers={"x-api-key": key})).json()
    assert (body["status"], body["models_loaded"]) == (status, 5)
    assert (body["pop_models_loaded"], body["pop_pipeline_enabled"]) == (models, bool(models))


async def test_the_version_and_the_counts_are_settings(serve_vhs, key):
    client = await serve_vhs(vhs_model_version="3.4.0-ensemble", vhs_models=3)
    headers = {"x-api-key": key}
    body = await (await client.get("/v3/health", headers=headers)).json()
    assert (body["models_loaded"], body["model_version"]) == (3, "3.4.0-ensemble")
    body = await (await client.post("/v3/predict", json={"image": PHOTO}, headers=headers)).json()
    assert body["model_version"] == "3.4.0-ensemble"


async def test_tells_what_the_account_has_used(post, vhs_client, key, pipeline, clock):
    pipeline.assessments[png(2)] = REJECTED
    for fields in ({"image": PHOTO}, {"image": PHOTO}, {"images": [PHOTO]}, {"image": b64(png(2))}):
        await post(**fields)
    month = f"{clock.now:%Y-%m}"
    for parameters in ({}, {"period": month}):
        response = await vhs_client.get("/v3/usage", params=parameters, headers={"x-api-key": key})
        body = await response.json()
        assert (body["period"], body["monthly_usage"], body["amount"]) == (month, 3, 10.0)
        lines = {(line["call_type"], line["reason"]): line["events"] for line in body["lines"]}
        assert lines[("single", "valid_vhs")] == 2
    response = await vhs_client.get("/v3/usage", params={"period": "2020-01"}, headers={"x-api-key": key})
    assert (await response.json())["monthly_usage"] == 0


@pytest.mark.parametrize(
    "query",
    [
        "period=",
        "period=2026",
        "period=2026-13",
        "period=2026-1",
        "period=2026-05-01",
        "month=2026-05",
        "period=2026-05&x=1",
        "period=2026-05&period=2026-06",
    ],
)
async def test_a_period_is_a_month(vhs_client, key, query):
    response = await vhs_client.get(f"/v3/usage?{query}", headers={"x-api-key": key})
    error = {"error": "period must be a month, YYYY-MM, and stand alone"}
    assert (response.status, await response.json()) == (400, error)


# What is written down


async def test_no_patient_and_no_key_is_in_the_log_or_the_metrics(post, key, pipeline, caplog):
    caplog.set_level("DEBUG")
    await post(image=PHOTO, uuid="Rex of Mrs. Miller")
    await post(images=[PHOTO, b64(broken_png())], uuid="Rex of Mrs. Miller")
    pipeline.error = InferenceFailed("x")
    await post(image=PHOTO, uuid="Rex of Mrs. Miller")
    names = {sample.name for metric in REGISTRY.collect() for sample in metric.samples}
    labels = {
        value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        for value in sample.labels.values()
    }
    assert "radgate_billing_outcomes_total" in names
    assert "Miller" not in caplog.text and "Miller" not in str(labels)
    assert key not in caplog.text and key not in str(labels)


async def test_counts_what_calls_cost(post, pipeline):
    def count(reason):
        labels = {"endpoint": "/v3/predict", "reason": reason}
        return REGISTRY.get_sample_value("radgate_billing_outcomes_total", labels) or 0

    before = {reason: count(reason) for reason in ("valid_vhs", "recheck_24h")}
    for _ in range(3):
        await post(image=PHOTO, uuid="Rex")
    assert count("valid_vhs") == before["valid_vhs"] + 1
    assert count("recheck_24h") == before["recheck_24h"] + 2
