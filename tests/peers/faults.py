"""A peer that does what real ones do not do on demand: it answers from a script."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    target: str
    """Path and query, undecoded."""
    headers: dict[str, str]
    body: bytes = field(repr=False)


class FaultPeer:
    """Answers each request with the next reply, the last one again and again."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.asked: list[Asked] = []
        self.origin = ""

    @property
    def uri(self) -> str:
        return f"{self.origin}/dicom-web/"

    def answers(self, *replies: Reply) -> None:
        self.replies, self.asked = list(replies), []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.asked.append(Asked(request.method, request.raw_path, dict(request.headers), body))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return await reply(request)

    def application(self) -> web.Application:
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self.handle)
        return app


def status(code: int, **headers: str) -> Reply:
    """Answer a status with nothing else."""

    async def reply(_: web.Request) -> web.StreamResponse:
        return web.Response(
            status=code, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )

    return reply


def text(body: str | bytes, media_type: str, *, code: int = 200, **headers: str) -> Reply:
    """Answer a body of a media type."""
    data = body.encode() if isinstance(body, str) else body

    async def reply(_: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=code, body=data, headers={"Content-Type": media_type, **named})

    return reply


def document(value: Any, *, code: int = 200, **headers: str) -> Reply:
    """Answer DICOM JSON."""
    return text(json.dumps(value), "application/dicom+json", code=code, **headers)


BOUNDARY = "a-boundary-of-the-tests"
RELATED = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'


def part(file: bytes, media_type: str = "application/dicom", *, length: int | None = None) -> bytes:
    """Write one part, its delimiter in front."""
    declared = "" if length is None else f"Content-Length: {length}\r\n"
    return f"--{BOUNDARY}\r\nContent-Type: {media_type}\r\n{declared}\r\n".encode() + file + b"\r\n"


def multipart(*parts: bytes, end: bytes = f"--{BOUNDARY}--\r\n".encode(), code: int = 200) -> Reply:
    """Answer multipart/related as written by `part`; without an end it is truncated, soundly framed."""
    return text(b"".join(parts) + end, RELATED, code=code)


def closing(reply: Reply) -> Reply:
    """Answer as `reply` does, and close the connection."""

    async def closes(request: web.Request) -> web.StreamResponse:
        response = await reply(request)
        response.force_close()
        return response

    return closes


def broken_off(body: bytes, media_type: str = RELATED) -> Reply:
    """Answer the first bytes of a longer body, then cut the connection."""

    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": media_type, "Content-Length": str(len(body) + 1000)}
        )
        await response.prepare(request)
        await response.write(body)
        assert request.transport is not None
        request.transport.close()
        return response

    return reply


def endless(chunk: bytes, media_type: str, first: bytes = b"") -> Reply:
    """Answer a body without an end."""

    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": media_type})
        await response.prepare(request)
        await response.write(first)
        while True:
            await response.write(chunk)

    return reply


def slow(seconds: float, chunk: bytes = b"", media_type: str = RELATED) -> Reply:
    """Answer a byte sequence again and again with pauses; without one nothing at all."""

    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": media_type})
        if chunk:
            await response.prepare(request)
        while True:
            await asyncio.sleep(seconds)
            if chunk:
                await response.write(chunk)

    return reply


def dribbled(body: bytes, size: int, media_type: str = RELATED) -> Reply:
    """Answer a body in pieces of some bytes, so that no boundary arrives whole."""

    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": media_type})
        await response.prepare(request)
        for start in range(0, len(body), size):
            await response.write(body[start : start + size])
            await asyncio.sleep(0)
        await response.write_eof()
        return response

    return reply
