"""A Triton at hand: the external one, the one of a running instance, or one started for this command."""

import asyncio
import contextlib
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from gateway.settings import Settings
from gateway.triton.client import TritonClient
from gateway.triton.embedded import EmbeddedTriton

START_SECONDS = 60.0


@contextlib.asynccontextmanager
async def triton_at_hand(settings: Settings, model: str) -> AsyncIterator[TritonClient]:
    """Connect to a Triton that serves `model`.

    Raises
    ------
    TimeoutError
        One that was started for this did not become ready.
    """
    url = settings.triton_url or f"127.0.0.1:{settings.triton_grpc_port}"
    client = TritonClient(url)
    try:
        if settings.triton_url or await client.ready(model):
            yield client
            return
    finally:
        await client.close()
    async with started_triton(settings.model_repository, model) as client:
        yield client


@contextlib.asynccontextmanager
async def started_triton(model_repository: Path, model: str) -> AsyncIterator[TritonClient]:
    """Start an embedded Triton of one's own, on free ports, for as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="radgate-") as folder:
        grpc_port, metrics_port = free_ports(2)
        server = EmbeddedTriton(
            model_repository=model_repository,
            state_dir=Path(folder),
            grpc_port=grpc_port,
            metrics_port=metrics_port,
        )
        client = TritonClient(server.url)
        try:
            await server.start()
            await _ready(client, model)
            yield client
        finally:
            await client.close()
            await server.stop()


def local_host(host: str) -> str:
    """Give the address by which this machine reaches what is bound to `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)


async def instance_ready(settings: Settings) -> bool:
    """Tell whether an instance of these settings runs on this machine and takes requests."""
    url = f"http://{local_host(settings.admin_host)}:{settings.admin_port}/ready"
    timeout = aiohttp.ClientTimeout(total=5)
    with contextlib.suppress(aiohttp.ClientError, asyncio.TimeoutError):
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            return response.status == 200
    return False


def free_ports(count: int) -> list[int]:
    """Find loopback ports that nobody listens on at the moment."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


async def _ready(client: TritonClient, model: str) -> None:
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    while not await client.ready(model):
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError(f"Triton did not load {model} within {START_SECONDS:g} s")
        await asyncio.sleep(0.1)
