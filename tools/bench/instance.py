"""A running `radgate serve` of a benchmark's own."""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import aiohttp

from gateway.accounts.secrets import secret_from
from gateway.accounts.tokens import issue
from tools.at_hand import free_ports
from tools.bench.runtimes import network_runtimes

READY_SECONDS = 60.0


class Instance(NamedTuple):
    """A running `radgate serve` of the benchmark's own."""

    pid: int
    data_dir: Path
    url: str
    """Of the port that has all APIs."""
    chest_xray_url: str
    admin_url: str
    triton_url: str
    token: str
    start_seconds: float
    idle_memory_mib: float
    networks: dict[str, str]
    """What runs each network: `tensorrt`, `cuda` or `cpu`."""


@contextlib.asynccontextmanager
async def running_instance(data_dir: Path, **settings: str) -> AsyncIterator[Instance]:
    """Start an instance on free ports and wait until it is ready.

    Parameters
    ----------
    settings
        Further settings: `peers_file="/peers.json"` is the variable RADGATE_PEERS_FILE.
    """
    names = (
        "PORT", "CHEST_XRAY_PORT", "ACR_PORT", "MAISI_PORT", "ADMIN_PORT", "TRITON_GRPC_PORT",
        "TRITON_METRICS_PORT",
    )  # fmt: skip
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    environment = {f"RADGATE_{name}": str(port) for name, port in ports.items()}
    # The phantoms are drawings; the gate is the network's business and costs the same either way.
    environment |= {
        "RADGATE_DATA_DIR": str(data_dir),
        "RADGATE_LOG_LEVEL": "WARNING",
        "RADGATE_CHEST_XRAY_GATE": "0",
    }
    environment |= {f"RADGATE_{name.upper()}": value for name, value in settings.items()}
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", env={**os.environ, **environment}
    )
    try:
        await _ready(ports["ADMIN_PORT"])
        start_seconds = time.perf_counter() - started
        await asyncio.sleep(2)
        yield Instance(
            process.pid,
            data_dir,
            f"http://127.0.0.1:{ports['PORT']}",
            f"http://127.0.0.1:{ports['CHEST_XRAY_PORT']}",
            f"http://127.0.0.1:{ports['ADMIN_PORT']}",
            f"127.0.0.1:{ports['TRITON_GRPC_PORT']}",
            issue("bench", secret=secret_from(None, data_dir / "secrets" / "jwt_secret"), days=1),
            start_seconds,
            memory_mib(process.pid),
            await network_runtimes(ports["TRITON_METRICS_PORT"]),
        )
    finally:
        process.terminate()
        await process.wait()


async def api_key(instance: Instance) -> str:
    """Make an account and a key, as an operator does while the instance runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tools", "keys", "create", "bench", "--json"),
        env={**os.environ, "RADGATE_DATA_DIR": str(instance.data_dir)},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return str(json.loads(output)["key"])


async def _ready(admin_port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < deadline:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"http://127.0.0.1:{admin_port}/ready") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.05)
    raise TimeoutError(f"the instance was not ready within {READY_SECONDS:g} s")


def memory_mib(pid: int) -> float:
    """Sum the proportional set size of a process and all below it: shared pages count once."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    own = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    children = [
        child
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]
    return own / 1024 + sum(memory_mib(int(child)) for child in children)
