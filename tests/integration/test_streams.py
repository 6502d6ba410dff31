"""Calls of decoupled models through a real Triton: parts as they come, faults, and ends before the end."""

import asyncio
import contextlib
import time

import numpy as np
import pytest
import pytest_asyncio

from gateway.errors import InferenceFailed, InferenceTimeout, InvalidImage, ModelUnavailable, OutOfMemory
from gateway.triton.client import TritonClient
from gateway.triton.embedded import EmbeddedTriton
from tests.integration import decoupled_models
from tools.at_hand import free_ports

pytestmark = pytest.mark.asyncio(loop_scope="module")
LONG = 400
"""Twenty seconds of work."""


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """The file in which `count` says where it was stopped."""
    return tmp_path_factory.mktemp("stopped") / "number"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def triton(tmp_path_factory, stopped):
    folder = tmp_path_factory.mktemp("streams")
    decoupled_models.write(folder / "models", stopped)
    grpc_port, metrics_port = free_ports(2)
    server = EmbeddedTriton(
        model_repository=folder / "models",
        state_dir=folder / "state",
        grpc_port=grpc_port,
        metrics_port=metrics_port,
    )
    await server.start()
    client = TritonClient(server.url)
    while not (await client.ready("count") and await client.ready("relay")):
        await asyncio.sleep(0.1)
    yield client
    await client.close()
    await server.stop()


def inputs(upto: int) -> dict[str, np.ndarray]:
    return {"upto": np.array([upto], np.int32), "lease": np.array([b""], np.object_)}


async def numbers(client, model: str, upto: int, **options) -> list[int]:
    return [int(part["number"][0]) async for part in client.stream(model, inputs(upto), **options)]


async def stop_of(file) -> int:
    """Wait until `count` was stopped; its own work would take much longer."""
    for _ in range(100):
        if file.exists():
            number = int(file.read_text() or 0)
            file.unlink()
            return number
        await asyncio.sleep(0.05)
    raise AssertionError("the model went on")


@pytest.mark.parametrize("model", ["count", "relay"])
async def test_gives_each_part_and_ends(triton, model):
    assert await numbers(triton, model, 5) == [0, 1, 2, 3, 4]
    assert await numbers(triton, model, 0) == []


async def test_parts_come_one_by_one(triton):
    started = time.monotonic()
    seen = []
    async for _ in triton.stream("count", inputs(20)):
        seen.append(time.monotonic() - started)
    assert seen[0] < seen[-1] / 2


@pytest.mark.parametrize("model", ["count", "relay"])
@pytest.mark.parametrize(
    ("upto", "error", "message"),
    [
        (-1, InvalidImage, "upto must not be negative"),
        (1000, OutOfMemory, "{model} ran out of memory"),
    ],
)
async def test_a_models_own_words_come_through(triton, model, upto, error, message):
    with pytest.raises(error) as caught:
        await numbers(triton, model, upto)
    assert caught.value.message == message.format(model=model)
    assert await numbers(triton, model, 2) == [0, 1]


@pytest.mark.parametrize(("model", "error"), [("count", InferenceFailed), ("relay", ModelUnavailable)])
async def test_what_broke_stays_in_the_log(triton, model, error):
    with pytest.raises(error) as caught:
        await numbers(triton, model, 1001)
    assert "secret" not in caught.value.message


async def test_a_model_that_is_not_there(triton):
    with pytest.raises(ModelUnavailable):
        await numbers(triton, "nowhere", 1)


@pytest.mark.parametrize("model", ["count", "relay"])
async def test_leaving_a_stream_stops_the_work(triton, stopped, model):
    async with contextlib.aclosing(triton.stream(model, inputs(LONG))) as parts:
        async for _ in parts:
            break
    assert await stop_of(stopped) < LONG / 2
    assert await numbers(triton, model, 2) == [0, 1]


@pytest.mark.parametrize("model", ["count", "relay"])
async def test_cancelling_the_task_stops_the_work(triton, stopped, model):
    task = asyncio.create_task(numbers(triton, model, LONG))
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await stop_of(stopped) < LONG / 2


async def test_the_deadline_stops_the_work(triton, stopped):
    with pytest.raises(InferenceTimeout):
        await numbers(triton, "relay", LONG, timeout_seconds=0.5)
    assert await stop_of(stopped) < LONG / 2


async def test_an_error_after_a_part_comes_through(triton):
    with pytest.raises(InvalidImage):
        await numbers(triton, "count", 8)


async def test_an_error_after_a_part_ends_the_call_of_another_model(triton):
    # Triton 24.10 drops the error itself there; `generate` tells by what is missing.
    assert await numbers(triton, "relay", 8) == [0]


async def test_thousands_of_errors_in_called_models_leave_triton_alive(triton):
    async def refusals() -> None:
        for _ in range(1000):
            with pytest.raises(InvalidImage):
                await numbers(triton, "relay", -1)

    await asyncio.gather(refusals(), refusals(), refusals())
    assert await numbers(triton, "relay", 2) == [0, 1]
