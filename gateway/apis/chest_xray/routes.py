"""URLs of the chest X-ray API: read the body, call the service, answer."""

from collections.abc import Sequence

from aiohttp import web

from gateway.accounts.tokens import TokenVerifier
from gateway.apis.chest_xray import schema
from gateway.apis.chest_xray.bulk import Bulk
from gateway.apis.chest_xray.service import ChestXray
from gateway.web.body import read_body
from gateway.web.preferences import prefers_async
from gateway.web.sse import send_events

JOB = "/bulk_inference/{id}"


def routes(service: ChestXray, tokens: TokenVerifier) -> Sequence[web.RouteDef]:
    """List the routes of this API."""

    async def ping(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def single_inference(request: web.Request) -> web.Response:
        tokens.verify(request.headers.get("Authorization"))
        body = await read_body(request, max_bytes=schema.MAX_BODY_BYTES)
        asked = schema.parse_single_inference(request.content_type, body)
        data = await service.single_inference(asked)
        return schema.envelope("Success", data, schema.SUCCEEDED)

    return [web.get("/ping", ping), web.post("/single_inference", single_inference)]


def bulk_routes(bulk: Bulk, tokens: TokenVerifier) -> Sequence[web.RouteDef]:
    """List the routes of bulk inference."""

    def account(request: web.Request) -> str:
        return tokens.verify(request.headers.get("Authorization")).subject

    async def bulk_inference(request: web.Request) -> web.Response:
        caller = account(request)
        body = await read_body(request, max_bytes=schema.MAX_BODY_BYTES)
        asked = schema.parse_bulk_inference(request.content_type, body)
        job = await bulk.start(asked, caller)
        if prefers_async(request):
            answer = schema.bulk_status_answer(job, http_status=202)
            answer.headers["Location"] = f"/bulk_inference/{job.id}"
            answer.headers["Preference-Applied"] = "respond-async"
            return answer
        return schema.bulk_answer(await bulk.wait(job))

    async def status(request: web.Request) -> web.Response:
        return schema.bulk_status_answer(await bulk.status(request.match_info["id"], account(request)))

    async def cancel(request: web.Request) -> web.Response:
        job = await bulk.cancel(request.match_info["id"], account(request))
        return schema.bulk_status_answer(job, http_status=200 if job.ended else 202)

    async def events(request: web.Request) -> web.StreamResponse:
        return await send_events(request, bulk.events(request.match_info["id"], account(request)))

    return [
        web.post("/bulk_inference", bulk_inference),
        web.get(JOB, status, allow_head=False),
        web.delete(JOB, cancel),
        web.get(f"{JOB}/events", events, allow_head=False),
    ]
