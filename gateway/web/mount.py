"""How an API's handlers meet the socket: each is wrapped once, and errors become that API's own body."""

import asyncio
import functools
import logging
import re
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from types import MappingProxyType

from aiohttp import web

from gateway.errors import GatewayError, InvalidRequest, NotFound
from gateway.metrics import REQUEST_SECONDS

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ErrorAnswer = Callable[[GatewayError], web.Response]
"""Renders an error in the body that one API's contract asks for."""

REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
request_id: ContextVar[str] = ContextVar("request_id", default="-")


class MethodNotAllowed(InvalidRequest):
    """The path exists, the method on it does not."""

    status = 405
    code = "method_not_allowed"


class BegunAnswer(ABC):
    """An answer whose status is sent: whatever goes wrong from there on has to be said in it."""

    @abstractmethod
    async def end(self, error: GatewayError) -> web.StreamResponse:
        """Say what went wrong, and end the answer."""


BEGUN = web.RequestKey("begun", BegunAnswer)
"""Under this key of a request stands its answer, once it has begun."""


def application(
    unrouted: ErrorAnswer, below: Mapping[str, ErrorAnswer] = MappingProxyType({})
) -> web.Application:
    """Build the application of one port.

    Parameters
    ----------
    unrouted
        Answers for paths and methods that no API of this port has.
    below
        Beginning of a path to who answers instead, below it.
    """

    def answer_for(request: web.Request) -> ErrorAnswer:
        return next((each for path, each in below.items() if request.path.startswith(path)), unrouted)

    @web.middleware
    async def answer_unrouted(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("X-Request-ID", "")
        # Every time, for one connection's requests share their context.
        request_id.set(given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex)
        try:
            return await handler(request)
        except web.HTTPNotFound:
            response = answer_for(request)(NotFound("no such path"))
        except web.HTTPMethodNotAllowed as error:
            response = answer_for(request)(MethodNotAllowed(f"use {error.headers['Allow']}"))
            response.headers["Allow"] = error.headers["Allow"]
        return _finish(request, response, "none", 0.0)

    app = web.Application(middlewares=[answer_unrouted])
    app.on_response_prepare.append(without_server)
    return app


async def without_server(_: web.Request, response: web.StreamResponse) -> None:
    """Take away the versions of Python and aiohttp."""
    response.headers.popall("Server", None)


def mount(
    app: web.Application, routes: Sequence[web.RouteDef], error_answer: ErrorAnswer, *, api: str
) -> None:
    """Add one API's routes to a port.

    Parameters
    ----------
    routes
        Its routes. Handlers raise the errors of `gateway.errors`; they hold no `try`.
    error_answer
        Its contract's rendering of those errors.
    api
        Its name, for the metrics.
    """
    for route in routes:
        app.router.add_route(route.method, route.path, _wrap(route.handler, error_answer, api))


def _wrap(handler: Handler, error_answer: ErrorAnswer, api: str) -> Handler:
    @functools.wraps(handler)
    async def answer(request: web.Request) -> web.StreamResponse:
        started = time.perf_counter()
        response = await _safely(handler, request, error_answer)
        return _finish(request, response, api, time.perf_counter() - started)

    return answer


async def _safely(handler: Handler, request: web.Request, error_answer: ErrorAnswer) -> web.StreamResponse:
    try:
        return await handler(request)
    except GatewayError as error:
        return await _answer_to(error, request, error_answer)
    except (asyncio.CancelledError, web.HTTPException):
        raise
    except Exception as error:
        # The error's own text may hold a caller's data, so only its type and place are logged.
        logger.error("%s at %s", type(error).__name__, _place(error))
        return await _answer_to(GatewayError("internal error"), request, error_answer)


async def _answer_to(
    error: GatewayError, request: web.Request, error_answer: ErrorAnswer
) -> web.StreamResponse:
    begun: BegunAnswer | None = request.get(BEGUN)
    if begun is not None:
        return await begun.end(error)
    response = error_answer(error)
    if error.retry_after_seconds is not None:
        response.headers.setdefault("Retry-After", str(error.retry_after_seconds))
    return response


def _place(error: BaseException) -> str:
    places = []
    trace = error.__traceback__
    while trace is not None:
        places.append(f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return " > ".join(places)


def _finish(
    request: web.Request, response: web.StreamResponse, api: str, seconds: float
) -> web.StreamResponse:
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "none"
    REQUEST_SECONDS.labels(api, request.method, route, response.status).observe(seconds)
    logger.info("%s %s %s %.0f ms", request.method, route, response.status, seconds * 1000)
    if not response.prepared:
        response.headers["X-Request-ID"] = request_id.get()
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.setdefault("Cache-Control", "no-store")
    return response
