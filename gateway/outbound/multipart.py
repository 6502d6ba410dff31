"""The parts of a multipart/related answer, one after the other, within bounds (RFC 2387, RFC 2046 §5.1)."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import cast

import aiohttp
from aiohttp.helpers import parse_mimetype
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.multipart import BodyPartReader, MultipartReader

from gateway.errors import PeerFailed, PeerUnavailable
from gateway.outbound.client import Answer
from gateway.outbound.limits import Limits

MAX_LINES = 256
"""Between the contents of two parts: delimiters, at most 128 header lines, a preamble."""


class _Bounded:
    """What `MultipartReader` asks of a stream, counted: preambles and part headers are bytes, too.

    Lines are counted as well, because each takes time without a pause for anything else: a preamble of short
    ones, 8 MB long, took a minute.
    """

    def __init__(self, answer: Answer, limit: int) -> None:
        self._answer = answer
        self._content = answer.response.content
        self._limit = limit
        self._lines = 0

    async def read(self, size: int) -> bytes:
        self._lines = 0
        return self._counted(await self._content.read(size))

    async def readline(self, *, max_line_length: int | None = None) -> bytes:
        self._lines += 1
        if self._lines > MAX_LINES:
            raise ValueError("too many lines outside parts")
        return self._counted(await self._content.readline(max_line_length=max_line_length))

    def unread_data(self, data: bytes) -> None:
        self._content.unread_data(data)

    def at_eof(self) -> bool:
        return self._content.at_eof()

    def _counted(self, data: bytes) -> bytes:
        if self._content.total_bytes > self._limit:
            raise too_much(self._answer, f"{self._limit} bytes")
        return data


def too_much(answer: Answer, what: str) -> PeerFailed:
    """Say that an answer was cut for being beyond a limit."""
    return PeerFailed(f"The peer {answer.peer.name} sent more than {what}", answered=answer.status)


async def parts(answer: Answer, media_type: str, limits: Limits) -> AsyncIterator["Part"]:
    """Give the parts of an answer; each is to be read before the next.

    Raises
    ------
    PeerUnavailable
        The answer ends before its last boundary.
    PeerFailed
        Not multipart/related of the media type, malformed, or beyond a limit.
    """
    _check_type(answer, media_type)
    stream = _Bounded(answer, limits.max_bytes)
    with _translated(answer):
        reader = MultipartReader(answer.response.headers, cast(aiohttp.StreamReader, stream))
    count = 0
    while (part := await _next(answer, reader)) is not None:
        count += 1
        if count > limits.max_parts:
            raise too_much(answer, f"{limits.max_parts} parts")
        yield Part(answer, part, media_type, limits.max_part_bytes)


class Part:
    """One part, whose body has not been read yet."""

    def __init__(self, answer: Answer, reader: BodyPartReader, media_type: str, limit: int) -> None:
        self._answer = answer
        self._reader = reader
        self._limit = limit
        declared = parse_mimetype(reader.headers.get("Content-Type", media_type))
        self.is_expected = f"{declared.type}/{declared.subtype}" == media_type

    async def chunks(self, size: int) -> AsyncIterator[bytes]:
        """Give the body in pieces of some `size` bytes, never more than the limit in all."""
        total, gathered = 0, bytearray()
        while not self._reader.at_eof():
            with _translated(self._answer):
                gathered += await self._reader.read_chunk(2**17)
            if total + len(gathered) > self._limit:
                raise too_much(self._answer, f"{self._limit} bytes in one part")
            if len(gathered) >= size:
                yield bytes(gathered)
                total, gathered = total + len(gathered), bytearray()
        if gathered:
            yield bytes(gathered)


async def _next(answer: Answer, reader: MultipartReader) -> BodyPartReader | None:
    with _translated(answer):
        part = await reader.next()
    if isinstance(part, MultipartReader):
        raise PeerFailed(
            f"The peer {answer.peer.name} sent a multipart answer within another", answered=answer.status
        )
    return part


def _check_type(answer: Answer, media_type: str) -> None:
    declared = parse_mimetype(answer.response.headers.get("Content-Type", ""))
    wanted = declared.parameters.get("type", media_type).lower()
    if (declared.type, declared.subtype, wanted) != ("multipart", "related", media_type):
        raise PeerFailed(
            f"The peer {answer.peer.name} did not answer with multipart/related; type={media_type}",
            answered=answer.status,
        )


@contextlib.contextmanager
def _translated(answer: Answer) -> Iterator[None]:
    """Turn the parser's errors into ours; they quote the bytes that it met."""
    try:
        yield
    except (ValueError, RuntimeError, HttpProcessingError):
        name, status = answer.peer.name, answer.status
        if answer.response.content.at_eof():
            raise PeerUnavailable(
                f"The peer {name} ended its multipart answer early", answered=status
            ) from None
        raise PeerFailed(f"The peer {name} sent a malformed multipart answer", answered=status) from None
