"""`radgate bench vhs`: `POST /v3/predict` and a direct gRPC client of the `vhs` ensemble on the same films.

Rounds of both sides alternate, and ratios are taken within a round, because machines drift. The gateway
reads base64 in JSON, checks a key, asks Triton, and settles each call in its ledger; the direct client hands
Triton the file's own bytes. Bodies are put together beforehand: that is the caller's work.
"""

import asyncio
import base64
import contextlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import numpy as np
from rich.console import Console
from rich.table import Table
from tritonclient.grpc.aio import InferenceServerClient, InferInput

from gateway.imaging.vhs.result import NOT_MEASURABLE, REJECTED
from tools.bench.instance import Instance, api_key, running_instance
from tools.bench.runtimes import sentence
from tools.bench.vhs_films import bench_films
from tools.bench.vhs_stages import stage_seconds

BATCH = 10
BATCHES = 5
BARS = {"gateway / direct gRPC client": 0.90, "one warm film, median ms": 250.0}

Predict = Callable[[bytes], Awaitable[dict[str, Any]]]


class Round(NamedTuple):
    """Films per second of each side in one round."""

    gateway: float
    direct: float


class Timings(NamedTuple):
    """Milliseconds of what was sent one at a time."""

    films: list[float]
    rendered: list[float]
    batches: list[float]


def bench(films: Path | None, *, count: int, rounds: int, in_flight: int, as_json: bool) -> int:
    """Run the benchmark and print its figures; 0 when it ran, whatever they are."""
    images = bench_films(films, count)
    with tempfile.TemporaryDirectory(prefix="radgate-bench-") as folder:
        report = asyncio.run(_bench(images, Path(folder), rounds, in_flight))
    if as_json:
        print(json.dumps(report, indent=2))
    else:
        _print(report)
    return 0


async def _bench(images: Sequence[bytes], folder: Path, rounds: int, in_flight: int) -> dict[str, Any]:
    async with contextlib.AsyncExitStack() as stack:
        instance = await stack.enter_async_context(running_instance(folder / "instance"))
        key = await api_key(instance)
        session = await stack.enter_async_context(aiohttp.ClientSession(headers={"x-api-key": key}))
        triton = await stack.enter_async_context(InferenceServerClient(instance.triton_url))
        through_gateway, directly = _through_gateway(session, instance), _directly(triton)
        codes = [answer["result_code"] for answer in [await directly(each) for each in images]]
        bodies = [_body(image=_base64(each)) for each in images]
        results = []
        for number in range(-1, rounds):
            gateway = await _per_second(bodies, through_gateway, in_flight)
            measured = Round(gateway, await _per_second(images, directly, in_flight))
            if number >= 0:  # the first warms caches and is not counted
                results.append(measured)
        timings = await _timings(images, through_gateway)
    return _report(results, timings, codes, instance, stage_seconds(images), in_flight)


async def _timings(images: Sequence[bytes], predict: Predict) -> Timings:
    encoded = [_base64(each) for each in images]
    return Timings(
        films=await _milliseconds([_body(image=each) for each in encoded], predict),
        rendered=await _milliseconds([_body(image=each, render=True) for each in encoded[:BATCH]], predict),
        batches=await _milliseconds([_body(images=encoded[:BATCH])] * BATCHES, predict),
    )


def _base64(image: bytes) -> str:
    return base64.b64encode(image).decode()


def _body(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def _through_gateway(session: aiohttp.ClientSession, instance: Instance) -> Predict:
    url = f"{instance.url}/v3/predict"
    headers = {"Content-Type": "application/json"}

    async def predict(body: bytes) -> dict[str, Any]:
        async with session.post(url, data=body, headers=headers) as response:
            answer: dict[str, Any] = await response.json()
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {answer}")
        return answer

    return predict


def _directly(triton: InferenceServerClient) -> Predict:
    async def predict(image: bytes) -> dict[str, Any]:
        data, render = InferInput("image", [1, 1], "BYTES"), InferInput("render", [1, 1], "BOOL")
        data.set_data_from_numpy(np.array([[image]], np.object_))
        render.set_data_from_numpy(np.array([[False]]))
        answer = await triton.infer("vhs", [data, render])
        result: dict[str, Any] = json.loads(answer.as_numpy("result")[0, 0])
        return result

    return predict


async def _per_second(payloads: Sequence[bytes], predict: Predict, in_flight: int) -> float:
    queue = iter(payloads)

    async def worker() -> None:
        for payload in queue:
            await predict(payload)

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(in_flight)))
    return len(payloads) / (time.perf_counter() - started)


async def _milliseconds(bodies: Sequence[bytes], predict: Predict) -> list[float]:
    """Send one at a time."""
    each = []
    for body in bodies:
        started = time.perf_counter()
        await predict(body)
        each.append((time.perf_counter() - started) * 1000)
    return each


def _report(
    rounds: Sequence[Round],
    timings: Timings,
    codes: Sequence[int],
    instance: Instance,
    stages: dict[str, float],
    in_flight: int,
) -> dict[str, Any]:
    ratios = [each.gateway / each.direct for each in rounds]
    return {
        "films": len(codes),
        "measured": sum(0 < code < NOT_MEASURABLE for code in codes),
        "rejected": sum(code == REJECTED for code in codes),
        "rounds": len(rounds),
        "in_flight": in_flight,
        "cores": os.cpu_count(),
        "films_per_second": {
            side: statistics.median(getattr(each, side) for each in rounds) for side in Round._fields
        },
        "figures": {
            "gateway / direct gRPC client": {
                "value": statistics.median(ratios),
                "min": min(ratios),
                "max": max(ratios),
            },
            "one warm film, median ms": _spread(timings.films),
            "one warm film, rendered, median ms": _spread(timings.rendered),
            f"one batch of {BATCH}, median ms": _spread(timings.batches),
        },
        "bars": BARS,
        "stages_ms": {stage: seconds * 1000 for stage, seconds in stages.items()},
        "networks": instance.networks,
        "start_to_ready_seconds": instance.start_seconds,
        "idle_memory_mib": instance.idle_memory_mib,
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"value": statistics.median(values), "min": min(values), "max": max(values)}


def _print(report: dict[str, Any]) -> None:
    console = Console()
    console.print(
        f"{report['films']} films a round and side ({report['measured']} measured, {report['rejected']} "
        f"rejected), {report['rounds']} rounds, {report['in_flight']} in flight, {report['cores']} cores"
    )
    for side, rate in report["films_per_second"].items():
        console.print(f"{side}: {rate:.2f} films per second (median)")
    figures = Table("Figure", "Median", "Min", "Max", "Bar")
    for name, figure in report["figures"].items():
        bar = report["bars"].get(name)
        cells = (f"{figure[key]:.2f}" for key in ("value", "min", "max"))
        figures.add_row(name, *cells, "" if bar is None else f"{bar:.2f}")
    stages = Table("Stage of one film on one core", "Milliseconds (median)")
    for stage, milliseconds in report["stages_ms"].items():
        stages.add_row(stage, f"{milliseconds:.1f}")
    console.print(figures, stages, sentence(report["networks"], report["stages_ms"]))
    console.print(
        f"Start to ready: {report['start_to_ready_seconds']:.1f} s. "
        f"Idle memory of everything: {report['idle_memory_mib']:.0f} MiB."
    )
