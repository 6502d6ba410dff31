"""Reading a request's body within bounds of size and time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from gateway.errors import InvalidRequest, PayloadTooLarge, UnsupportedMediaType
from gateway.web.budget import ByteBudget


class RequestTimeout(InvalidRequest):
    """The body did not arrive in time."""

    status = 408
    code = "request_timeout"


async def read_body(request: web.Request, *, max_bytes: int, timeout_seconds: float = 30.0) -> bytes:
    """Read the body, decompressed.

    Raises
    ------
    PayloadTooLarge
        It is longer than `max_bytes`.
    RequestTimeout
        It did not arrive in time.
    UnsupportedMediaType
        It is not encoded as its headers say.
    InvalidRequest
        The caller left half way.
    """
    return bytes(await _read_within(request, max_bytes, timeout_seconds, _any_length))


@contextlib.asynccontextmanager
async def large_body(
    request: web.Request, budget: ByteBudget, *, max_bytes: int, timeout_seconds: float
) -> AsyncIterator[bytearray]:
    """Read a body that may be large, and hold its bytes in the budget until the end of the context.

    Raises
    ------
    Busy
        The budget does not allow it: by the header before anything is read, else on the way.
    PayloadTooLarge, RequestTimeout, UnsupportedMediaType, InvalidRequest
        As `read_body`.
    """
    with budget.share() as share:
        if (length := request.content_length or 0) <= max_bytes:
            share.grow_to(length)
        yield await _read_within(request, max_bytes, timeout_seconds, share.grow_to)


def _any_length(_: int) -> None:
    """Let every body in."""


async def _read_within(
    request: web.Request, max_bytes: int, timeout_seconds: float, admit: Callable[[int], None]
) -> bytearray:
    if (request.content_length or 0) > max_bytes:
        raise PayloadTooLarge(f"the body exceeds {max_bytes} bytes")
    try:
        return await asyncio.wait_for(_read(request, max_bytes, admit), timeout_seconds)
    except asyncio.TimeoutError as error:
        raise RequestTimeout(f"the body did not arrive within {timeout_seconds:g} seconds") from error
    except web.RequestPayloadError as error:
        raise UnsupportedMediaType("the body is not encoded as its headers say") from error
    except ConnectionResetError as error:
        raise InvalidRequest("the connection was closed within the body") from error


async def _read(request: web.Request, max_bytes: int, admit: Callable[[int], None]) -> bytearray:
    body = bytearray()
    async for chunk in request.content.iter_any():
        if len(body) + len(chunk) > max_bytes:
            raise PayloadTooLarge(f"the body exceeds {max_bytes} bytes")
        admit(len(body) + len(chunk))
        body += chunk
    return body
