"""`radgate bench bulk`: a bulk job and the plain sequential script on the same films, in one run.

Rounds of both sides alternate, and the ratio is taken within a round, because machines drift. All films
are of patients of their own, and both sides write the same four files to the same disk.
"""

import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from rich.console import Console
from rich.table import Table

from tools.bench.films import bench_films, numbered_copies
from tools.bench.instance import Instance, memory_mib, running_instance
from tools.bench.script import running_script, script_rate
from tools.phantoms.chest_film import chest_film_dicom

SINGLE_FILMS = 40
SMALL_SIDE_PX = 256
BARS = {
    "bulk / plain script": 1.8,
    "CPU busy": 0.90,
    "single p95 during bulk / idle": 3.0,
    "peak memory of 5,000 / 500 films": 1.1,
}


class Round(NamedTuple):
    """Films per second of both sides in one round, and how busy the bulk job kept the machine."""

    bulk: float
    script: float
    cpu_busy: float


def bench(films: Path | None, *, count: int, rounds: int, memory: bool, as_json: bool) -> int:
    """Run the benchmark and print its figures; 0 when it ran, whatever they are."""
    with tempfile.TemporaryDirectory(prefix="radgate-bench-") as folder:
        paths = bench_films(films, Path(folder) / "made", count)
        numbered_copies(paths, Path(folder) / "films")
        report = asyncio.run(_bench(Path(folder), rounds, memory))
    if as_json:
        print(json.dumps(report, indent=2))
    else:
        _print(report)
    return 0


async def _bench(folder: Path, rounds: int, memory: bool) -> dict[str, Any]:
    films = folder / "films"
    async with contextlib.AsyncExitStack() as stack:
        instance = await stack.enter_async_context(running_instance(folder / "instance"))
        timeout = aiohttp.ClientTimeout(total=None)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(
                instance.chest_xray_url, headers={"Authorization": instance.token}, timeout=timeout
            )
        )
        script = stack.enter_context(running_script())
        results = [
            await _round(session, script, films, folder / f"round{number}") for number in range(-1, rounds)
        ]
        idle = await _single_latencies(session, films, folder / "single", SINGLE_FILMS)
        during = await _latencies_during(session, films, folder)
        peaks = await _peaks(session, instance, folder) if memory else {}
    return _report(results[1:], idle, during, peaks, len(list(films.iterdir())))


async def _round(
    session: aiohttp.ClientSession, script: "subprocess.Popen[str]", films: Path, output: Path
) -> Round:
    paths = sorted(films.iterdir())
    busy_before = _cpu_seconds()
    started = time.perf_counter()
    await _bulk(session, films, output / "bulk")
    seconds = time.perf_counter() - started
    busy, total = (after - before for after, before in zip(_cpu_seconds(), busy_before, strict=True))
    rate = await asyncio.to_thread(script_rate, script, paths, output / "script")
    return Round(len(paths) / seconds, rate, busy / total)


async def _bulk(session: aiohttp.ClientSession, films: Path, output: Path) -> None:
    body = {"input_folder_path": str(films), "output_folder_path": str(output)}
    async with session.post("/bulk_inference", json=body) as response:
        answer = await response.json()
        if answer["Result"] != "Success":
            raise RuntimeError(answer["Message"])


async def _latencies_during(session: aiohttp.ClientSession, films: Path, folder: Path) -> list[float]:
    """Measure single films for as long as a bulk job lasts, from when it is well under way."""
    latencies: list[float] = []
    bulk = asyncio.create_task(_bulk(session, films, folder / "overtaken"))
    await asyncio.sleep(1)
    while not bulk.done():
        latencies += await _single_latencies(session, films, folder / "single", 1, start=len(latencies))
    await bulk
    return latencies[:-1]


async def _single_latencies(
    session: aiohttp.ClientSession, films: Path, output: Path, count: int, *, start: int = 0
) -> list[float]:
    """Milliseconds of one film at a time."""
    paths = sorted(films.iterdir())
    latencies = []
    for number in range(start, start + count):
        body = {"input_image_path": str(paths[number % len(paths)]), "output_folder_path": str(output)}
        started = time.perf_counter()
        async with session.post("/single_inference", json=body) as response:
            answer = await response.json()
        latencies.append((time.perf_counter() - started) * 1000)
        if answer["Result"] != "Success":
            raise RuntimeError(answer["Message"])
    return latencies


async def _peaks(session: aiohttp.ClientSession, instance: Instance, folder: Path) -> dict[int, float]:
    """Give the peak memory of the instance with all its processes, by the number of films."""
    small = folder / "small.dcm"
    small.write_bytes(chest_film_dicom(1, patient_id="SMALL", rows=SMALL_SIDE_PX, columns=SMALL_SIDE_PX))
    peaks = {}
    for count in (500, 5000):
        films = folder / f"small{count}"
        await asyncio.to_thread(numbered_copies, [small] * count, films)
        bulk = asyncio.create_task(_bulk(session, films, folder / f"memory{count}"))
        peak = 0.0
        while not bulk.done():
            peak = max(peak, await asyncio.to_thread(_memory, instance.pid))
            await asyncio.wait([bulk], timeout=0.5)
        await bulk
        peaks[count] = peak
    return peaks


def _memory(pid: int) -> float:
    try:
        return memory_mib(pid)
    except (OSError, StopIteration):
        return 0.0  # one of its processes ended meanwhile


def _cpu_seconds() -> tuple[float, float]:
    """Give the machine's busy and total CPU time since it started."""
    fields = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return float(sum(fields) - idle), float(sum(fields))


def _p95(latencies: Sequence[float]) -> float:
    return sorted(latencies)[int(0.95 * (len(latencies) - 1))]


def _report(
    rounds: Sequence[Round],
    idle: Sequence[float],
    during: Sequence[float],
    peaks: dict[int, float],
    count: int,
) -> dict[str, Any]:
    figures = {
        "bulk / plain script": statistics.median(each.bulk / each.script for each in rounds),
        "CPU busy": statistics.median(each.cpu_busy for each in rounds),
        "single p95 during bulk / idle": _p95(during) / _p95(idle),
    }
    if peaks:
        figures["peak memory of 5,000 / 500 films"] = peaks[5000] / peaks[500]
    return {
        "films": count,
        "rounds": len(rounds),
        "cores": os.cpu_count(),
        "films_per_second": {
            side: statistics.median(getattr(each, side) for each in rounds) for side in ("bulk", "script")
        },
        "ratios_of_rounds": [each.bulk / each.script for each in rounds],
        "single_ms": {
            "idle": {"median": statistics.median(idle), "p95": _p95(idle), "films": len(idle)},
            "during bulk": {"median": statistics.median(during), "p95": _p95(during), "films": len(during)},
        },
        "peak_memory_mib": peaks,
        "figures": {name: {"value": value, "bar": BARS[name]} for name, value in figures.items()},
    }


def _print(report: dict[str, Any]) -> None:
    console = Console()
    console.print(f"{report['films']} films, {report['rounds']} rounds, {report['cores']} cores")
    for side, rate in report["films_per_second"].items():
        console.print(f"{side}: {rate:.2f} films per second (median)")
    for when, single in report["single_ms"].items():
        console.print(
            f"/single_inference {when}: {single['median']:.0f} ms median, {single['p95']:.0f} ms p95"
        )
    for films, peak in report["peak_memory_mib"].items():
        console.print(f"{films} films: {peak:.0f} MiB at most, all processes")
    table = Table("Figure", "Value", "Bar")
    for name, figure in report["figures"].items():
        table.add_row(name, f"{figure['value']:.2f}", f"{figure['bar']:.2f}")
    console.print(table)
