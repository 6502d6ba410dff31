"""What the routes of this API share: the parts they call, who calls them, and a call's body."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple, TypeVar

from aiohttp import web

from gateway.accounts.billing import Caller
from gateway.accounts.keys import ApiKeys
from gateway.accounts.ledger import Ledger
from gateway.apis.vhs import schema
from gateway.apis.vhs.health import Health
from gateway.apis.vhs.photos import TOO_LARGE
from gateway.apis.vhs.screens import Rectifier, Screens
from gateway.apis.vhs.service import Vhs
from gateway.apis.vhs.sessions import Sessions
from gateway.errors import PayloadTooLarge
from gateway.web.body import large_body
from gateway.web.budget import ByteBudget, Places
from gateway.web.sse import HEARTBEAT_SECONDS

T = TypeVar("T")

BODY_SECONDS = 30.0
BYTES_A_SECOND = 500_000
"""A body has BODY_SECONDS, and so much more time as it takes at this rate."""


class PopParts(NamedTuple):
    """What the routes for photos of screens need."""

    screens: Screens
    rectifier: Rectifier
    sessions: Sessions


class Parts(NamedTuple):
    """What the routes need."""

    service: Vhs
    keys: ApiKeys
    ledger: Ledger
    health: Health
    budget: ByteBudget
    places: Places
    timeout_seconds: float
    """From a request's beginning to its answer."""
    pop: PopParts | None = None
    """None where photos of screens are not taken."""
    heartbeat_seconds: float = HEARTBEAT_SECONDS


class Incoming(NamedTuple):
    """A call whose body is about to be parsed."""

    caller: Caller
    idempotency_key: str | None
    deadline: float
    """On the event loop's clock."""


async def calling(request: web.Request, parts: Parts) -> Caller:
    """Say who calls; raises Forbidden."""
    return await parts.keys.caller(request.headers.get("x-api-key"))


@contextlib.asynccontextmanager
async def reading(
    request: web.Request,
    parts: Parts,
    read: Callable[[bytearray, Incoming], T],
    *,
    max_bytes: int = schema.MAX_BODY_BYTES,
) -> AsyncIterator[T]:
    """Read a call with `read`, in a thread; hold its place and its bytes until it is answered."""
    deadline = asyncio.get_running_loop().time() + parts.timeout_seconds
    caller = await calling(request, parts)
    incoming = Incoming(caller, schema.idempotency_key(request), deadline)
    schema.require_json(request)
    with parts.places.place(caller.key_id):
        async with _body(request, parts, max_bytes) as body:
            # A body of ten pictures takes a few hundredths of a second, in pieces.
            yield await asyncio.to_thread(read, body, incoming)


@contextlib.asynccontextmanager
async def _body(request: web.Request, parts: Parts, max_bytes: int) -> AsyncIterator[bytearray]:
    seconds = min(parts.timeout_seconds, _body_seconds(request, max_bytes))
    try:
        async with large_body(request, parts.budget, max_bytes=max_bytes, timeout_seconds=seconds) as body:
            yield body
    except PayloadTooLarge as error:
        if max_bytes == schema.MAX_BODY_BYTES:
            raise
        raise PayloadTooLarge(TOO_LARGE) from error  # a body of one picture, which is what fills it


def _body_seconds(request: web.Request, max_bytes: int) -> float:
    length = max_bytes if request.content_length is None else request.content_length
    return BODY_SECONDS + length / BYTES_A_SECOND
