"""Which of several Tritons a call goes to, and what becomes of calls to one that fails.

The servers speak real gRPC but are not Triton, for that does not fall silent or fail at a given call.
"""

import asyncio
import contextlib

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from gateway.errors import InferenceFailed, InvalidImage, ModelUnavailable
from gateway.triton import servers as module
from gateway.triton.client import TritonClient
from gateway.triton.servers import Servers

INPUTS = {"number": np.array([[1]], np.int32)}


class Triton(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Answers each call by its own port, after `seconds`, or with an error."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.error: tuple[grpc.StatusCode, str] | None = None
        self.calls = 0
        self.ready = True
        self.silent = False

    async def start(self, port: int = 0) -> "Triton":
        self._server = grpc.aio.server()
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self.url = f"127.0.0.1:{self.port}"
        await self._server.start()
        return self

    async def stop(self) -> None:
        await self._server.stop(None)

    async def ModelInfer(self, request, context):
        self.calls += 1
        await asyncio.sleep(self.seconds)
        if self.error:
            await context.abort(*self.error)
        response = service_pb2.ModelInferResponse()
        response.outputs.add(name="port", datatype="INT32", shape=[1])
        response.raw_output_contents.append(np.int32(self.port).tobytes())
        return response

    async def ServerReady(self, request, context):
        if self.silent:
            await asyncio.sleep(3600)
        return service_pb2.ServerReadyResponse(ready=self.ready)


@pytest.fixture
async def tritons():
    two = [await Triton().start() for _ in range(2)]
    yield two
    for each in two:
        await each.stop()


@pytest.fixture
async def client(tritons, monkeypatch):
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.5)
    async with watched(",".join(each.url for each in tritons)) as client:
        yield client


@contextlib.asynccontextmanager
async def watched(url):
    client = TritonClient(url)
    task = asyncio.create_task(client.watch())
    await asyncio.sleep(0.2)
    yield client
    task.cancel()
    await client.close()


async def ask(client, **options) -> int:
    return int((await client.infer("model", INPUTS, **options))["port"][0])


async def until(condition, seconds: float = 20.0):
    async with asyncio.timeout(seconds) if hasattr(asyncio, "timeout") else contextlib.nullcontext():
        while not condition():
            await asyncio.sleep(0.02)


async def test_calls_go_where_fewest_are_under_way(client, tritons):
    slow, quick = tritons
    slow.seconds = 1.5
    pending = [asyncio.create_task(ask(client)) for _ in range(2)]
    await until(lambda: slow.calls and quick.calls)
    await until(lambda: pending[0].done() or pending[1].done())
    assert {await ask(client) for _ in range(5)} == {quick.port}
    await asyncio.gather(*pending)


async def test_calls_take_turns_when_nobody_is_busy(client, tritons):
    assert {await ask(client) for _ in range(2)} == {each.port for each in tritons}


async def test_a_call_to_a_server_that_is_gone_goes_to_the_other(client, tritons):
    gone, left = tritons
    await gone.stop()
    assert {await ask(client) for _ in range(6)} == {left.port}


async def test_a_server_that_comes_back_is_asked_again(client, tritons):
    gone, _ = tritons
    await gone.stop()
    for _ in range(2):
        await ask(client)
    await gone.start(gone.port)
    await asyncio.sleep(0.1)
    await until(lambda: all(each.is_available for each in client._servers._servers.values()))
    assert {await ask(client) for _ in range(2)} == {each.port for each in tritons}


async def test_a_server_whose_stub_died_is_left_out_and_its_call_repeated(client, tritons):
    dead, whole = tritons
    dead.error = (grpc.StatusCode.INTERNAL, "Stub process 'model_0_0' is not healthy.")
    assert {await ask(client) for _ in range(6)} == {whole.port}
    assert dead.calls == 1


async def test_what_is_the_calls_own_fault_is_not_repeated(client, tritons):
    for each in tritons:
        each.error = (grpc.StatusCode.INVALID_ARGUMENT, "no film")
    with pytest.raises(InvalidImage, match="no film"):
        await ask(client)
    for each in tritons:
        each.error = (grpc.StatusCode.INTERNAL, "model failed")
    with pytest.raises(InferenceFailed):
        await ask(client)
    assert [each.calls for each in tritons] == [1, 1]


async def test_a_call_is_repeated_once(client, tritons):
    for each in tritons:
        await each.stop()
    with pytest.raises(ModelUnavailable):
        await ask(client)


async def test_a_server_that_is_not_ready_gets_nothing(client, tritons):
    starting, ready = tritons
    starting.ready = False
    await until(lambda: not client._servers._servers[starting.url].is_available)
    assert {await ask(client) for _ in range(4)} == {ready.port}


async def test_a_silent_server_is_given_up_with_what_it_was_asked(client, tritons):
    silent, other = tritons
    silent.silent, silent.seconds = True, 3600.0
    answers = await asyncio.gather(*(ask(client) for _ in range(4)))
    assert set(answers) == {other.port}


async def test_a_caller_that_leaves_ends_its_call(client, tritons):
    for each in tritons:
        each.seconds = 3600.0
    task = asyncio.create_task(ask(client))
    await until(lambda: sum(each.calls for each in tritons))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert all(not each.outstanding for each in client._servers._servers.values())


async def test_a_name_leads_to_its_addresses_and_follows_them(tritons, monkeypatch):
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.05)
    one, two = tritons
    async with watched(f"dns:///localhost:{one.port}") as client:
        assert await ask(client) == one.port
        servers: Servers = client._servers
        servers._name = f"localhost:{two.port}"  # as if the name led elsewhere now
        await until(lambda: any(each.address == two.url and each.is_available for each in known(servers)))
        assert await ask(client) == two.port


def known(servers: Servers):
    return list(servers._servers.values())


async def test_a_name_that_leads_nowhere_is_an_unavailable_model():
    client = TritonClient("dns:///no-such-name.invalid:8001")
    with pytest.raises(ModelUnavailable, match="leads to no Triton"):
        await ask(client)
    await client.close()
