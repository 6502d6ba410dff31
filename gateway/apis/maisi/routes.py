"""URLs of the MAISI API: read the body, call the service, answer."""

import asyncio
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from gateway.apis.callers import Account
from gateway.apis.maisi import answers, info, schema
from gateway.apis.maisi.service import Maisi
from gateway.errors import UnsupportedMediaType
from gateway.web.body import read_body
from gateway.web.mount import request_id
from gateway.web.preferences import prefers_async
from gateway.web.sse import CallerLeft, send_events

HEALTH, LICENSE, MAISI = "/v1/health", "/v1/license", "/v1/maisi"
JOB = f"{answers.JOBS}/{{id}}"
CHUNK_BYTES = 2**20


def open_routes(service: Maisi) -> Sequence[web.RouteDef]:
    """List the routes that everyone may ask."""

    async def live(_: web.Request) -> web.Response:
        return web.json_response(info.health("live"))

    async def ready(_: web.Request) -> web.Response:
        is_ready = service.is_ready()
        return web.json_response(
            info.health("ready" if is_ready else "not ready"), status=200 if is_ready else 503
        )

    async def license(_: web.Request) -> web.Response:
        return web.json_response(info.LICENSE)

    return [
        web.get(f"{HEALTH}/live", live),
        web.get(f"{HEALTH}/ready", ready),
        web.get(LICENSE, license),
    ]


def routes(service: Maisi, account: Account) -> Sequence[web.RouteDef]:
    """List the routes of generation."""

    async def describe(request: web.Request) -> web.Response:
        await account(request)
        return web.json_response(info.INFO)

    async def validate(request: web.Request) -> web.Response:
        run = await _checked(request)
        return web.json_response(info.valid(run))

    async def run(request: web.Request) -> web.StreamResponse:
        caller = await account(request)
        asked = await _checked(request)
        if prefers_async(request):
            return answers.accepted_answer(await service.submit(asked, caller, is_awaited=False))
        job = await service.submit(asked, caller, is_awaited=True)
        job = await service.wait(job, lambda: _look(request))
        if asked.pre_signed_url or asked.local_working_dir:
            return answers.delivered_answer(job, uploaded=bool(asked.pre_signed_url))
        try:
            return await _send(request, service.archive(job), answers.result_headers(job))
        finally:
            await service.forget(job)

    async def _checked(request: web.Request) -> schema.Run:
        caller = await account(request)
        _require_json(request.content_type)
        body = await read_body(request, max_bytes=schema.MAX_BODY_BYTES)
        asked = schema.parse(body)
        await service.check(asked, caller)
        return asked

    return [
        web.get(f"{MAISI}/info", describe),
        web.post(f"{MAISI}/run", run),
        web.post(f"{MAISI}/validate", validate),
    ]


def job_routes(service: Maisi, account: Account) -> Sequence[web.RouteDef]:
    """List the routes of requests that were taken with `Prefer: respond-async`."""

    async def status(request: web.Request) -> web.Response:
        job = await service.status(request.match_info["id"], await account(request))
        return web.json_response(answers.status_of(job))

    async def cancel(request: web.Request) -> web.Response:
        job = await service.cancel(request.match_info["id"], await account(request))
        return web.json_response(answers.status_of(job), status=200 if job.ended else 202)

    async def events(request: web.Request) -> web.StreamResponse:
        caller = await account(request)
        return await send_events(request, service.events(request.match_info["id"], caller))

    async def result(request: web.Request) -> web.StreamResponse:
        job, archive = await service.result(request.match_info["id"], await account(request))
        return web.FileResponse(archive, headers={**_zip_headers(), **answers.result_headers(job)})

    return [
        web.get(JOB, status, allow_head=False),
        web.delete(JOB, cancel),
        web.get(f"{JOB}/events", events, allow_head=False),
        web.get(f"{JOB}/result", result),
    ]


def _look(request: web.Request) -> None:
    if request.transport is None or request.transport.is_closing():
        raise CallerLeft


async def _send(request: web.Request, file: Path, headers: dict[str, str]) -> web.StreamResponse:
    """Send a file piece by piece; it may be removed when this returns."""
    response = web.StreamResponse(headers={**_zip_headers(), **headers})
    with await asyncio.to_thread(file.open, "rb") as opened, contextlib.suppress(ConnectionResetError):
        response.content_length = os.fstat(opened.fileno()).st_size
        await response.prepare(request)
        while chunk := await asyncio.to_thread(opened.read, CHUNK_BYTES):
            await response.write(chunk)
        await response.write_eof()
    return response


def _zip_headers() -> dict[str, str]:
    return {
        "Content-Type": "application/zip",
        "Content-Disposition": "attachment; filename=output.zip",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Request-ID": request_id.get(),
    }


def _require_json(media_type: str) -> None:
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise UnsupportedMediaType("The body must be application/json.")
