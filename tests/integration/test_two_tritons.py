"""Two real Tritons behind one client: work is shared out, and an update that nobody notices."""

import asyncio
import contextlib
import time
from collections import Counter
from pathlib import Path

import pytest

from gateway.triton.client import TritonClient
from tests.integration.nodes import TritonNode
from tools.at_hand import free_ports
from tools.bench.tritons import INPUTS, MODEL, add_waiting_model

CALLERS = 8
BURSTS = 4
START_SECONDS = 240.0


class Node(TritonNode):
    """One Triton with a repository of its own, in a process that is not ours: forking does gRPC no good."""

    def __init__(self, folder: Path) -> None:
        grpc_port, metrics_port = free_ports(2)
        super().__init__(folder, folder / "models", grpc_port=grpc_port, metrics_port=metrics_port)
        add_waiting_model(self.repository, 1)

    async def started(self) -> None:
        self.start()
        async with open_client(self.url) as client:
            deadline = time.monotonic() + START_SECONDS
            while not await client.ready(MODEL):
                assert time.monotonic() < deadline, "Triton does not become ready"
                await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def open_client(url: str):
    client = TritonClient(url)
    watch = asyncio.create_task(client.watch())
    try:
        yield client
    finally:
        watch.cancel()
        await client.close()


@pytest.fixture
async def nodes(tmp_path):
    two = [Node(tmp_path / name) for name in ("one", "two")]
    try:
        await asyncio.gather(*(node.started() for node in two))
        yield two
    finally:
        for node in two:
            node.stop()


async def ask(client) -> int:
    answer = await client.infer(MODEL, INPUTS, timeout_seconds=START_SECONDS)
    return int(answer["version"][0])


async def test_calls_are_shared_out_evenly(nodes):
    """Each Triton has a version of its own here, so answers tell which of them they are from.

    How many times the work of one two do is for `radgate bench tritons` to say.
    """
    await asyncio.to_thread(nodes[1].stop)
    add_waiting_model(nodes[1].repository, 2)
    await nodes[1].started()
    async with open_client(",".join(node.url for node in nodes)) as client:
        while {await ask(client), await ask(client)} != {1, 2}:  # both are known to be there
            pass
        for _ in range(BURSTS):
            answers = await asyncio.gather(*(ask(client) for _ in range(CALLERS)))
            assert Counter(answers) == {1: CALLERS // 2, 2: CALLERS // 2}


async def test_a_new_version_goes_out_without_a_failed_call(nodes):
    versions: list[int] = []
    stopping = asyncio.Event()

    async def call(client):
        while not stopping.is_set():
            versions.append(await ask(client))

    async with open_client(",".join(node.url for node in nodes)) as client:
        callers = [asyncio.create_task(call(client)) for _ in range(CALLERS)]
        try:
            while len(versions) < 2 * CALLERS:
                await asyncio.sleep(0.1)
            for node in nodes:
                await asyncio.to_thread(node.stop)
                add_waiting_model(node.repository, 2)
                await node.started()
                seen = len(versions)
                while 2 not in versions[seen:]:  # the new one takes calls before the next one goes
                    await asyncio.sleep(0.1)
                    assert not any(caller.done() for caller in callers), "a call failed"
        finally:
            stopping.set()
            await asyncio.gather(*callers)
    print(f"\n{len(versions)} calls, {versions.count(2)} by the new version")
    assert set(versions) == {1, 2}
    assert set(versions[-CALLERS:]) == {2}
