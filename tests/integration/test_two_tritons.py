"""Two real Tritons behind one client: twice the waiting work, and an update that nobody notices."""

import asyncio
import contextlib
import time
from pathlib import Path

import numpy as np
import pytest

from gateway.triton.client import TritonClient
from tests.integration.nodes import TritonNode
from tools.at_hand import free_ports

WAIT_SECONDS = 0.25
CALLERS = 8
CONFIG = """
name: "wait"
backend: "python"
max_batch_size: 0
input [{ name: "number" data_type: TYPE_INT32 dims: [ 1 ] }]
output [{ name: "version" data_type: TYPE_INT32 dims: [ 1 ] }]
instance_group [{ kind: KIND_CPU count: 1 }]
"""
MODEL = f"""
import time
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        self.version = int(args["model_version"])

    def execute(self, requests):
        answers = []
        for _ in requests:
            time.sleep({WAIT_SECONDS})
            tensor = pb_utils.Tensor("version", np.array([self.version], np.int32))
            answers.append(pb_utils.InferenceResponse([tensor]))
        return answers
"""
INPUTS = {"number": np.zeros(1, np.int32)}
START_SECONDS = 240.0


def add_version(repository: Path, version: int) -> None:
    folder = repository / "wait" / str(version)
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(MODEL)
    (repository / "wait" / "config.pbtxt").write_text(CONFIG)


class Node(TritonNode):
    """One Triton with a repository of its own, in a process that is not ours: forking does gRPC no good."""

    def __init__(self, folder: Path) -> None:
        grpc_port, metrics_port = free_ports(2)
        ports = {"grpc_port": grpc_port, "metrics_port": metrics_port}
        super().__init__(folder, folder / "models", **ports, address="127.0.0.1")
        self.url = f"127.0.0.1:{grpc_port}"
        add_version(self.repository, 1)

    async def started(self) -> None:
        self.start()
        async with open_client(self.url) as client:
            deadline = time.monotonic() + START_SECONDS
            while not await client.ready("wait"):
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
    answer = await client.infer("wait", INPUTS, timeout_seconds=START_SECONDS)
    return int(answer["version"][0])


async def calls_per_second(url: str, calls: int) -> float:
    async with open_client(url) as client:
        await ask(client)
        room = asyncio.Semaphore(CALLERS)

        async def one():
            async with room:
                await ask(client)

        started = time.monotonic()
        await asyncio.gather(*(one() for _ in range(calls)))
        return calls / (time.monotonic() - started)


async def test_two_serve_twice_what_one_serves(nodes):
    urls = [node.url for node in nodes]
    one = await calls_per_second(urls[0], 32)
    two = await calls_per_second(",".join(urls), 64)
    print(f"\none Triton {one:.2f}, two {two:.2f} calls a second: {two / one:.2f} times")
    assert two > 1.5 * one  # 1.9 is the aim; two busy cores gave 1.62 and 1.85


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
                add_version(node.repository, 2)
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
