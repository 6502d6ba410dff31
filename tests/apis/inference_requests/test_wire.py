"""What comes over HTTP: accepted, refused, looked up (T1, T2, T7, T9, T14, T24-T27)."""

import asyncio
import json
import re

import pytest
from sqlalchemy import text

from gateway.accounts.key_format import new_key
from gateway.apis.inference_requests.answers import DUPLICATE
from gateway.errors import ModelUnavailable
from tests.apis.inference_requests.conftest import algorithm, body, dicom_web

TYPE_422 = "https://tools.ietf.org/html/rfc4918#section-11.2"
RFC7231 = "https://tools.ietf.org/html/rfc7231#section-"
HEX = re.compile("[0-9a-f]{32}")


@pytest.fixture
async def caller(serve_requests):
    """Without peers: each request is refused when it is worked on, not when it comes."""
    return await serve_requests()


async def problem(response):
    assert response.headers["Content-Type"] == "application/problem+json; charset=utf-8"
    found = await response.json(content_type=None)
    assert found.pop("traceId").startswith("|")
    return found


async def test_accepts_with_three_ids(caller):
    response = await caller.client.post("/api/inference", json=body())
    assert response.status == 200
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    answer = await response.json()
    assert list(answer) == ["transactionId", "jobId", "payloadId"]
    assert answer["transactionId"] == "TX-1"
    assert HEX.fullmatch(answer["jobId"])
    assert HEX.fullmatch(answer["payloadId"])


async def test_tells_all_that_is_wrong(caller):
    response = await caller.client.post("/api/inference", json={})
    assert response.status == 422
    found = await problem(response)
    assert found == {
        "type": TYPE_422,
        "title": "Invalid request",
        "status": 422,
        "detail": (
            "'transactionId' is required. No 'inputResources' specified. No algorithm defined or more than "
            "one algorithms defined in 'inputResources'.  'inputResources' must include one "
            "algorithm/pipeline for the inference request. Request has no `inputMetadata` defined. At least "
            "one `inputs` or `inputMetadata` required."
        ),
    }


async def test_tells_where_a_body_does_not_fit(caller):
    response = await caller.client.post("/api/inference", json=body(priority=256))
    assert response.status == 400
    assert await problem(response) == {
        "errors": {
            "priority": [
                "Error converting value 256: expected a whole number from 0 to 255. Path 'priority'."
            ]
        },
        "type": f"{RFC7231}6.5.1",
        "title": "One or more validation errors occurred.",
        "status": 400,
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"inputResources": [None]},
        {"inputResources": [algorithm(), None]},
        {"outputResources": [None]},
        {"inputResources": [{"interface": "Algorithm", "connectionDetails": None}]},
        {"inputResources": [algorithm(), {"interface": "DICOMweb", "connectionDetails": None}]},
        {"outputResources": [{"interface": "DICOMweb", "connectionDetails": None}]},
        {"inputMetadata": {"details": None}},
        {"inputMetadata": {"details": {"type": "DICOM_UID", "studies": [None]}}},
    ],
)
async def test_null_in_a_list_is_a_fault_and_no_crash(caller, changes):
    code, answer = await caller.post(body(**changes))
    assert code in (400, 422), answer
    assert answer["status"] == code
    assert answer.get("detail") or answer.get("errors")


@pytest.mark.parametrize("id", ["liver", "", None, "chest_xray:7", "../chest_xray", "chest_xray_classifier"])
async def test_refuses_an_algorithm_that_is_not_there(caller, id):
    resources = [algorithm(id), dicom_web("http://h/")]
    response = await caller.client.post("/api/inference", json=body(inputResources=resources))
    assert response.status == 500
    assert await problem(response) == {
        "type": f"{RFC7231}6.6.1",
        "title": "Failed to create job",
        "status": 500,
        "detail": f"Invalid Pipeline ID configured: {id or ''}",
    }
    assert (await caller.status("TX-1"))[0] == 404


async def test_says_that_triton_is_away(caller, triton, monkeypatch):
    async def away(model, **_):
        raise ModelUnavailable(f"{model} is not available")

    monkeypatch.setattr(triton, "inputs", away)
    code, found = await caller.post(body())
    assert (code, found["title"]) == (500, "Failed to create job")
    assert found["detail"] == "chest_xray is not available"


async def test_takes_the_first_of_two_algorithms(caller):
    known, unknown, source = algorithm("chest_xray:1"), algorithm("liver"), dicom_web("http://h/")
    assert (await caller.post(body(inputResources=[known, unknown, source])))[0] == 200
    code, found = await caller.post(body(inputResources=[unknown, known, source], transactionID="TX-2"))
    assert (code, found["detail"]) == (500, "Invalid Pipeline ID configured: liver")


@pytest.mark.parametrize(
    ("media_type", "code"),
    [
        ("application/json", 200),
        ("text/json; charset=utf-8", 200),
        ("application/dicom+json", 200),
        ("text/plain", 415),
        ("application/xml", 415),
    ],
)
async def test_takes_json_alone(caller, media_type, code):
    found = await caller.post(body(), **{"Content-Type": media_type})
    assert found[0] == code
    if code == 415:
        assert (found[1]["type"], found[1]["title"]) == (f"{RFC7231}6.5.13", "Unsupported Media Type")


async def test_bounds_the_body(caller):
    code, found = await caller.post(b" " * (2**20 + 1))
    assert (code, found["title"]) == (413, "Payload Too Large")


@pytest.mark.parametrize("all_apis", [False, True])
async def test_knows_its_paths_in_any_case_and_no_others(serve_requests, all_apis):
    client = (await serve_requests(all_apis=all_apis)).client
    for path in ("/api/inference", "/API/Inference", "/Api/inference/"):
        assert (await client.post(path, json=body())).status == 200
    for path in ("/api/inference/status/TX-1", "/api/INFERENCE/Status/TX-1", "/api/inference/status/TX-1/"):
        assert (await client.get(path)).status == 200
    for path in ("/api/inference/status", "/api/inference/status/", "/api/inference/x"):
        answer = await client.get(path)
        assert (answer.status, await answer.read()) == (404, b""), path
    answer = await client.delete("/api/inference")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


async def test_looks_up_by_transaction_id_and_by_job_id(caller):
    _, accepted = await caller.post(body())
    by_transaction = await caller.status("TX-1")
    assert by_transaction[0] == 200
    for id in (accepted["jobId"],):
        code, found = await caller.status(id)
        assert (code, found["transactionId"], found["platform"]["jobId"]) == (200, "TX-1", id)
    for id in (accepted["payloadId"], "tx-1", accepted["jobId"].upper(), "%20", "TX-1%00", "x" * 3000):
        code, found = await caller.status(id)
        assert code == 404, id
        assert found["title"] == "Inference request not found."
        assert found["detail"] == "Unable to locate the specified request."


async def test_prefers_the_transaction_where_an_id_is_both(caller):
    _, first = await caller.post(body())
    _, second = await caller.post(body(transactionID=first["jobId"]))
    _, found = await caller.status(first["jobId"])
    assert found["platform"]["jobId"] == second["jobId"]


async def test_gives_the_whole_status(caller):
    await caller.post(body(priority=200))
    found = await caller.ended("TX-1")
    assert list(found) == ["transactionId", "platform", "dicom", "message"]
    platform = found["platform"]
    assert list(platform) == [
        "jobId", "payloadId", "status", "state", "priority", "created", "started", "stopped",
    ]  # fmt: skip
    assert (platform["status"], platform["state"], platform["priority"]) == ("Faulted", "Stopped", "Higher")
    for name in ("created", "started", "stopped"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", platform[name])
    assert found["dicom"] == {"state": "Completed", "status": "Fail"}


@pytest.mark.parametrize(
    ("priority", "word"),
    [(0, "Lower"), (127, "Lower"), (128, "Normal"), (129, "Higher"), (254, "Higher"), (255, "Immediate")],
)
async def test_maps_a_priority_to_the_platforms_word(caller, priority, word):
    await caller.post(body(priority=priority))
    assert (await caller.status("TX-1"))[1]["platform"]["priority"] == word


async def test_gives_the_same_answer_to_the_same_request_again(caller):
    first = await caller.post(body())
    assert await caller.post(body()) == first
    spelled = {name.upper(): value for name, value in reversed(body(priority="128").items())}
    assert await caller.post(spelled) == first
    await caller.ended("TX-1")
    assert await caller.post(body()) == first


@pytest.mark.parametrize(
    "changes",
    [
        {"priority": 1},
        {"inputResources": [algorithm(), dicom_web("http://127.0.0.1:9/other/")]},
        {
            "inputResources": [
                algorithm(), dicom_web("http://127.0.0.1:9/dicom-web/", authType="Bearer", authID="T"),
            ]
        },
    ],
)  # fmt: skip
async def test_refuses_another_request_under_the_same_transaction_id(caller, changes):
    await caller.post(body())
    code, found = await caller.post(body(**changes))
    assert code == 409
    assert (found["title"], found["detail"], found["type"]) == ("Conflict", DUPLICATE, f"{RFC7231}6.5.8")


async def test_can_refuse_every_repetition(serve_requests):
    caller = await serve_requests(duplicates="conflict")
    assert [(await caller.post(body()))[0] for _ in range(2)] == [200, 409]


async def test_can_take_every_repetition_for_a_job_of_its_own(serve_requests):
    caller = await serve_requests(duplicates="allow")
    answers = [(await caller.post(body(priority=number)))[1] for number in (1, 1, 200)]
    assert {each["transactionId"] for each in answers} == {"TX-1"}
    assert len({each["jobId"] for each in answers}) == 3
    _, oldest = await caller.status("TX-1")
    assert oldest["platform"]["jobId"] == answers[0]["jobId"]
    for each in answers:
        _, found = await caller.status(each["jobId"])
        assert (found["transactionId"], found["platform"]["jobId"]) == ("TX-1", each["jobId"])


async def test_takes_a_hundred_requests_at_once(serve_requests):
    caller = await serve_requests(jobs=1)
    answers = await asyncio.gather(
        *(caller.post(body(transactionID=f"TX-{number}", priority=number)) for number in range(100))
    )
    assert {code for code, _ in answers} == {200}
    assert len({answer["jobId"] for _, answer in answers}) == 100
    same = await asyncio.gather(*(caller.post(body(transactionID="one")) for _ in range(20)))
    assert {code for code, _ in same} == {200}
    assert len({answer["jobId"] for _, answer in same}) == 1


@pytest.mark.parametrize("id", ["../../etc/passwd", "/etc/passwd", "a/b", "%2e%2e", "..", "a?b=c#d", "Ä ö"])
async def test_makes_no_path_of_a_transaction_id(caller, id, tmp_path):
    before = {path.name for path in tmp_path.parent.iterdir()}
    code, answer = await caller.post(body(transactionID=id))
    assert (code, answer["transactionId"]) == (200, id)
    found = await caller.ended(answer["jobId"])
    assert found["transactionId"] == id
    assert {path.name for path in tmp_path.parent.iterdir()} == before


async def test_ignores_what_callers_may_not_set(caller):
    forbidden = {
        "state": "Completed",
        "status": "Success",
        "jobId": "x",
        "storagePath": "/etc",
        "tryCount": 9,
    }
    code, answer = await caller.post({**body(), **forbidden, "inferenceRequestId": "y"})
    assert code == 200
    assert HEX.fullmatch(answer["jobId"])
    assert (await caller.ended("TX-1"))["dicom"]["status"] == "Fail"


async def test_hides_what_broke_but_says_where(caller, monkeypatch):
    async def broken(*_, **__):
        raise RuntimeError("secret text")

    monkeypatch.setattr(caller.service.engine, "submit", broken)
    code, found = await caller.post(body())
    assert (code, found["title"], found["detail"]) == (500, "Failed to save request", "internal error")
    monkeypatch.setattr(caller.service.engine, "status", broken)
    code, found = await caller.status("TX-1")
    assert (code, found["title"]) == (500, "Failed to retrieve inference request status.")
    assert "secret" not in json.dumps(found)


async def test_keeps_accounts_apart(serve_requests):
    async def account(request):
        return request.headers["X-Account"]

    caller = await serve_requests(account=account)
    _, ours = await caller.post(body(), **{"X-Account": "a"})
    assert (await caller.status("TX-1", **{"X-Account": "b"}))[0] == 404
    assert (await caller.status(ours["jobId"], **{"X-Account": "b"}))[0] == 404
    code, theirs = await caller.post(body(priority=7), **{"X-Account": "b"})
    assert code == 200
    assert theirs["jobId"] != ours["jobId"]


async def test_can_ask_for_a_token(serve_requests, token_with, monkeypatch):
    monkeypatch.setenv("RADGATE_JWT_SECRET", "a secret of the tests, thirty-two bytes long or more")
    caller = await serve_requests(auth="jwt")
    code, found = await caller.post(body())
    assert (code, found["title"], found["detail"]) == (401, "Unauthorized", "Token missing")
    assert (await caller.status("TX-1"))[0] == 401
    assert (await caller.post(body(), Authorization=token_with(sub="a")))[0] == 200
    assert (await caller.status("TX-1", Authorization=f"Bearer {token_with(sub='a')}"))[0] == 200
    assert (await caller.status("TX-1", Authorization=token_with(sub="b")))[0] == 404


async def test_can_ask_for_a_key(serve_requests):
    caller = await serve_requests(auth="key")
    code, found = await caller.post(body())
    assert (code, found["title"], found["detail"]) == (403, "Forbidden", "Invalid API key")
    from gateway.accounts.keys import ApiKeys
    from gateway.accounts.register import Accounts, Terms

    await Accounts(caller.service.database).create("Clinic", Terms())
    key = (await ApiKeys(caller.service.database).create("Clinic")).raw
    assert (await caller.post(body(), **{"x-api-key": key}))[0] == 200
    assert (await caller.status("TX-1", **{"x-api-key": key}))[0] == 200


async def test_says_that_keys_cannot_be_checked(serve_requests):
    caller = await serve_requests(auth="key")
    async with caller.service.database.write() as connection:
        await connection.execute(text("ALTER TABLE api_keys RENAME TO away"))
    headers = {"x-api-key": new_key().raw}
    for sent in (
        caller.client.post("/api/inference", json=body(), headers=headers),
        caller.client.get("/api/inference/status/TX-1", headers=headers),
    ):
        response = await sent
        assert (response.status, response.headers["Retry-After"]) == (503, "5")
        found = await problem(response)
        assert (found["title"], found["type"]) == ("Service Unavailable", f"{RFC7231}6.6.4")
        assert found["detail"] == "API keys cannot be checked at the moment"
