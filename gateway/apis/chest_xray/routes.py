"""URLs of the chest X-ray API: read the body, call the service, answer."""

from collections.abc import Sequence

from aiohttp import web

from gateway.accounts.tokens import TokenVerifier
from gateway.apis.chest_xray import schema
from gateway.apis.chest_xray.service import ChestXray
from gateway.web.body import read_body


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
