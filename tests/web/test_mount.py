"""What every answer has, whoever makes it, and what an error may show."""

import asyncio
import logging

import pytest
from aiohttp import web

from gateway.errors import GatewayError, InferenceFailed, InvalidRequest, NotFound, Unauthenticated
from gateway.web.mount import application, mount, request_id
from gateway.web.problem import problem_answer

PATH = "/single_inference"


def raising(error):
    async def handler(request):
        raise error

    return handler


@pytest.fixture
def serve(aiohttp_client):
    """Serve one handler at /it."""

    async def run(handler):
        app = application(problem_answer)
        mount(app, [web.post("/it", handler)], problem_answer, api="test")
        return await aiohttp_client(app)

    return run


# Errors


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (InvalidRequest("the age is negative"), 400, "the age is negative"),
        (Unauthenticated("Token missing"), 401, "Token missing"),
        (NotFound("no such thing"), 404, "no such thing"),
        (InferenceFailed("x failed"), 502, "internal error"),
        (GatewayError("who and where"), 500, "internal error"),
        (KeyError("secret"), 500, "internal error"),
        (OSError(2, "No such file", "/home/patient"), 500, "internal error"),
    ],
)
async def test_an_error_becomes_the_apis_body(serve, error, status, detail):
    client = await serve(raising(error))
    response = await client.post("/it")
    assert response.status == status
    assert response.content_type == "application/problem+json"
    body = await response.json(content_type=None)
    assert (body["status"], body["detail"]) == (status, detail)


async def test_hides_what_broke_from_the_log_too(serve, caplog):
    client = await serve(raising(ValueError("Doe^John")))
    await client.post("/it")
    assert "ValueError at " in caplog.text
    assert "Doe" not in caplog.text


# Headers


@pytest.mark.parametrize("path", ["/ping", PATH, "/absent"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_every_answer_has_the_same_headers(client, main_client, method, path):
    for each in (client, main_client):
        headers = (await each.request(method, path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert len(headers["X-Request-ID"]) == 32
        assert "Server" not in headers


@pytest.mark.parametrize("path", ["/ping", "/absent", PATH])
@pytest.mark.parametrize("given", ["order-66", "A", "0" * 64, "3f2b-AB-9"])
async def test_repeats_a_request_id(client, path, given):
    response = await client.get(path, headers={"X-Request-ID": given})
    assert response.headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", " ", "a b", "0" * 65, "a_b", "<script>", "é", 'a"b', "a\tb"])
async def test_replaces_a_malformed_request_id(client, given):
    for path in ("/ping", "/absent"):
        response = await client.get(path, headers={"X-Request-ID": given})
        assert len(response.headers["X-Request-ID"]) == 32


async def test_one_connection_gives_each_request_its_own_id(client):
    paths = ["/ping", "/absent", "/ping", PATH, "/absent"]
    ids = [(await client.get(path)).headers["X-Request-ID"] for path in paths]
    assert len(set(ids)) == len(ids)


async def test_a_request_keeps_its_id_while_others_run(serve):
    async def handler(request):
        await asyncio.sleep(0.01)
        return web.json_response(request_id.get())

    client = await serve(handler)
    ask = [client.post("/it", headers={"X-Request-ID": f"id-{number}"}) for number in range(20)]
    answers = [await response.json() for response in await asyncio.gather(*ask)]
    assert answers == [f"id-{number}" for number in range(20)]


# What no API has


@pytest.mark.parametrize("path", ["/", "/absent", "/single_inference/", "/SINGLE_INFERENCE", "/ping/x"])
async def test_an_unknown_path_on_the_contracts_port_is_in_its_envelope(client, path):
    response = await client.get(path)
    expected = {"Result": "Failure", "Data": None, "Message": "no such path"}
    assert (response.status, await response.json()) == (404, expected)


async def test_an_unknown_path_on_the_main_port_is_a_problem(main_client):
    response = await main_client.get("/absent")
    assert (response.status, response.content_type) == (404, "application/problem+json")
    body = await response.json(content_type=None)
    assert body == {"title": "not_found", "status": 404, "detail": "no such path"}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", PATH, "POST"), ("PUT", PATH, "POST"), ("DELETE", PATH, "POST"), ("POST", "/ping", "GET")],
)
async def test_another_method_is_told_the_right_one(client, main_client, method, path, allowed):
    response = await client.request(method, path)
    expected = {"Result": "Failure", "Data": None, "Message": f"use {allowed}"}
    assert (response.status, response.headers["Allow"], await response.json()) == (405, allowed, expected)
    response = await main_client.request(method, path)
    assert (response.status, response.headers["Allow"]) == (405, allowed)
    assert response.content_type == "application/problem+json"


async def test_the_main_port_answers_an_api_in_its_own_words(main_client):
    response = await main_client.post(PATH, json={})
    expected = {"Result": "Failure", "Data": None, "Message": "Token missing"}
    assert (response.status, await response.json()) == (401, expected)


async def test_logs_no_path_that_no_api_has(client, caplog):
    with caplog.at_level(logging.DEBUG):
        await client.get("/Doe/John.dcm?patient=PAT001")
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("gateway")]
    assert [line.rsplit(" ", 2)[0] for line in lines] == ["GET none 404"]
