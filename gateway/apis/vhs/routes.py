"""URLs of the VHS API: who calls, read the body, call the service, answer."""

import hashlib
import re
from collections.abc import Sequence

from aiohttp import web

from gateway.apis.vhs import answers, schema
from gateway.apis.vhs.calls import Incoming, Parts, calling, reading
from gateway.apis.vhs.charges import Repeatable, charge_of
from gateway.apis.vhs.schema import Asked
from gateway.apis.vhs.screen_routes import screen_routes
from gateway.apis.vhs.service import Call
from gateway.apis.vhs.streaming import Stream
from gateway.errors import InvalidRequest
from gateway.web.sse import send_events

PREDICT, STREAM = "/v3/predict", "/v3/predict/stream"
PERIOD = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


def routes(parts: Parts, *, prefix: str = "") -> Sequence[web.RouteDef]:
    """List the routes of this API, below a prefix that is in no answer."""

    async def health(request: web.Request) -> web.Response:
        await calling(request, parts)
        return web.json_response(parts.health.report())

    async def predict(request: web.Request) -> web.Response:
        async with reading(request, parts, _predict_call) as call:
            body = await parts.service.predict(call)
        return web.Response(body=body, content_type="application/json")

    async def predict_stream(request: web.Request) -> web.StreamResponse:
        async with reading(request, parts, _stream_call) as call:
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
        caller = await calling(request, parts)
        used = await parts.ledger.usage(caller.account, _period(request))
        return web.json_response(answers.usage(used))

    return [
        web.get(f"{prefix}/v3/health", health, allow_head=False),
        web.post(f"{prefix}{PREDICT}", predict),
        web.post(f"{prefix}{STREAM}", predict_stream),
        web.get(f"{prefix}/v3/usage", usage, allow_head=False),
        *screen_routes(parts, prefix=prefix),
    ]


def _predict_call(body: bytearray, incoming: Incoming) -> Call:
    key = incoming.idempotency_key
    # Before the pictures take the body's place.
    repeatable = None if key is None else Repeatable(key, hashlib.sha256(body).hexdigest())
    return _valid_call(schema.parse_predict(body), incoming, PREDICT, repeatable)


def _stream_call(body: bytearray, incoming: Incoming) -> Call:
    if incoming.idempotency_key is not None:
        raise InvalidRequest(f"Idempotency-Key is for {PREDICT} only", field="Idempotency-Key")
    return _valid_call(schema.parse_predict(body, only_batch=True), incoming, STREAM, None)


def _valid_call(asked: Asked, incoming: Incoming, endpoint: str, repeatable: Repeatable | None) -> Call:
    charge = charge_of(
        incoming.caller,
        endpoint=endpoint,
        call_type="session" if asked.is_batch else "single",
        uuid=asked.uuid,
        repeatable=repeatable,
    )
    return Call(asked, charge, incoming.deadline)


def _period(request: web.Request) -> str | None:
    if not request.query:
        return None
    period = request.query.get("period", "")
    if len(request.query) > 1 or not PERIOD.fullmatch(period):
        raise InvalidRequest("period must be a month, YYYY-MM, and stand alone", field="period")
    return period
