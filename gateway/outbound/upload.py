"""Upload of one file to a pre-signed URL, as S3 and what speaks like it make them: `PUT`, with its length."""

import contextlib
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from aiohttp.payload import BufferedReaderPayload

from gateway.errors import PeerRefused
from gateway.outbound.client import Ask, Outbound
from gateway.outbound.connection import Connection
from gateway.outbound.locations import locate
from gateway.outbound.peers import Peer

MAX_URL_CHARACTERS = 8192
PUBLIC = "public-upload"
"""Name of the rule that lets uploads go to any host outside, in messages, logs and metrics."""
_STORED = frozenset({200, 201, 204})
_REFUSED = "Refused by the peer rules: the URL is not acceptable"


class Target(NamedTuple):
    """A pre-signed URL taken apart."""

    base: str
    """The part that the allow-list decides on: no query, no escapes."""
    rest: str
    """What follows, percent-encoded, query included: it holds the signature."""


def target_of(url: str) -> Target:
    """Take a pre-signed URL apart.

    Raises
    ------
    PeerRefused
        It is none; the sentence does not quote it.
    """
    if len(url) > MAX_URL_CHARACTERS:
        raise PeerRefused(f"{_REFUSED}, it has more than {MAX_URL_CHARACTERS} characters")
    if not url.isascii() or not url.isprintable() or any(each in url for each in ' #\\"<>'):
        raise PeerRefused(f"{_REFUSED}, it holds characters that no URL has")
    place, _, query = url.partition("?")
    segments = place.split("/")
    if any(unquote(each) in (".", "..") or "/" in unquote(each) for each in segments[3:]):
        raise PeerRefused(f"{_REFUSED}, its path has a segment . or .. or an escaped slash")
    plain = next((n for n, each in enumerate(segments) if n >= 3 and "%" in each), len(segments) - 1)
    base = "/".join(segments[: max(plain, 3)]) + "/"
    try:
        locate(base)
    except ValueError as error:
        raise PeerRefused(f"{_REFUSED}, {error}") from None
    rest = "/".join(segments[max(plain, 3) :])
    return Target(base, f"{rest}?{query}" if query else rest)


class Uploads:
    """Uploads to the peers of the allow-list, and if so wanted to any host outside.

    Parameters
    ----------
    public
        Let `https://` URLs that no peer covers lead to any address that is not inside.
    """

    def __init__(self, outbound: Outbound, *, public: bool = False) -> None:
        self._outbound = outbound
        self._public = public

    def require_allowed(self, url: str, account: str) -> None:
        """Look whether a URL may be uploaded to.

        Raises
        ------
        PeerRefused
        """
        target = target_of(url)
        try:
            self._outbound.peer(Connection(target.base, account=account))
        except PeerRefused:
            if not self._public or not url.lower().startswith("https://"):
                raise
            _public_rule(target)

    async def put(self, file: Path, url: str, *, account: str, content_type: str) -> None:
        """Upload a file, again where the peer was away.

        Raises
        ------
        PeerRefused, PeerUnavailable, PeerFailed
        """
        self.require_allowed(url, account)
        target = target_of(url)
        async with contextlib.AsyncExitStack() as stack:
            outbound = await self._way_out(stack, target, account)

            async def attempt() -> None:
                await _put(outbound, file, target, account, content_type)

            await outbound.retried("upload", attempt)

    async def _way_out(self, stack: contextlib.AsyncExitStack, target: Target, account: str) -> Outbound:
        try:
            self._outbound.peer(Connection(target.base, account=account))
        except PeerRefused:
            return await stack.enter_async_context(self._outbound.beside(_public_rule(target)))
        return self._outbound


def _public_rule(target: Target) -> Peer:
    try:
        return Peer(name=PUBLIC, url=target.base, networks=("0.0.0.0/0", "::/0"))
    except ValueError:
        raise PeerRefused(f"Refused by the peer rule {PUBLIC}: its host is not outside") from None


async def _put(outbound: Outbound, file: Path, target: Target, account: str, content_type: str) -> None:
    with file.open("rb") as opened:
        ask = Ask(
            "upload",
            "PUT",
            target.rest,
            # S3 takes no chunks without a length; aiohttp has it from the file.
            body=BufferedReaderPayload(opened, content_type=content_type, filename=None),
            accepted=_STORED,
            seconds=outbound.limits.total_seconds,
        )
        async with outbound.open(Connection(target.base, account=account), ask):
            pass
