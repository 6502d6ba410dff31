"""Server-sent events: one way of sending them for every API."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, NamedTuple

from aiohttp import web

from gateway.web.mount import request_id

HEARTBEAT_SECONDS = 15.0
"""Proxies close what is silent for longer, most of them after a minute."""


class Event(NamedTuple):
    """One event; its data becomes JSON."""

    name: str
    data: Any


async def send_events(
    request: web.Request, events: AsyncIterator[Event], *, heartbeat_seconds: float = HEARTBEAT_SECONDS
) -> web.StreamResponse:
    """Send events, numbered from 1, until there are no more or the caller leaves.

    What goes wrong before the first event is raised, and can be answered like any other error.
    """
    async with contextlib.aclosing(_with_silences(events, heartbeat_seconds)) as items:
        first = await anext(items, None)
        response = web.StreamResponse(headers=_headers())
        await response.prepare(request)
        with contextlib.suppress(ConnectionResetError):
            if first is not None:
                await response.write(_text(1, first))
            number = 1
            async for event in items:
                number += event is not None
                await response.write(_text(number, event))
            await response.write_eof()
    return response


def _headers() -> dict[str, str]:
    return {
        "Content-Type": "text/event-stream; charset=utf-8",
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",  # nginx would collect events before it passes them on
        "X-Content-Type-Options": "nosniff",
        "X-Request-ID": request_id.get(),
    }


async def _with_silences(events: AsyncIterator[Event], seconds: float) -> AsyncGenerator[Event | None, None]:
    """Give each event, and None after so many seconds without one; the first is waited for."""
    waiting: asyncio.Future[Event] | None = None
    timeout: float | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait([waiting], timeout=timeout)
            timeout = seconds
            if not done:
                yield None
                continue
            finished, waiting = waiting, None
            try:
                yield finished.result()
            except StopAsyncIteration:
                return
    finally:
        if waiting is not None:
            waiting.cancel()
            await asyncio.wait([waiting])


def _text(number: int, event: Event | None) -> bytes:
    if event is None:
        return b": still here\n\n"
    return f"id: {number}\nevent: {event.name}\ndata: {json.dumps(event.data)}\n\n".encode()
