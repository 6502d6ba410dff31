"""HTTP to peers of the allow-list: the address is checked at the socket, and every answer is bounded.

Errors are raised `from None`: aiohttp's own hold addresses, URLs (a query names a patient) and, in what they
refer to, the request's headers.
"""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TypeVar

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.payload import Payload
from yarl import URL

from gateway.errors import OutboundError, PeerFailed, PeerRefused, PeerUnavailable
from gateway.metrics import OUTBOUND_BYTES, OUTBOUND_SECONDS
from gateway.outbound.addresses import is_open
from gateway.outbound.connection import Connection
from gateway.outbound.limits import RETRIED, Limits, delay_seconds
from gateway.outbound.peers import AllowList, Peer

logger = logging.getLogger(__name__)
T = TypeVar("T")

READ_BYTES = 2**18
"""Read ahead of a peer, per connection."""


@dataclass(frozen=True)
class Ask:
    """One request; a retry makes a fresh one of it, its body included."""

    operation: str
    """Its name in logs and metrics."""
    method: str
    path: str
    """Below the connection's URI, percent-encoded, query included."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Payload | bytes | None = field(default=None, repr=False)
    accepted: frozenset[int] = frozenset({200})
    seconds: float | None = None
    """Deadline, body included; the limits' `document_seconds` if not given."""


@dataclass(frozen=True)
class Answer:
    """A peer's answer, of a status that was accepted; the body is still to be read."""

    peer: Peer
    response: aiohttp.ClientResponse

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.response.status

    async def document(self, limit: int) -> bytes:
        """Read the body, which must not exceed a number of bytes."""
        body = bytearray()
        async for chunk in self.response.content.iter_chunked(2**16):
            body += chunk
            if len(body) > limit:
                raise PeerFailed(
                    f"The peer {self.peer.name} sent more than {limit} bytes", answered=self.status
                )
        return bytes(body)


class Outbound:
    """The connections to all peers; an asynchronous context, built once.

    Parameters
    ----------
    peers
        The allow-list; what is not in it is not reached.
    sleep
        Waits before another attempt.
    resolver
        Looks names up; what it answers is not trusted.
    """

    def __init__(
        self,
        peers: Sequence[Peer],
        *,
        limits: Limits | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._allow_list = AllowList(peers)
        self._contexts = {peer.name: peer.ssl_context() for peer in peers if peer.location.scheme == "https"}
        self._sleep = sleep
        self._resolver = resolver
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    def beside(self, peer: Peer) -> "Outbound":
        """Give a way out of the same limits to one other peer; an asynchronous context."""
        return Outbound([peer], limits=self.limits, sleep=self._sleep, resolver=self._resolver)

    async def __aenter__(self) -> "Outbound":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()

    def peer(self, connection: Connection) -> Peer:
        """Give the rule that a connection falls under.

        Raises
        ------
        PeerRefused
        """
        return self._allow_list.find(connection.uri, connection.account)[0]

    async def retried(self, operation: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """Attempt something until it ends otherwise than in `PeerUnavailable`, four times at most."""
        number = 0
        while True:
            try:
                return await attempt()
            except PeerUnavailable as error:
                await self.pause(operation, number, error)
            number += 1

    async def pause(self, operation: str, attempt: int, error: PeerUnavailable) -> None:
        """Wait after a failed attempt, counted from 0; raises the error when it was the last."""
        delay = delay_seconds(attempt, error)
        if delay is None:
            raise error
        logger.warning("%s is tried again in %.2f s: %s", operation, delay, error.message)
        await self._sleep(delay)

    @contextlib.asynccontextmanager
    async def open(self, connection: Connection, ask: Ask) -> AsyncIterator[Answer]:
        """Send one request, once; the body is to be read inside this context.

        Raises
        ------
        PeerRefused
            No rule allows it, or the peer's name leads outside the rule's networks.
        PeerUnavailable
            Not reached, broke off (while the body is read, too), or a status that may pass.
        PeerFailed
            Another status, or not in time.
        """
        peer, location = self._allow_list.find(connection.uri, connection.account)
        url = URL(location.url + ask.path, encoded=True)
        headers = {"Accept-Encoding": "identity", **ask.headers, **connection.headers()}
        began = time.monotonic()
        with _measured(peer, ask.operation), _translated(peer, ask.operation):
            async with self._session(peer).request(
                ask.method,
                url,
                headers=headers,
                data=ask.body,
                allow_redirects=False,
                timeout=self._timeout(ask),
            ) as response:
                try:
                    _check(peer, response, ask.accepted)
                    yield Answer(peer, response)
                finally:
                    OUTBOUND_BYTES.labels(peer.name, ask.operation).inc(response.content.total_bytes)
        logger.info("%s at peer %s took %.2f s", ask.operation, peer.name, time.monotonic() - began)

    def _timeout(self, ask: Ask) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(
            total=ask.seconds or self.limits.document_seconds,
            sock_connect=self.limits.connect_seconds,
            sock_read=self.limits.idle_seconds,
        )

    def _session(self, peer: Peer) -> aiohttp.ClientSession:
        """Give the peer's own session, so that one that hangs stands in nobody else's way."""
        if peer.name not in self._sessions:
            connector = aiohttp.TCPConnector(
                limit=peer.connections,
                resolver=self._resolver,
                socket_factory=_sockets_of(peer),
                ssl=self._contexts.get(peer.name, True),
            )
            self._sessions[peer.name] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),  # one caller's cookie is not to be another's
                auto_decompress=False,
                trust_env=False,
                read_bufsize=READ_BYTES,
            )
        return self._sessions[peer.name]


class _OutsideNetworks(OSError):
    """The peer's name or address leads out of its rule's networks."""


def _sockets_of(peer: Peer) -> Callable[[aiohttp.AddrInfoType], socket.socket]:
    """Make sockets for addresses in the peer's networks only.

    Here the address is the one that is connected to, whatever a resolver said before; literal addresses,
    for which aiohttp asks no resolver, pass here as well.
    """

    def make(info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        if not is_open(str(address[0]), peer.networks):
            raise _OutsideNetworks("outside the networks of the rule")
        return socket.socket(family, kind, protocol)

    return make


def _check(peer: Peer, response: aiohttp.ClientResponse, accepted: frozenset[int]) -> None:
    status = response.status
    if status in RETRIED:
        raise PeerUnavailable(
            f"The peer {peer.name} answered {status}",
            answered=status,
            pause_seconds=_retry_after_seconds(response),
        )
    if 300 <= status < 400:
        raise PeerFailed(
            f"The peer {peer.name} answered {status}; redirects are not followed", answered=status
        )
    if status not in accepted:
        raise PeerFailed(f"The peer {peer.name} answered {status}", answered=status)
    if response.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise PeerFailed(f"The peer {peer.name} answered compressed, unasked", answered=status)


def _retry_after_seconds(response: aiohttp.ClientResponse) -> float:
    value = response.headers.get("Retry-After", "").strip()
    return float(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0.0


@contextlib.contextmanager
def _translated(peer: Peer, operation: str) -> Iterator[None]:
    """Turn aiohttp's errors into ours, which say nothing of what was asked and where."""
    try:
        yield
    except aiohttp.ClientSSLError as error:
        raise PeerFailed(f"The peer {peer.name} is not trusted ({type(error).__name__})") from None
    except aiohttp.ClientConnectorError as error:
        if isinstance(error.os_error, _OutsideNetworks):
            raise PeerRefused(
                f"Refused by the peer rule {peer.name}: its host leads outside the networks of the rule"
            ) from None
        raise PeerUnavailable(
            f"The peer {peer.name} was not reached ({type(error.os_error).__name__})"
        ) from None
    except (aiohttp.ServerTimeoutError, aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
        raise PeerUnavailable(f"The peer {peer.name} broke off ({type(error).__name__})") from None
    except asyncio.TimeoutError:
        raise PeerFailed(f"The peer {peer.name} did not bring {operation} to its end in time") from None
    except aiohttp.ClientError as error:
        raise PeerFailed(f"The peer {peer.name} did not speak HTTP ({type(error).__name__})") from None


@contextlib.contextmanager
def _measured(peer: Peer, operation: str) -> Iterator[None]:
    began = time.monotonic()
    outcome = "cancelled"
    try:
        yield
        outcome = "answered"
    except OutboundError as error:
        outcome = error.code
        raise
    finally:
        OUTBOUND_SECONDS.labels(peer.name, operation, outcome).observe(time.monotonic() - began)
