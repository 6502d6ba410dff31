"""URLs for photos of screens: corners, the straightened film, and capture sessions."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import pybase64
from aiohttp import web

from gateway.apis.vhs import screen_schema, session_answers
from gateway.apis.vhs.calls import Incoming, Parts, PopParts, calling, reading
from gateway.apis.vhs.photos import Bytes
from gateway.apis.vhs.schema import PopUnavailable
from gateway.apis.vhs.screen_schema import MAX_BODY_BYTES, ToRectify
from gateway.apis.vhs.screens import Corners, Film
from gateway.apis.vhs.session_store import SessionNotFound
from gateway.apis.vhs.sessions import ENDPOINT, FrameCall
from gateway.errors import InvalidRequest
from gateway.web.body import read_body

ORDER = "TL,TR,BR,BL"
MAX_START_BYTES = 65_536


def screen_routes(parts: Parts, *, prefix: str = "") -> Sequence[web.RouteDef]:
    """List the routes, below a prefix that is in no answer."""

    async def corners(request: web.Request) -> web.Response:
        pop = await _pop(request, parts)
        async with reading(request, parts, _photo, max_bytes=MAX_BODY_BYTES) as (photo, deadline):
            look, found = await pop.screens.corners(photo, deadline=deadline)
        size = {"image_width": look.width, "image_height": look.height}
        return web.json_response({**_corners(found), **size, **_version(parts)})

    async def rectify(request: web.Request) -> web.Response:
        pop = await _pop(request, parts)
        async with reading(request, parts, _to_rectify, max_bytes=MAX_BODY_BYTES) as (asked, deadline):
            film = await pop.rectifier.rectify(asked.photo, asked.corners, deadline=deadline)
        return _film_answer(film, {**_size(film), **_version(parts)})

    async def preprocess(request: web.Request) -> web.Response:
        pop = await _pop(request, parts)
        async with reading(request, parts, _photo, max_bytes=MAX_BODY_BYTES) as (photo, deadline):
            _, found = await pop.screens.corners(photo, deadline=deadline)
            film = await pop.rectifier.rectify(photo, found, deadline=deadline)
        return _film_answer(film, {**_corners(found), **_size(film), **_version(parts)})

    async def start(request: web.Request) -> web.Response:
        pop, caller = await _pop(request, parts), await calling(request, parts)
        screen_schema.parse_start(await read_body(request, max_bytes=MAX_START_BYTES))
        health = parts.health.report()
        if not health["pop_pipeline_enabled"]:
            raise PopUnavailable
        session_id = await pop.sessions.store.start(caller.account)
        return web.json_response(session_answers.ready(session_id, health))

    async def frame(request: web.Request) -> web.Response:
        pop = await _pop(request, parts)
        async with reading(request, parts, _frame, max_bytes=MAX_BODY_BYTES) as call:
            try:
                body = await pop.sessions.frame(call)
            except SessionNotFound as error:
                return web.json_response(session_answers.not_found(error.session_id), status=error.status)
        return web.Response(body=body, content_type="application/json")

    return [
        web.post(f"{prefix}/v3/corners", corners),
        web.post(f"{prefix}/v3/rectify", rectify),
        web.post(f"{prefix}/v3/preprocess", preprocess),
        web.post(f"{prefix}/v3/pop-session/start", start),
        web.post(f"{prefix}{ENDPOINT}", frame),
    ]


async def _pop(request: web.Request, parts: Parts) -> PopParts:
    if parts.pop is None:
        await calling(request, parts)  # the key comes before everything else
        raise PopUnavailable
    return parts.pop


class _Photo(NamedTuple):
    """One valid call about a photo; `deadline` is on the event loop's clock."""

    photo: Bytes
    deadline: float


class _ToRectify(NamedTuple):
    """One valid call to `/v3/rectify`."""

    asked: ToRectify
    deadline: float


def _photo(body: bytearray, incoming: Incoming) -> _Photo:
    return _Photo(screen_schema.parse_photo(body), incoming.deadline)


def _to_rectify(body: bytearray, incoming: Incoming) -> _ToRectify:
    return _ToRectify(screen_schema.parse_rectify(body), incoming.deadline)


def _frame(body: bytearray, incoming: Incoming) -> FrameCall:
    if incoming.idempotency_key is not None:
        # A session that has ended repeats its answer by itself.
        raise InvalidRequest("Idempotency-Key is for /v3/predict only", field="Idempotency-Key")
    return FrameCall(screen_schema.parse_frame(body), incoming.caller, incoming.deadline)


def _corners(corners: Corners) -> dict[str, Any]:
    return {"corners": corners, "order": ORDER}


def _size(film: Film) -> dict[str, Any]:
    return {"width": film.width, "height": film.height}


def _version(parts: Parts) -> dict[str, Any]:
    return {"model_version": parts.service.model_version}


def _film_answer(film: Film, others: dict[str, Any]) -> web.Response:
    """Answer with a film; the picture, which may be megabytes of base64, passes by the JSON encoder."""
    rest = json.dumps(others).encode().removeprefix(b"{")
    body = b"".join((b'{"rectified_image": "', pybase64.b64encode(film.jpeg), b'", ', rest))
    return web.Response(body=body, content_type="application/json")
