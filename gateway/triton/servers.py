"""The Tritons that there are, and which of them takes the next call: the one with the fewest under way.

HTTP/2 would keep all calls on the one server that the first of them met. So each server has a channel of
its own here. One that fails is left out for a while, longer each time it fails again; one that falls
silent, as behind a cut cable, is given up together with what it was asked, which would else wait for its
deadline. Both come back when they say that they are ready.
"""

import asyncio
import itertools
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from gateway.errors import ModelUnavailable
from gateway.metrics import TRITON_SERVERS

logger = logging.getLogger(__name__)

T = TypeVar("T")
DNS = "dns:///"
MAX_MESSAGE_BYTES = 2**31 - 1
CHANNEL_OPTIONS = [
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # After a restart of Triton the next call must not wait out gRPC's two-minute back-off.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
AWAY = re.compile(r"is not available|unknown model|not healthy|not ready|unavailable", re.IGNORECASE)
"""What Triton itself says of a model that is not there, or whose process died."""
LOOK_SECONDS = 1.0
PROBE_SECONDS = 3.0
SILENCES = 2
"""How many probes in a row may go unanswered before a server is given up."""
MAX_PAUSE_SECONDS = 30.0
GRACE_SECONDS = 600.0
"""How long calls may go on at a server that the name no longer leads to."""


class ServerLost(Exception):
    """The server fell silent, and this call to it was given up."""


class Server:
    """One Triton.

    Parameters
    ----------
    address
        Host and port.
    is_available
        Whether calls go to it before it has said that it is ready.
    """

    def __init__(self, address: str, *, is_available: bool = True) -> None:
        self.address = address
        self.channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
        self.stub = service_pb2_grpc.GRPCInferenceServiceStub(self.channel)
        # As the stub's own, but for the serializer: requests come as bytes.
        self.infer = self.channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            response_deserializer=service_pb2.ModelInferResponse.FromString,
        )
        self.outstanding = 0
        self.last_picked = 0
        self.is_available = is_available
        self._is_watched = False
        self._failures = 0
        self._silences = 0
        self._away_until = 0.0
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, call: Awaitable[T]) -> T:
        """Wait for a call to this server.

        Raises
        ------
        ServerLost
            The server was given up meanwhile.
        grpc.aio.AioRpcError
            The call's own.
        """
        self.outstanding += 1
        task = asyncio.ensure_future(call)
        either: set[asyncio.Future[Any]] = {task, self._lost}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise ServerLost(self.address)
            result = task.result()
            self._failures = 0
            return result
        except grpc.aio.AioRpcError as error:
            if is_away(error):
                self.leave_out()
            raise
        finally:
            self.outstanding -= 1
            task.cancel()

    def leave_out(self) -> None:
        """Send it nothing for a second, or twice as long as the last time, if someone looks after it."""
        if self._is_watched and self.is_available:
            self._away_until = time.monotonic() + min(2.0**self._failures, MAX_PAUSE_SECONDS)
            self._failures += 1
            self._set(False)

    async def look(self) -> None:
        """Ask whether it is ready, and act on the answer."""
        self._is_watched = True
        try:
            request = service_pb2.ServerReadyRequest()
            response = await self.stub.ServerReady(request, timeout=PROBE_SECONDS)
        except grpc.aio.AioRpcError as error:
            self._unanswered(error.code())
            return
        self._silences = 0
        if not response.ready:
            self._set(False)
        elif time.monotonic() >= self._away_until:
            self._set(True)

    async def close(self, *, grace_seconds: float | None = None) -> None:
        """Close the connection, once its calls are done or so much time has passed."""
        await self.channel.close(grace_seconds)

    def _unanswered(self, code: grpc.StatusCode) -> None:
        if code is not grpc.StatusCode.DEADLINE_EXCEEDED:
            self._set(False)
            return
        self._silences += 1
        if self._silences >= SILENCES:
            self._set(False)
            self._lost.set_result(None)
            self._lost = asyncio.get_running_loop().create_future()

    def _set(self, is_available: bool) -> None:
        if is_available != self.is_available:
            logger.warning("triton at %s %s", self.address, "is back" if is_available else "is left out")
        self.is_available = is_available


class Servers:
    """All Tritons of one URL.

    Parameters
    ----------
    url
        `host:port`; several, with commas between; or `dns:///host:port`, whose name leads to several
        addresses and is looked up again and again.
    """

    def __init__(self, url: str) -> None:
        self._name = url.removeprefix(DNS) if url.startswith(DNS) else ""
        self._servers = {} if self._name else {each: Server(each) for each in addresses_of(url)}
        self._picks = itertools.count(1)
        self._closing: set[asyncio.Task[None]] = set()

    async def pick(self, *, besides: Server | None = None) -> Server | None:
        """Give the server with the fewest calls under way, `besides` left out; None where there is no other.

        Where none is available, one that is not: it may be back, and its error is the right one to tell.

        Raises
        ------
        ModelUnavailable
            The name leads nowhere.
        """
        if not self._servers:
            await self._resolve()
        others = [each for each in self._servers.values() if each is not besides]
        among = [each for each in others if each.is_available] or ([] if besides else others)
        if not among:
            return None
        server = min(among, key=lambda each: (each.outstanding, each.last_picked))
        server.last_picked = next(self._picks)
        return server

    async def first(self) -> Server:
        """Give the server for a new call."""
        server = await self.pick()
        if server is None:
            raise ModelUnavailable(f"{self._name} leads to no Triton")
        return server

    async def watch(self) -> None:
        """Keep looking which servers there are and which are ready; a single one is left to itself."""
        while self._name or len(self._servers) > 1:
            await self._resolve()
            await asyncio.gather(*(each.look() for each in self._servers.values()))
            available = sum(each.is_available for each in self._servers.values())
            TRITON_SERVERS.labels("available").set(available)
            TRITON_SERVERS.labels("left_out").set(len(self._servers) - available)
            await asyncio.sleep(LOOK_SECONDS)

    async def close(self) -> None:
        """Close all connections."""
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*(each.close() for each in self._servers.values()))

    async def _resolve(self) -> None:
        if not self._name:
            return
        host, _, port = self._name.rpartition(":")
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host.strip("[]"), int(port), proto=6)
        except OSError:
            logger.debug("%s cannot be looked up", host)  # whom we know may well be there still
            return
        self._take({_address(*entry[4][:2]) for entry in found})

    def _take(self, addresses: set[str]) -> None:
        """Take in who is new, and let go who is gone, once its calls are done."""
        is_first = not self._servers
        for address in self._servers.keys() - addresses:
            gone = self._servers.pop(address)
            task = asyncio.create_task(gone.close(grace_seconds=GRACE_SECONDS))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        for address in addresses - self._servers.keys():
            self._servers[address] = Server(address, is_available=is_first)


async def on_one(
    servers: Servers,
    call: Callable[[Server, float], Awaitable[T]],
    *,
    timeout_seconds: float,
    on_retry: Callable[[], Any] = lambda: None,
) -> T:
    """Make a call that may be repeated: once more on another server where one is away, in the time left.

    Parameters
    ----------
    call
        Given the server and the seconds left.

    Raises
    ------
    ServerLost, grpc.aio.AioRpcError
        The last server's.
    """
    deadline = time.monotonic() + timeout_seconds
    server = await servers.first()
    try:
        return await server.run(call(server, timeout_seconds))
    except (ServerLost, grpc.aio.AioRpcError) as error:
        other = await servers.pick(besides=server) if is_away(error) else None
        if other is None:
            raise
    on_retry()
    return await other.run(call(other, max(0.0, deadline - time.monotonic())))


def is_away(error: Exception) -> bool:
    """Whether a call failed because of its server rather than its input or its deadline."""
    if isinstance(error, grpc.aio.AioRpcError):
        return error.code() is grpc.StatusCode.UNAVAILABLE or bool(AWAY.search(error.details() or ""))
    return isinstance(error, ServerLost)


def addresses_of(url: str) -> Iterable[str]:
    """Split a list of addresses."""
    return [each.strip() for each in url.split(",") if each.strip()]


def _address(ip: Any, port: Any) -> str:
    return f"[{ip}]:{port}" if ":" in str(ip) else f"{ip}:{port}"
