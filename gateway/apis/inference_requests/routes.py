"""URLs of inference requests: read the body, call the service, answer."""

from collections.abc import Sequence

from aiohttp import web

from gateway.apis.callers import Account
from gateway.apis.inference_requests import answers, schema
from gateway.apis.inference_requests.service import InferenceRequests
from gateway.errors import UnsupportedMediaType
from gateway.web.body import read_body

REQUESTS, STATUS = "/api/inference", "/api/inference/status/{id}"
# The original takes paths in any case; those of these routes that are not spelled as documented come here.
_REQUESTS_IN_ANY_CASE = "/{path:(?i:api/inference)/?}"
_STATUS_IN_ANY_CASE = "/{path:(?i:api/inference/status)}/{id}{slash:/?}"


def post_routes(service: InferenceRequests, account: Account) -> Sequence[web.RouteDef]:
    """List the routes that take requests."""

    async def post(request: web.Request) -> web.Response:
        caller = await account(request)
        _require_json(request.content_type)
        body = await read_body(request, max_bytes=schema.MAX_BODY_BYTES)
        asked = schema.parse(body, request.charset or "utf-8")
        return answers.accepted(await service.submit(asked, caller))

    return [web.post(path, post) for path in (REQUESTS, _REQUESTS_IN_ANY_CASE)]


def status_routes(service: InferenceRequests, account: Account) -> Sequence[web.RouteDef]:
    """List the routes that look requests up."""

    async def status(request: web.Request) -> web.Response:
        caller = await account(request)
        return answers.status_answer(await service.status(request.match_info["id"], caller))

    return [web.get(path, status, allow_head=False) for path in (STATUS, _STATUS_IN_ANY_CASE)]


def _require_json(media_type: str) -> None:
    plain = media_type in ("application/json", "text/json")
    if not plain and not (media_type.startswith("application/") and media_type.endswith("+json")):
        raise UnsupportedMediaType("The body must be application/json")
