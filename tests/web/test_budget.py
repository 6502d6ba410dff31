import asyncio

import pytest
from aiohttp import web

from gateway.errors import Busy, RateLimited
from gateway.web.body import large_body
from gateway.web.budget import ByteBudget, Places
from gateway.web.mount import application, mount
from gateway.web.problem import problem_answer

TOTAL = 1000


@pytest.fixture
def budget():
    return ByteBudget(TOTAL)


def free(budget):
    """Give what a share can hold."""
    for count in range(TOTAL, -1, -1):
        with budget.share() as share:
            try:
                share.grow_to(count)
            except Busy:
                continue
            return count


def test_shares_are_within_the_budget_together(budget):
    with budget.share() as first, budget.share() as second:
        first.grow_to(600)
        with pytest.raises(Busy) as refused:
            second.grow_to(401)
        assert refused.value.retry_after_seconds
        second.grow_to(400)
    assert free(budget) == TOTAL


def test_a_share_grows_and_never_shrinks(budget):
    with budget.share() as share:
        share.grow_to(300)
        share.grow_to(100)
        assert free(budget) == 700
        share.grow_to(500)
        assert free(budget) == 500


def test_a_share_is_given_back_after_an_error(budget):
    with pytest.raises(ZeroDivisionError), budget.share() as share:
        share.grow_to(TOTAL)
        raise ZeroDivisionError
    assert free(budget) == TOTAL


@pytest.fixture
async def client(aiohttp_client, budget):
    """A client of an application that reads a body of up to 800 bytes, and waits where it says so."""
    go_on = asyncio.Event()

    async def handler(request):
        async with large_body(request, budget, max_bytes=800, timeout_seconds=0.5) as body:
            if "wait" in request.query:
                await go_on.wait()
            return web.json_response(len(body))

    app = application(problem_answer)
    mount(app, [web.post("/it", handler)], problem_answer, api="test")
    client = await aiohttp_client(app)
    client.go_on = go_on
    return client


async def in_chunks(count, size, pause=0.0):
    for _ in range(count):
        yield b"x" * size
        await asyncio.sleep(pause)


async def until_held(budget, count):
    for _ in range(500):
        if TOTAL - free(budget) == count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{TOTAL - free(budget)} bytes are held")


async def test_reads_what_the_budget_allows(client, budget):
    for data in (b"x" * 800, in_chunks(8, 100)):
        assert await (await client.post("/it", data=data)).json() == 800
    assert free(budget) == TOTAL


async def test_holds_the_body_until_the_request_is_answered(client, budget):
    waiting = asyncio.create_task(client.post("/it?wait", data=b"x" * 700))
    await until_held(budget, 700)
    for data in (b"x" * 400, in_chunks(8, 50)):
        response = await client.post("/it", data=data)
        assert response.status == 503
        assert int(response.headers["Retry-After"]) > 0
    assert await (await client.post("/it", data=b"x" * 300)).json() == 300
    client.go_on.set()
    assert (await waiting).status == 200
    assert free(budget) == TOTAL


async def test_reserves_what_the_header_announces_before_it_comes(client, budget):
    _, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(b"POST /it HTTP/1.1\r\nHost: x\r\nContent-Length: 700\r\n\r\nx")
    await until_held(budget, 700)
    writer.transport.abort()
    await until_held(budget, 0)


async def test_takes_nothing_for_a_body_that_is_too_large(client, budget):
    for data in (b"x" * 801, in_chunks(9, 100)):
        assert (await client.post("/it", data=data)).status == 413
    assert free(budget) == TOTAL


async def test_a_late_body_gives_its_share_back(client, budget):
    assert (await client.post("/it", data=in_chunks(8, 100, pause=0.2))).status == 408
    assert free(budget) == TOTAL


def test_a_caller_has_so_many_places():
    places = Places(2)
    refused = pytest.raises(RateLimited, match=r"^Too many requests$")
    with places.place("a"), places.place("a"), places.place("b"), refused, places.place("a"):
        pass
    with places.place("a"), places.place("a"):
        pass


def test_no_limit_is_no_limit():
    places = Places(0)
    with places.place("a"), places.place("a"), places.place("a"):
        pass
