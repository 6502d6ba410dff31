"""Batches as large as they may be, and how soon `/v3/health` answers meanwhile."""

import asyncio
import base64
import http.client
import io
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from gateway.accounts.keys import ApiKeys
from gateway.accounts.register import Accounts, Terms
from gateway.storage.engine import open_database
from tools.bench.instance import running_instance
from tools.phantoms.canine_thorax import canine_thorax

IMAGE_BYTES = 10 * 2**20
IMAGES = 10
SIDE_PX = 3000
PAUSE_SECONDS = 0.005
IDLE_SECONDS = 3.0
BAR_MS = 50.0
"""What the 95th percentile is to stay below."""


def bench(*, at_once: int, as_json: bool) -> int:
    """Measure; 0 when health kept to its bar."""
    rows = asyncio.run(_bench(at_once))
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        Console().print(_table(rows))
    return int(max(row["health_p95_ms"] for row in rows) >= BAR_MS)


async def _bench(at_once: int) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="radgate-bench-") as folder:
        data_dir = Path(folder) / "instance"
        async with running_instance(data_dir) as instance:
            key = await _key(data_dir)
            port = urlsplit(instance.url).port or 0
            idle = await asyncio.to_thread(_idle, port, key)
            rows = [{**idle, "gateway_peak_mib": _peak_mib(instance.pid)}]
            for path in ("/v3/predict", "/v3/predict/stream"):
                row = await asyncio.to_thread(_batches, port, key, path, at_once)
                rows.append({**row, "gateway_peak_mib": _peak_mib(instance.pid)})
    return rows


async def _key(data_dir: Path) -> str:
    database = await open_database(f"sqlite:///{data_dir.resolve() / 'app.db'}")
    try:
        await Accounts(database).create("bench", Terms())
        return (await ApiKeys(database).create("bench")).raw
    finally:
        await database.close()


def _idle(port: int, key: str) -> dict[str, Any]:
    end = time.perf_counter() + IDLE_SECONDS
    return _row("nothing", 0.0, _probe(port, key, lambda: time.perf_counter() < end))


def _batches(port: int, key: str, path: str, at_once: int) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    begin = context.Event()
    senders = [context.Process(target=_send, args=(port, key, path, begin)) for _ in range(at_once)]
    for sender in senders:
        sender.start()
    begin.wait()
    started = time.perf_counter()
    seconds = _probe(port, key, lambda: any(sender.is_alive() for sender in senders))
    if any(sender.exitcode for sender in senders):
        raise RuntimeError(f"{path} refused a batch")
    return _row(f"{at_once} x {path}", time.perf_counter() - started, seconds)


def _send(port: int, key: str, path: str, begin: Event) -> None:
    """Send one batch of the largest images, and read the answer; in a process of its own."""
    image = base64.b64encode(_image()).decode()
    body = json.dumps({"images": [image] * IMAGES}).encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    begin.set()
    connection.request("POST", path, body, {"x-api-key": key, "Content-Type": "application/json"})
    response = connection.getresponse()
    response.read()
    raise SystemExit(int(response.status != 200))


def _image() -> bytes:
    """Draw a large radiograph; what is missing to its ten mebibytes follows the end of the JPEG."""
    target = io.BytesIO()
    picture = canine_thorax(np.random.default_rng(1), long_side_px=SIDE_PX).picture
    Image.fromarray(picture).save(target, "JPEG", quality=98)
    return target.getvalue().ljust(IMAGE_BYTES, b"\0")


def _probe(port: int, key: str, goes_on: Callable[[], bool]) -> list[float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    seconds = []
    while goes_on():
        started = time.perf_counter()
        connection.request("GET", "/v3/health", headers={"x-api-key": key})
        connection.getresponse().read()
        seconds.append(time.perf_counter() - started)
        time.sleep(PAUSE_SECONDS)
    return seconds


def _row(meanwhile: str, duration: float, seconds: Sequence[float]) -> dict[str, Any]:
    p50, p95, largest = (float(value) * 1000 for value in np.percentile(seconds, (50, 95, 100)))
    return {
        "meanwhile": meanwhile,
        "seconds": round(duration, 2),
        "health_calls": len(seconds),
        "health_p50_ms": round(p50, 1),
        "health_p95_ms": round(p95, 1),
        "health_max_ms": round(largest, 1),
    }


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return round(kib / 1024, 0)


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    names = list(rows[0])
    table = Table(*(name.replace("_", " ") for name in names))
    for row in rows:
        table.add_row(*(str(row[name]) for name in names))
    return table
