"""Assess a folder from the command line: through the running instance, or one started for this.

Ctrl-C cancels the job: films in work are finished, what is done stays, and `--resume` goes on from there.
A job that lost its process (a kill, a power cut) goes on by itself when the same folders come again.
"""

import asyncio
import contextlib
import fcntl
import json
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
from pydantic import SecretStr
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gateway.accounts.secrets import secret_from
from gateway.accounts.tokens import issue
from gateway.app import running
from gateway.settings import Settings
from tools.at_hand import free_ports, instance_ready, local_host

SUBJECT = "radgate bulk"
POLL_SECONDS = 0.5
EXIT_CODES = {"succeeded": 0, "failed": 1, "cancelled": 130}


def bulk(source: Path, target: Path, *, resume: bool, manifest: bool, as_json: bool) -> int:
    """Assess a folder; 0 when the job succeeded, 1 when it failed, 130 when it was cancelled."""
    # A person names folders by any path; links are followed here, before the API's strict rules apply.
    body = {
        "input_folder_path": str(source.resolve()),
        "output_folder_path": str(target.resolve()),
        "resume": resume,
        "manifest": manifest or None,
    }
    return asyncio.run(_bulk(body, as_json=as_json))


async def _bulk(body: dict[str, Any], *, as_json: bool) -> int:
    cancelled = asyncio.Event()
    async with _session(Settings()) as session:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, cancelled.set)
        async with session.post(
            "/bulk_inference", json=body, headers={"Prefer": "respond-async"}
        ) as response:
            answer = await response.json()
        if answer["Result"] == "Failure":
            raise OSError(answer["Message"])
        status = await _follow(session, answer["Data"], cancelled, quiet=as_json)
    if as_json:
        print(json.dumps(status, indent=2))
    else:
        Console().print(_summary(status))
    return EXIT_CODES[status["state"]]


@contextlib.asynccontextmanager
async def _session(settings: Settings) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session with the running instance, or with one that is started for as long as this lasts."""
    async with contextlib.AsyncExitStack() as stack:
        if not await instance_ready(settings):
            settings = _temporary(settings)
            stack.enter_context(_alone(settings.data_dir))
            await stack.enter_async_context(running(settings))
        secret = secret_from(settings.jwt_secret.get_secret_value() or None, settings.secret_file)
        token = issue(SUBJECT, secret=secret, days=30)
        url = f"http://{local_host(settings.host)}:{settings.chest_xray_port}"
        yield await stack.enter_async_context(aiohttp.ClientSession(url, headers={"Authorization": token}))


def _temporary(settings: Settings) -> Settings:
    port, chest_xray_port, acr_port, maisi_port, admin_port, grpc_port, metrics_port = free_ports(7)
    changes = {
        "data_dir": settings.data_dir / "bulk",
        "database_url": SecretStr(""),
        "host": "127.0.0.1",
        "port": port,
        "chest_xray_port": chest_xray_port,
        "acr_port": acr_port,
        "maisi_port": maisi_port,
        "admin_host": "127.0.0.1",
        "admin_port": admin_port,
        "triton_grpc_port": grpc_port,
        "triton_metrics_port": metrics_port,
        "log_level": "ERROR",
    }
    return settings.model_copy(update=changes)


@contextlib.contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    """Keep a second command from a folder whose jobs this one runs."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (data_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError("another radgate bulk is at work; radgate serve takes several folders") from None
        yield


async def _follow(
    session: aiohttp.ClientSession, status: dict[str, Any], cancelled: asyncio.Event, *, quiet: bool
) -> dict[str, Any]:
    path = f"/bulk_inference/{status['id']}"
    with _progress(quiet=quiet) as progress:
        task = progress.add_task("Films", total=None, counts=_counts(status))
        while status["finished_at"] is None:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(cancelled.wait(), POLL_SECONDS)
            is_to_end = cancelled.is_set() and not status["cancel_requested"]
            async with session.request("DELETE" if is_to_end else "GET", path) as response:
                status = (await response.json())["Data"]
            progress.update(task, total=status["found"], completed=_ended(status), counts=_counts(status))
            if cancelled.is_set():
                await asyncio.sleep(POLL_SECONDS)
    return status


def _progress(*, quiet: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[counts]}"),
        TimeElapsedColumn(),
        disable=quiet,
    )


def _ended(status: dict[str, Any]) -> int:
    return int(status["done"] + status["skipped"] + status["failed"])


def _counts(status: dict[str, Any]) -> str:
    left = status["remaining_seconds"]
    return (
        f"{status['done']} done, {status['skipped']} skipped, {status['failed']} failed, "
        f"{status['films_per_second']:.1f}/s" + (f", {_time(left)} left" if left is not None else "")
    )


def _time(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"


def _summary(status: dict[str, Any]) -> str:
    words = {"succeeded": "Done", "failed": f"Failed: {status['error']}", "cancelled": "Cancelled"}
    hint = "" if status["state"] == "succeeded" else " Go on with --resume."
    return (
        f"{words[status['state']]}. {status['found'] or 0} found, {status['done']} done, "
        f"{status['skipped']} skipped, {status['failed']} failed.{hint} Not for clinical use."
    )
