"""How much of a body is read, and for how long."""

import asyncio
import gzip
import json
import tracemalloc
import zlib

import pytest
from aiohttp import web

from gateway.web.body import read_body
from gateway.web.mount import application, mount
from gateway.web.problem import problem_answer

MAX_BYTES = 64 * 1024


@pytest.fixture
async def echo(aiohttp_client):
    """A client of an application that answers how much it read."""

    async def handler(request):
        body = await read_body(request, max_bytes=MAX_BYTES, timeout_seconds=0.2)
        return web.json_response(len(body))

    app = application(problem_answer)
    mount(app, [web.post("/it", handler)], problem_answer, api="test")
    return await aiohttp_client(app)


async def in_chunks(*chunks):
    for chunk in chunks:
        yield chunk


@pytest.mark.parametrize("size", [0, 1, MAX_BYTES])
async def test_reads_up_to_the_limit(echo, size):
    for data in (b"x" * size, in_chunks(b"x" * size)):
        assert await (await echo.post("/it", data=data)).json() == size


async def test_refuses_more_by_what_the_header_says(echo):
    response = await echo.post("/it", data=b"x" * (MAX_BYTES + 1))
    assert response.status == 413


async def test_refuses_more_that_comes_in_chunks(echo):
    response = await echo.post("/it", data=in_chunks(*[b"x" * 1000] * 66))
    assert response.status == 413


async def test_does_not_wait_for_the_end_of_an_endless_body(echo):
    async def endless():
        while True:
            yield b"x" * 1000

    response = await echo.post("/it", data=endless())
    assert response.status == 413


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_counts_a_compressed_body_as_it_is_read(echo, encoding, compress):
    headers = {"Content-Encoding": encoding}
    response = await echo.post("/it", data=compress(b"x" * 60_000), headers=headers)
    assert await response.json() == 60_000
    response = await echo.post("/it", data=compress(b"x" * 70_000), headers=headers)
    assert response.status == 413


async def test_a_bomb_is_stopped_before_it_goes_off(echo):
    bomb = gzip.compress(bytes(60 * 2**20))
    assert len(bomb) < MAX_BYTES
    tracemalloc.start()
    response = await echo.post("/it", data=bomb, headers={"Content-Encoding": "gzip"})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert response.status == 413
    assert peak < 8 * 2**20


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", b"no gzip"),
        ("deflate", b"\x78\x9cnonsense"),
    ],
)
async def test_names_a_body_that_cannot_be_decompressed(echo, encoding, data):
    response = await echo.post("/it", data=data, headers={"Content-Encoding": encoding})
    assert response.status in (400, 415)


async def test_does_not_wait_for_a_body_that_never_comes(echo):
    async def dripping():
        yield b"x"
        await asyncio.sleep(1)

    response = await echo.post("/it", data=dripping())
    assert response.status == 408
    body = await response.json(content_type=None)
    assert body["detail"] == "the body did not arrive within 0.2 seconds"


async def test_a_caller_that_goes_in_its_body_is_no_error_of_ours(echo, caplog):
    _, writer = await asyncio.open_connection(echo.host, echo.port)
    writer.write(b"POST /it HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.transport.abort()
    await asyncio.sleep(0.1)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


# The same through the chest X-ray API, whose bodies are its own


async def test_the_contracts_port_refuses_a_long_body_in_its_envelope(client, token):
    headers = {"Authorization": token, "Content-Type": "application/json"}
    body = json.dumps({"input_image_path": "x" * MAX_BYTES})
    for data in (body, in_chunks(body.encode())):
        response = await client.post("/single_inference", data=data, headers=headers)
        expected = {"Result": "Failure", "Data": None, "Message": "the body exceeds 65536 bytes"}
        assert (response.status, await response.json()) == (413, expected)


async def test_the_contracts_port_reads_a_compressed_body(client, token):
    headers = {
        "Authorization": token,
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
    }
    response = await client.post("/single_inference", data=gzip.compress(b"{}"), headers=headers)
    assert (await response.json())["Message"] == "input_image_path is required in the request"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "nonsense"])
async def test_the_contracts_port_answers_an_encoding_that_is_none_in_its_envelope(client, token, encoding):
    headers = {
        "Authorization": token,
        "Content-Type": "application/json",
        "Content-Encoding": encoding,
    }
    response = await client.post("/single_inference", data=b"\x78nonsense", headers=headers)
    assert response.status == 415
    assert (await response.json())["Result"] == "Failure"
