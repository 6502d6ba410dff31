import asyncio

from aiohttp import web

from gateway.errors import NotFound
from gateway.web.mount import application, mount
from gateway.web.problem import problem_answer
from gateway.web.sse import Event, send_events


async def get(aiohttp_client, events, **options):
    async def handler(request):
        return await send_events(request, events(), **options)

    app = application(problem_answer)
    mount(app, [web.get("/events", handler)], problem_answer, api="tests")
    return await (await aiohttp_client(app)).get("/events")


async def test_numbers_events_and_ends_with_them(aiohttp_client):
    async def events():
        yield Event("progress", {"done": 1})
        yield Event("end", "line\nline")

    response = await get(aiohttp_client, events)
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store, no-cache, no-transform"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert await response.text() == (
        'id: 1\nevent: progress\ndata: {"done":1}\n\nid: 2\nevent: end\ndata: "line\\nline"\n\n'
    )


async def test_says_that_it_is_still_there(aiohttp_client):
    async def events():
        yield Event("a", 1)
        await asyncio.sleep(0.1)
        yield Event("b", 2)

    text = await (await get(aiohttp_client, events, heartbeat_seconds=0.03)).text()
    assert text.count(": keep-alive\n\n") >= 2
    assert text.startswith("id: 1\n") and "id: 2\nevent: b\n" in text


async def test_an_error_before_the_first_event_is_an_answer(aiohttp_client):
    async def events():
        raise NotFound("no such job")
        yield

    assert (await get(aiohttp_client, events)).status == 404


async def test_a_caller_who_leaves_ends_the_source(aiohttp_client):
    ended = asyncio.Event()

    async def events():
        try:
            while True:
                yield Event("tick", 1)
                await asyncio.sleep(0.01)
        finally:
            ended.set()

    response = await get(aiohttp_client, events)
    await response.content.readline()
    response.close()
    await asyncio.wait_for(ended.wait(), 5)
