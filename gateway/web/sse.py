"""Server-sent events: one way of sending them for every API."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, NamedTuple

from aiohttp import web

from gateway.errors import GatewayError
from gateway.web.mount import BEGUN, BegunAnswer, request_id

HEARTBEAT_SECONDS = 15.0
"""Proxies close what is silent for longer, most of them after a minute."""
LOOK_SECONDS = 0.25
"""How often a silent stream looks whether its caller is still there."""


class Event(NamedTuple):
    """One event; its data becomes JSON."""

    name: str
    data: Any


class CallerLeft(Exception):
    """The connection is closed, and nobody reads any more."""


async def _nothing() -> None:
    """Mourn nobody."""


async def send_events(
    request: web.Request,
    events: AsyncGenerator[Event, None],
    *,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
    numbered: bool = True,
    failed: Callable[[GatewayError], Event] | None = None,
    left: Callable[[], Awaitable[None]] = _nothing,
) -> web.StreamResponse:
    """Send events until there are no more or the caller leaves.

    What goes wrong before the first event is raised, and can be answered like any other error. An event
    is asked for when the one before it has been written, and the source is closed in any case.

    Parameters
    ----------
    numbered
        Send numbers, from 1, as event ids, for callers that can come back and say how far they got.
    failed
        Gives the last event where something goes wrong after the first one.
    left
        Called, when the source is closed, where the caller was gone before the last event.
    """
    sender = _Sender(request, numbered, failed)
    try:
        async with (
            contextlib.aclosing(events),
            contextlib.aclosing(_with_silences(events, heartbeat_seconds, sender.look)) as items,
        ):
            await sender.start(await anext(items, None))
            async for event in items:
                await sender.send(event)
            await sender.response.write_eof()
    except (CallerLeft, ConnectionResetError):
        await left()
    return sender.response


class _Sender(BegunAnswer):
    """Writes events to one caller."""

    def __init__(
        self, request: web.Request, numbered: bool, failed: Callable[[GatewayError], Event] | None
    ) -> None:
        self.response = web.StreamResponse(headers=_headers())
        self._request = request
        self._numbered = numbered
        self._failed = failed
        self._number = 0

    async def start(self, first: Event | None) -> None:
        await self.response.prepare(self._request)
        self._request[BEGUN] = self
        if first is not None:
            await self.send(first)

    async def send(self, event: Event | None) -> None:
        """Write an event, or for None a comment that says that this server is still there."""
        self.look()
        await self.response.write(self._text(event))

    def look(self) -> None:
        """Raise CallerLeft where the caller is gone."""
        transport = self._request.transport
        if transport is None or transport.is_closing():
            raise CallerLeft

    async def end(self, error: GatewayError) -> web.StreamResponse:
        """Say what went wrong, and end."""
        with contextlib.suppress(CallerLeft, ConnectionResetError):
            if self._failed is not None:
                await self.send(self._failed(error))
            await self.response.write_eof()
        return self.response

    def _text(self, event: Event | None) -> bytes:
        if event is None:
            return b": keep-alive\n\n"
        self._number += 1
        number = f"id: {self._number}\n" if self._numbered else ""
        data = json.dumps(event.data, separators=(",", ":"))
        return f"{number}event: {event.name}\ndata: {data}\n\n".encode()


def _headers() -> dict[str, str]:
    return {
        "Content-Type": "text/event-stream; charset=utf-8",
        "Cache-Control": "no-store, no-cache, no-transform",
        "X-Accel-Buffering": "no",  # nginx would collect events before it passes them on
        "X-Content-Type-Options": "nosniff",
        "X-Request-ID": request_id.get(),
    }


async def _with_silences(
    events: AsyncGenerator[Event, None], seconds: float, look: Callable[[], None]
) -> AsyncGenerator[Event | None, None]:
    """Give each event, and None after so many seconds without one; the first is waited for."""
    waiting: asyncio.Future[Event] | None = None
    loop = asyncio.get_running_loop()
    has_begun, heard_at = False, loop.time()
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(events))
            pause = min(LOOK_SECONDS, max(0.0, heard_at + seconds - loop.time()))
            done, _ = await asyncio.wait([waiting], timeout=pause if has_begun else None)
            if done:
                finished, waiting, has_begun = waiting, None, True
                try:
                    yield finished.result()
                except StopAsyncIteration:
                    return
            elif loop.time() < heard_at + seconds:
                look()
                continue
            else:
                yield None
            heard_at = loop.time()
    finally:
        if waiting is not None:
            waiting.cancel()
            await asyncio.wait([waiting])
