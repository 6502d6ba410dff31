"""`radgate bench acr`: inference requests, from their acceptance to their results in a real Orthanc.

Accepted is what survives a kill, so its answer waits for the disk. Latencies of the steady part count from
when a request was to be sent, not from when it was: a server that stalls cannot hide it. The jobs of all that
is accepted run meanwhile, on the same cores.
"""

import asyncio
import contextlib
import io
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pydicom
from prometheus_client.parser import text_string_to_metric_families
from pydicom.uid import UID
from rich.console import Console
from rich.table import Table

from tools.bench.instance import Instance, running_instance
from tools.orthanc import AUTH_ID, Orthanc, running_orthanc
from tools.phantoms.chest_film import chest_film_dicom

FILMS = 8
"""Drawn; each study holds one of them."""
BURST_IN_FLIGHT = 8
BARS = {"acceptance p95, ms": 100.0}


class Run(NamedTuple):
    """What was measured."""

    steady_ms: list[float]
    burst_per_second: float
    jobs: int
    jobs_seconds: float
    failed: int
    stages_ms: dict[str, float]


def bench(*, count: int, rate: float, burst: int, as_json: bool) -> int:
    """Run the benchmark and print its figures; 0 when it ran, whatever they are."""
    with tempfile.TemporaryDirectory(prefix="radgate-bench-") as folder:
        report = _report(asyncio.run(_bench(Path(folder), count, rate, burst)), rate)
    if as_json:
        print(json.dumps(report, indent=2))
    else:
        _print(report)
    return 0


async def _bench(folder: Path, count: int, rate: float, burst: int) -> Run:
    async with contextlib.AsyncExitStack() as stack:
        (folder / "orthanc").mkdir()
        pacs = stack.enter_context(running_orthanc(folder / "orthanc"))
        studies = await asyncio.to_thread(_store, pacs)
        instance = await stack.enter_async_context(
            running_instance(folder / "instance", peers_file=str(_peers(folder, pacs)))
        )
        session = await stack.enter_async_context(aiohttp.ClientSession())
        caller = Caller(session, instance, pacs, itertools.cycle(studies))
        await caller.ended([await caller.send()])  # warms workers and caches
        before = await _stages(session, instance)
        started = time.perf_counter()
        steady = await _steadily(caller, count, rate)
        per_second, burst_jobs = await _burst(caller, burst)
        jobs = [*(job for job, _ in steady), *burst_jobs]
        failed = await caller.ended(jobs)
        seconds = time.perf_counter() - started
        after = await _stages(session, instance)
    stages = {name: _mean_ms(before.get(name, (0.0, 0.0)), total) for name, total in after.items()}
    return Run([each for _, each in steady], per_second, len(jobs), seconds, failed, stages)


class Caller:
    """Sends requests about one study after the other."""

    def __init__(
        self, session: aiohttp.ClientSession, instance: Instance, pacs: Orthanc, studies: Iterator[str]
    ) -> None:
        self._session = session
        self._url = f"{instance.url}/api/inference"
        self._pacs = pacs
        self._studies = studies
        self._numbers = itertools.count(1)

    async def send(self) -> str:
        """Have one request accepted; gives its job."""
        async with self._session.post(self._url, json=self._request()) as response:
            answer = await response.json(content_type=None)
            if response.status != 200:
                raise RuntimeError(f"{response.status}: {answer}")
        return str(answer["jobId"])

    async def ended(self, jobs: Sequence[str]) -> int:
        """Wait until all have ended; gives how many failed."""
        failed = 0
        for job in jobs:
            while (platform := await self._platform(job))["state"] != "Stopped":
                await asyncio.sleep(0.2)
            failed += platform["status"] != "Healthy"
        return failed

    async def _platform(self, job: str) -> dict[str, Any]:
        async with self._session.get(f"{self._url}/status/{job}") as response:
            platform: dict[str, Any] = (await response.json())["platform"]
        return platform

    def _request(self) -> dict[str, Any]:
        pacs = {"uri": self._pacs.uri, "authType": "Basic", "authID": AUTH_ID}
        uid = next(self._studies)
        # The film's series alone: the study grows by the results of each job.
        study = {"StudyInstanceUID": uid, "series": [{"SeriesInstanceUID": f"{uid}.1"}]}
        return {
            "transactionID": f"bench-{next(self._numbers)}",
            "inputMetadata": {"details": {"type": "DICOM_UID", "studies": [study]}},
            "inputResources": [
                {"interface": "Algorithm", "connectionDetails": {"name": "tb", "id": "chest_xray"}},
                {"interface": "DICOMweb", "connectionDetails": pacs},
            ],
            "outputResources": [{"interface": "DICOMweb", "connectionDetails": pacs}],
        }


def _store(pacs: Orthanc) -> list[str]:
    """Put drawn films into the archive; gives their studies."""
    studies = [f"2.25.90{number}" for number in range(FILMS)]
    for number, study in enumerate(studies):
        film = pydicom.dcmread(io.BytesIO(chest_film_dicom(number)))
        film.StudyInstanceUID, film.SeriesInstanceUID = study, f"{study}.1"
        uid = UID(f"{study}.1.1")
        film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID = uid
        target = io.BytesIO()
        film.save_as(target)
        pacs.add([target.getvalue()])
    return studies


def _peers(folder: Path, pacs: Orthanc) -> Path:
    path = folder / "peers.json"
    peer = {"name": "pacs", "url": pacs.uri, "networks": ["127.0.0.0/8"], "plain_http": True}
    path.write_text(json.dumps([peer]))
    return path


async def _steadily(caller: Caller, count: int, rate: float) -> list[tuple[str, float]]:
    """Send at a fixed rate, whatever the answers take; gives jobs and milliseconds from the due time."""
    beginning = time.perf_counter() + 0.1

    async def one(number: int) -> tuple[str, float]:
        due = beginning + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        job = await caller.send()
        return job, (time.perf_counter() - due) * 1000

    return list(await asyncio.gather(*(one(number) for number in range(count))))


async def _burst(caller: Caller, count: int) -> tuple[float, list[str]]:
    """Send as fast as answers come; gives acceptances per second, and the jobs."""
    jobs: list[str] = []
    numbers = iter(range(count))

    async def worker() -> None:
        for _ in numbers:
            jobs.append(await caller.send())

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(BURST_IN_FLIGHT)))
    return count / (time.perf_counter() - started), jobs


async def _stages(session: aiohttp.ClientSession, instance: Instance) -> dict[str, tuple[float, float]]:
    """Read seconds and count of each stage from the instance's own metrics."""
    async with session.get(f"{instance.admin_url}/metrics") as response:
        families = list(text_string_to_metric_families(await response.text()))
    found: dict[str, dict[str, float]] = {}
    for sample in (sample for family in families for sample in family.samples):
        name = _stage_of(sample.name, sample.labels)
        if name is not None:
            part = sample.name.rsplit("_", 1)[1]
            found.setdefault(name, {}).setdefault(part, 0.0)
            found[name][part] += sample.value
    return {name: (parts.get("sum", 0.0), parts.get("count", 0.0)) for name, parts in found.items()}


def _stage_of(metric: str, labels: dict[str, str]) -> str | None:
    if metric.endswith(("_sum", "_count")):
        if metric.startswith("radgate_stage_seconds") and labels["api"] == "inference_requests":
            return labels["stage"]
        if metric.startswith("radgate_inference_seconds") and labels["model"] == "chest_xray":
            return "of which Triton"
        if metric.startswith("radgate_outbound_seconds"):
            return f"of which {labels['operation']} at the peer"
    return None


def _mean_ms(before: tuple[float, float], after: tuple[float, float]) -> float:
    seconds, count = (b - a for a, b in zip(before, after, strict=True))
    return 1000 * seconds / count if count else 0.0


def _report(run: Run, rate: float) -> dict[str, Any]:
    ordered = sorted(run.steady_ms)
    figures = {
        "acceptance median, ms": statistics.median(ordered),
        "acceptance p95, ms": ordered[int(0.95 * (len(ordered) - 1))],
        "acceptance worst, ms": ordered[-1],
        "accepted per second, at most": run.burst_per_second,
        "jobs per minute, end to end": 60 * run.jobs / run.jobs_seconds,
    }
    return {
        "requests_at_rate": len(ordered),
        "rate": rate,
        "burst_in_flight": BURST_IN_FLIGHT,
        "jobs": run.jobs,
        "failed": run.failed,
        "cores": os.cpu_count(),
        "figures": {name: {"value": value, "bar": BARS.get(name)} for name, value in figures.items()},
        "stages_ms": run.stages_ms,
    }


def _print(report: dict[str, Any]) -> None:
    console = Console()
    console.print(
        f"{report['requests_at_rate']} requests at {report['rate']:g} per second, then as fast as "
        f"{report['burst_in_flight']} in flight go: {report['jobs']} jobs, {report['failed']} failed; "
        f"{report['cores']} cores, Orthanc on the same ones"
    )
    figures = Table("Figure", "Value", "Bar")
    for name, figure in report["figures"].items():
        bar = "" if figure["bar"] is None else f"≤ {figure['bar']:.0f}"
        figures.add_row(name, f"{figure['value']:.1f}", bar)
    stages = Table("Stage of one job under this load", "Milliseconds (mean)")
    for stage, milliseconds in report["stages_ms"].items():
        stages.add_row(stage, f"{milliseconds:.0f}")
    console.print(figures, stages)
