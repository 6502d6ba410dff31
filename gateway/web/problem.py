"""Errors of what no contract covers, as RFC 9457 problem details."""

import json

from aiohttp import web

from gateway.errors import GatewayError


def problem_answer(error: GatewayError) -> web.Response:
    """Render an error as `application/problem+json`; an internal error's text stays inside."""
    detail = error.message if error.status < 500 else "internal error"
    body = {"title": error.code, "status": error.status, "detail": detail}
    return web.Response(text=json.dumps(body), status=error.status, content_type="application/problem+json")
