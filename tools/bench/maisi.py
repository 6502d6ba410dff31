"""Volumes end to end: seconds, stages, memory; whether what was asked for is there, and how good it is."""

import asyncio
import contextlib
import gzip
import hashlib
import io
import json
import statistics
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import aiohttp
import nibabel
import numpy as np
from rich.console import Console
from rich.table import Table

from gateway.apis.api import in_background
from gateway.imaging.maisi.labels import LABELS
from tools.bench.instance import Instance, memory_mib, running_instance

LOOK_SECONDS = 0.25
TIMEOUT_SECONDS = 3600.0


def bench(
    *, size: list[int], spacing: list[float], anatomy: list[str], count: int, steps: int | None, as_json: bool
) -> int:
    """Generate volumes one by one and print what they cost, and the first one once more.

    Gives 0 when 95 % have all that was asked for and pass quality control, and the first has the same bytes.
    """
    body = {
        "num_output_samples": 1,
        "body_region": ["abdomen"],
        "anatomy_list": anatomy,
        "output_size": size,
        "spacing": spacing,
        "num_inference_steps": steps,
        "label_values": "native",
    }
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(_measure(Path(folder), body, count))
    if as_json:
        print(json.dumps(figures))
    else:
        _print(figures)
    is_good = min(figures["passed"], figures["complete"]) >= 0.95 * count and figures["same_bytes"]
    return 0 if is_good else 1


async def _measure(folder: Path, body: dict[str, Any], count: int) -> dict[str, Any]:
    async with running_instance(folder) as instance:
        peak = _Peak()
        async with in_background(peak.watch(instance.pid)):
            samples = [await _generate(instance, {**body, "seed": 1000 + n}) for n in range(count)]
            again = await _generate(instance, {**body, "seed": 1000})
    seconds = [each["seconds"] for each in samples]
    stages = sorted({stage for each in samples for stage in each["stage_seconds"]})
    return {
        "output_size": body["output_size"],
        "spacing": body["spacing"],
        "count": count,
        "seconds_median": round(statistics.median(seconds), 2),
        "seconds_max": round(max(seconds), 2),
        "idle_memory_mib": round(instance.idle_memory_mib),
        "peak_memory_mib": round(peak.mib),
        "complete": sum(each["complete"] for each in samples),
        "same_bytes": again["digests"] == samples[0]["digests"],
        "passed": sum(each["quality_passed"] for each in samples),
        "passed_first": sum(each["quality_passed"] and each["attempts"] == 1 for each in samples),
        "stage_seconds_median": {
            stage: round(statistics.median(each["stage_seconds"].get(stage, 0.0) for each in samples), 2)
            for stage in stages
        },
    }


async def _generate(instance: Instance, body: dict[str, Any]) -> dict[str, Any]:
    """Generate one volume as a job, whose status has the stages, and download it."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(instance.url, timeout=timeout) as session:
        started = time.perf_counter()
        async with session.post("/v1/maisi/run", json=body, headers={"Prefer": "respond-async"}) as answer:
            answer.raise_for_status()
            location = answer.headers["Location"]
        async with session.get(f"{location}/events") as events:
            await events.read()
        async with session.get(location) as answer:
            job = await answer.json()
        if job["state"] != "succeeded":
            raise RuntimeError(f"the job ended as {job['state']}: {job['error']}")
        async with session.get(job["result"]) as result:
            archive = await result.read()
        seconds = time.perf_counter() - started
        await (await session.delete(location)).read()
    members = _members(archive)
    (labels,) = (each for name, each in members.items() if name.endswith("_label.nii.gz"))
    return {
        **job["samples"][0],
        "seconds": seconds,
        "complete": _has(labels, body["anatomy_list"]),
        "digests": [hashlib.sha256(members[name]).hexdigest() for name in sorted(members)],
    }


def _members(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def _has(file: bytes, names: list[str]) -> bool:
    """Whether a label file has a voxel of everything that was asked for."""
    present = np.unique(np.asanyarray(nibabel.Nifti1Image.from_bytes(gzip.decompress(file)).dataobj))
    return {LABELS[name].index for name in names} <= set(present.tolist())


class _Peak:
    """The greatest memory of a process and all below it, Triton included."""

    def __init__(self) -> None:
        self.mib = 0.0

    async def watch(self, pid: int) -> None:
        while True:
            with contextlib.suppress(OSError):  # a process ended while it was looked at
                self.mib = max(self.mib, await asyncio.to_thread(memory_mib, pid))
            await asyncio.sleep(LOOK_SECONDS)


def _print(figures: dict[str, Any]) -> None:
    size, spacing = ("×".join(map(str, figures[name])) for name in ("output_size", "spacing"))
    table = Table(title=f"{figures['count']} volumes of {size} at {spacing} mm", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    rows = {
        "end to end, median": f"{figures['seconds_median']:.1f} s",
        "end to end, worst": f"{figures['seconds_max']:.1f} s",
        **{f"  {stage}": f"{seconds:.1f} s" for stage, seconds in figures["stage_seconds_median"].items()},
        "memory before": f"{figures['idle_memory_mib']} MiB",
        "memory, peak": f"{figures['peak_memory_mib']} MiB",
        "has all that was asked for": f"{figures['complete']} of {figures['count']}",
        "the same seed, the same bytes": "yes" if figures["same_bytes"] else "NO",
        "passed quality control": f"{figures['passed']} of {figures['count']}",
        "  at the first seed": f"{figures['passed_first']} of {figures['count']}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    Console().print(table)
