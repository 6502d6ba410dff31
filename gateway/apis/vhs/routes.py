"""URLs of the VHS API: who calls, read the body, call the service, answer."""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

from aiohttp import web

from gateway.accounts.billing import Caller
from gateway.accounts.keys import ApiKeys
from gateway.accounts.ledger import Ledger
from gateway.apis.vhs import answers, schema
from gateway.apis.vhs.charges import Repeatable, charge_of
from gateway.apis.vhs.health import Health
from gateway.apis.vhs.schema import Asked
from gateway.apis.vhs.service import Call, Vhs
from gateway.apis.vhs.streaming import Stream
from gateway.errors import InvalidRequest
from gateway.web.body import large_body
from gateway.web.budget import ByteBudget, Places
from gateway.web.sse import HEARTBEAT_SECONDS, send_events

PREDICT, STREAM = "/v3/predict", "/v3/predict/stream"
PERIOD = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")

BODY_SECONDS = 30.0
BYTES_A_SECOND = 500_000
"""A body has BODY_SECONDS, and so much more time as it takes at this rate."""


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
    heartbeat_seconds: float = HEARTBEAT_SECONDS


def routes(parts: Parts, *, prefix: str = "") -> Sequence[web.RouteDef]:
    """List the routes of this API, below a prefix that is in no answer."""

    async def health(request: web.Request) -> web.Response:
        await _caller(request, parts)
        return web.json_response(parts.health.report())

    async def predict(request: web.Request) -> web.Response:
        async with _call(request, parts, _predict_call) as call:
            body = await parts.service.predict(call)
        return web.Response(body=body, content_type="application/json")

    async def predict_stream(request: web.Request) -> web.StreamResponse:
        async with _call(request, parts, _stream_call) as call:
            stream = Stream(parts.service, call)
            return await send_events(
                request,
                stream.events(),
                heartbeat_seconds=parts.heartbeat_seconds,
                numbered=False,  # nobody can come back to a POST
                failed=stream.failed,
                left=stream.left,
            )

    async def usage(request: web.Request) -> web.Response:
        caller = await _caller(request, parts)
        used = await parts.ledger.usage(caller.account, _period(request))
        return web.json_response(answers.usage(used))

    return [
        web.get(f"{prefix}/v3/health", health, allow_head=False),
        web.post(f"{prefix}{PREDICT}", predict),
        web.post(f"{prefix}{STREAM}", predict_stream),
        web.get(f"{prefix}/v3/usage", usage, allow_head=False),
    ]


async def _caller(request: web.Request, parts: Parts) -> Caller:
    return await parts.keys.caller(request.headers.get("x-api-key"))


@contextlib.asynccontextmanager
async def _call(
    request: web.Request, parts: Parts, read: Callable[[bytearray, Caller, str | None, float], Call]
) -> AsyncIterator[Call]:
    """Read a call, and hold its place and its bytes until it is answered."""
    deadline = asyncio.get_running_loop().time() + parts.timeout_seconds
    caller = await _caller(request, parts)
    key = schema.idempotency_key(request)
    schema.require_json(request)
    with parts.places.place(caller.key_id):
        async with large_body(
            request,
            parts.budget,
            max_bytes=schema.MAX_BODY_BYTES,
            timeout_seconds=min(parts.timeout_seconds, _body_seconds(request)),
        ) as body:
            # A body of ten pictures takes a few hundredths of a second, in pieces.
            yield await asyncio.to_thread(read, body, caller, key, deadline)


def _body_seconds(request: web.Request) -> float:
    length = schema.MAX_BODY_BYTES if request.content_length is None else request.content_length
    return BODY_SECONDS + length / BYTES_A_SECOND


def _predict_call(body: bytearray, caller: Caller, key: str | None, deadline: float) -> Call:
    # Before the pictures take the body's place.
    repeatable = None if key is None else Repeatable(key, hashlib.sha256(body).hexdigest())
    return _valid_call(schema.parse_predict(body), caller, PREDICT, repeatable, deadline)


def _stream_call(body: bytearray, caller: Caller, key: str | None, deadline: float) -> Call:
    if key is not None:
        raise InvalidRequest(f"Idempotency-Key is for {PREDICT} only", field="Idempotency-Key")
    return _valid_call(schema.parse_predict(body, only_batch=True), caller, STREAM, None, deadline)


def _valid_call(
    asked: Asked, caller: Caller, endpoint: str, repeatable: Repeatable | None, deadline: float
) -> Call:
    charge = charge_of(
        caller,
        endpoint=endpoint,
        call_type="session" if asked.is_batch else "single",
        uuid=asked.uuid,
        repeatable=repeatable,
    )
    return Call(asked, charge, deadline)


def _period(request: web.Request) -> str | None:
    if not request.query:
        return None
    period = request.query.get("period", "")
    if len(request.query) > 1 or not PERIOD.fullmatch(period):
        raise InvalidRequest("period must be a month, YYYY-MM, and stand alone", field="period")
    return period
