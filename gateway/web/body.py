"""Reading a request's body within bounds of size and time."""

import asyncio

from aiohttp import web

from gateway.errors import InvalidRequest, PayloadTooLarge, UnsupportedMediaType


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
    if (request.content_length or 0) > max_bytes:
        raise PayloadTooLarge(f"the body exceeds {max_bytes} bytes")
    try:
        return await asyncio.wait_for(_read(request, max_bytes), timeout_seconds)
    except asyncio.TimeoutError as error:
        raise RequestTimeout(f"the body did not arrive within {timeout_seconds:g} seconds") from error
    except web.RequestPayloadError as error:
        raise UnsupportedMediaType("the body is not encoded as its headers say") from error
    except ConnectionResetError as error:
        raise InvalidRequest("the connection was closed within the body") from error


async def _read(request: web.Request, max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > max_bytes:
            raise PayloadTooLarge(f"the body exceeds {max_bytes} bytes")
    return bytes(body)
