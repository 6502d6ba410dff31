"""`radgate bench chest-xray`: the gateway, a direct gRPC client and a plain script on the same films.

Rounds of the three sides alternate, and ratios are taken within a round, because machines drift. All sides
write the same four files to the same disk.
"""

import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from rich.console import Console
from rich.table import Table

from tools.bench.direct_client import DirectClient
from tools.bench.films import bench_films
from tools.bench.instance import Instance, running_instance
from tools.bench.runtimes import sentence
from tools.bench.script import running_script, script_rate
from tools.bench.stages import stage_seconds

WARM_UP_FILMS = 8
BARS = {"gateway / direct gRPC client": 0.85, "gateway / plain script": 1.5}


class Round(NamedTuple):
    """Films per second of each side in one round."""

    gateway: float
    direct: float
    script: float


def bench(films: Path | None, *, count: int, rounds: int, in_flight: int, as_json: bool) -> int:
    """Run the benchmark and print its figures; 0 when it ran, whatever they are."""
    with tempfile.TemporaryDirectory(prefix="radgate-bench-") as folder:
        paths = bench_films(films, Path(folder) / "films", count)
        report = asyncio.run(_bench(paths, Path(folder), rounds, in_flight))
    if as_json:
        print(json.dumps(report, indent=2))
    else:
        _print(report)
    return 0


async def _bench(films: Sequence[Path], folder: Path, rounds: int, in_flight: int) -> dict[str, Any]:
    async with contextlib.AsyncExitStack() as stack:
        instance = await stack.enter_async_context(running_instance(folder / "instance"))
        session = await stack.enter_async_context(
            aiohttp.ClientSession(headers={"Authorization": instance.token})
        )
        direct = await stack.enter_async_context(DirectClient.connected(instance.triton_url))
        script = stack.enter_context(running_script())
        results = []
        for number in range(-1, rounds):
            output = folder / f"round{number}"
            measured = await _round(films, output, instance, session, direct, script, in_flight)
            if number >= 0:  # the first warms caches and is not counted
                results.append(measured)
        latencies = await _latencies(films, folder / "latency", instance, session)
    return _report(results, latencies, instance, stage_seconds(films), len(films), in_flight)


async def _round(
    films: Sequence[Path],
    output: Path,
    instance: Instance,
    session: aiohttp.ClientSession,
    direct: DirectClient,
    script: "subprocess.Popen[str]",
    in_flight: int,
) -> Round:
    async def through_gateway(film: Path, name: str) -> None:
        await _post(session, instance, film, output / "gateway", name)

    async def directly(film: Path, name: str) -> None:
        await direct.assess(film, output / "direct", name)

    gateway = await _films_per_second(films, through_gateway, in_flight)
    direct_rate = await _films_per_second(films, directly, in_flight)
    return Round(gateway, direct_rate, await asyncio.to_thread(script_rate, script, films, output / "script"))


async def _films_per_second(
    films: Sequence[Path], assess: Callable[[Path, str], Awaitable[None]], in_flight: int
) -> float:
    queue = iter(enumerate(films))

    async def worker() -> None:
        for number, film in queue:
            await assess(film, f"BENCH-{number:04}")

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(in_flight)))
    return len(films) / (time.perf_counter() - started)


async def _post(
    session: aiohttp.ClientSession, instance: Instance, film: Path, output: Path, name: str
) -> None:
    body = {
        "input_image_path": str(film),
        "output_folder_path": str(output),
        "save_to_disk": True,
        "patient_id": name,
    }
    async with session.post(f"{instance.chest_xray_url}/single_inference", json=body) as response:
        answer = await response.json()
        if answer["Result"] != "Success":
            raise RuntimeError(f"{film.name}: {answer['Message']}")


async def _latencies(
    films: Sequence[Path], output: Path, instance: Instance, session: aiohttp.ClientSession
) -> list[float]:
    """Milliseconds of one film at a time."""
    latencies = []
    for number, film in enumerate(films):
        started = time.perf_counter()
        await _post(session, instance, film, output, f"BENCH-{number:04}")
        latencies.append((time.perf_counter() - started) * 1000)
    return latencies


def _report(
    rounds: Sequence[Round],
    latencies: Sequence[float],
    instance: Instance,
    stages: dict[str, float],
    count: int,
    in_flight: int,
) -> dict[str, Any]:
    ratios = {
        "gateway / direct gRPC client": [each.gateway / each.direct for each in rounds],
        "gateway / plain script": [each.gateway / each.script for each in rounds],
    }
    return {
        "films": count,
        "rounds": len(rounds),
        "in_flight": in_flight,
        "cores": os.cpu_count(),
        "films_per_second": {
            side: statistics.median(getattr(each, side) for each in rounds) for side in Round._fields
        },
        "ratios": {
            name: {"median": statistics.median(each), "min": min(each), "max": max(each), "bar": BARS[name]}
            for name, each in ratios.items()
        },
        "one_at_a_time_ms": {"median": statistics.median(latencies), "max": max(latencies)},
        "stages_ms": {stage: seconds * 1000 for stage, seconds in stages.items()},
        "networks": instance.networks,
        "start_to_ready_seconds": instance.start_seconds,
        "idle_memory_mib": instance.idle_memory_mib,
    }


def _print(report: dict[str, Any]) -> None:
    console = Console()
    console.print(
        f"{report['films']} films a round and side, {report['rounds']} rounds, "
        f"{report['in_flight']} in flight, {report['cores']} cores"
    )
    rates = Table("Side", "Films per second (median)")
    for side, rate in report["films_per_second"].items():
        rates.add_row(side, f"{rate:.2f}")
    ratios = Table("Ratio", "Median", "Min", "Max", "Bar")
    for name, ratio in report["ratios"].items():
        ratios.add_row(name, *(f"{ratio[key]:.2f}" for key in ("median", "min", "max", "bar")))
    stages = Table("Stage of one film on one core", "Milliseconds (median)")
    for stage, milliseconds in report["stages_ms"].items():
        stages.add_row(stage, f"{milliseconds:.1f}")
    console.print(rates, ratios, stages, sentence(report["networks"], report["stages_ms"]))
    latency = report["one_at_a_time_ms"]
    console.print(
        f"One film at a time: {latency['median']:.0f} ms median, {latency['max']:.0f} ms at most. "
        f"Start to ready: {report['start_to_ready_seconds']:.1f} s. "
        f"Idle memory of everything: {report['idle_memory_mib']:.0f} MiB."
    )
