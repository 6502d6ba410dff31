"""Two Tritons behind one client, and one: calls per second to a model that waits instead of computing.

What waits costs no core, so that two servers of one machine can do twice the work of one, and what is missing
to that is the price of sharing calls out.
"""

import asyncio
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from gateway.triton.client import TritonClient
from gateway.triton.embedded import EmbeddedTriton
from tools.at_hand import free_ports

MODEL = "wait"
CONFIG = f"""
name: "{MODEL}"
backend: "python"
max_batch_size: 0
input [{{ name: "number" data_type: TYPE_INT32 dims: [ 1 ] }}]
output [{{ name: "version" data_type: TYPE_INT32 dims: [ 1 ] }}]
instance_group [{{ kind: KIND_CPU count: 1 }}]
"""
CODE = """
import time
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        self.version = int(args["model_version"])

    def execute(self, requests):
        answers = []
        for _ in requests:
            time.sleep({seconds})
            tensor = pb_utils.Tensor("version", np.array([self.version], np.int32))
            answers.append(pb_utils.InferenceResponse([tensor]))
        return answers
"""
INPUTS = {"number": np.zeros(1, np.int32)}
WAIT_SECONDS = 0.25
CALLERS_OF_EACH = 4
AIM = 1.9


def add_waiting_model(repository: Path, version: int, *, seconds: float = WAIT_SECONDS) -> None:
    """Write a version of a model that takes so long and answers its version; one call at a time."""
    folder = repository / MODEL / str(version)
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(CODE.format(seconds=seconds))
    (repository / MODEL / "config.pbtxt").write_text(CONFIG)


def bench(*, rounds: int, calls: int, as_json: bool) -> int:
    """Measure; 0 when two did 1.9 times what one did."""
    found = asyncio.run(_bench(rounds, calls))
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        Console().print(_table(found))
    return int(found["times"] < AIM)


async def _bench(rounds: int, calls: int) -> dict[str, Any]:
    async with _running(2) as urls:
        one, two = urls[0], ",".join(urls)
        pairs = []
        for number in range(rounds):
            # Whoever is first meets another machine than who comes second, so they take turns.
            order = (one, two) if number % 2 == 0 else (two, one)
            rates = {url: await _calls_per_second(url, calls) for url in order}
            pairs.append((rates[one], rates[two]))
    ratios = [both / alone for alone, both in pairs]
    return {
        "rounds": rounds,
        "one_calls_per_second": round(statistics.median(alone for alone, _ in pairs), 2),
        "two_calls_per_second": round(statistics.median(both for _, both in pairs), 2),
        "possible_calls_per_second": 1 / WAIT_SECONDS,
        "times": round(statistics.median(ratios), 3),
        "least_times": round(min(ratios), 3),
        "greatest_times": round(max(ratios), 3),
    }


@contextlib.asynccontextmanager
async def _running(count: int) -> AsyncIterator[list[str]]:
    """Run servers of the waiting model; none knows gRPC before all are started, for it bears no fork."""
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="radgate-bench-")))
        add_waiting_model(folder / "models", 1)
        ports = free_ports(2 * count)
        urls = []
        for number in range(count):
            server = EmbeddedTriton(
                model_repository=folder / "models",
                state_dir=folder / f"state-{number}",
                grpc_port=ports[2 * number],
                metrics_port=ports[2 * number + 1],
            )
            stack.push_async_callback(server.stop)
            await server.start()
            urls.append(server.url)
        for url in urls:
            await _wait_ready(url)
        yield urls


async def _wait_ready(url: str) -> None:
    async with _client(url) as client:
        while not await client.ready(MODEL):
            await asyncio.sleep(0.1)


async def _calls_per_second(url: str, calls: int) -> float:
    """Have callers, four to a server, ask one call after the other; `calls` to each server."""
    servers = url.count(",") + 1
    async with _client(url) as client:
        left = iter(range(calls * servers))

        async def ask() -> None:
            for _ in left:
                await client.infer(MODEL, INPUTS)

        await client.infer(MODEL, INPUTS)
        started = time.perf_counter()
        await asyncio.gather(*(ask() for _ in range(CALLERS_OF_EACH * servers)))
        return calls * servers / (time.perf_counter() - started)


@contextlib.asynccontextmanager
async def _client(url: str) -> AsyncIterator[TritonClient]:
    client = TritonClient(url)
    watch = asyncio.create_task(client.watch())
    try:
        yield client
    finally:
        watch.cancel()
        await client.close()


def _table(found: dict[str, Any]) -> Table:
    table = Table(*(name.replace("_", " ") for name in found))
    table.add_row(*(str(value) for value in found.values()))
    return table
