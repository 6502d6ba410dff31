"""Durable jobs from the command line: list, follow, cancel. On the database itself, whoever runs them."""

import asyncio
import contextlib
import json
import re
import uuid
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gateway.errors import NotFound
from gateway.settings import Settings
from gateway.storage import jobs
from gateway.storage.engine import Database, open_database
from gateway.storage.rows import JobRow

POLL_SECONDS = 0.5
EXIT_CODES = {"succeeded": 0, "failed": 1, "cancelled": 130}
_ID = re.compile("[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
_REPEATED = "\x1f"


def list_jobs(api: str | None, state: str | None, limit: int, *, as_json: bool) -> None:
    """Print the newest jobs."""
    rows = asyncio.run(_list(api, state, limit))
    if as_json:
        print(json.dumps([document(row) for row in rows], indent=2))
        return
    for row in rows:
        created = row.created_at.isoformat(sep=" ", timespec="seconds").partition("+")[0]
        fields = (row.id, created, f"{row.state:<9}", f"{_count(row):>9}", row.api, _shown(row))
        print("  ".join(fields))


def show(job: str, *, as_json: bool) -> None:
    """Print what is known of one job."""
    row = asyncio.run(_one(job))
    if as_json:
        print(json.dumps(document(row), indent=2))
        return
    for name, value in document(row).items():
        shown = value if isinstance(value, str) else json.dumps(value)
        print(f"{name:>17}  {shown.encode(errors='backslashreplace').decode()}")


def cancel(job: str, *, as_json: bool) -> None:
    """Ask a job to end."""
    row = asyncio.run(_cancel(job))
    if as_json:
        print(json.dumps(document(row), indent=2))
    elif row.finished_at is not None:
        print(f"{row.id} is {row.state}")
    else:
        print(f"{row.id} was asked to end")


def watch(job: str, *, as_json: bool) -> int:
    """Follow a job to its end; 0 when it succeeded, 1 when it failed, 130 when it was cancelled."""
    with contextlib.suppress(KeyboardInterrupt):
        row = asyncio.run(_watch(job, quiet=as_json))
        if as_json:
            print(json.dumps(document(row), indent=2))
        else:
            print(f"{row.id} {row.state}" + (f": {row.error}" if row.error else ""))
        return EXIT_CODES[row.state]
    return 0  # whoever stops watching does not stop the job


def document(row: JobRow) -> dict[str, Any]:
    """Give a job as JSON; nothing of what was submitted stands in it."""
    detail = json.loads(row.detail) if row.detail else {}
    return {
        "id": row.id,
        "api": row.api,
        "kind": row.kind,
        "account": row.account,
        "name": _name(row),
        "state": row.state,
        "cancel_requested": row.cancel_requested,
        "phase": row.phase,
        "done": row.done,
        "failed": row.failed,
        "total": row.total,
        "messages": detail.get("messages", []),
        "error_code": row.error_code,
        "error": row.error,
        "created_at": _text(row.created_at),
        "started_at": _text(row.started_at),
        "finished_at": _text(row.finished_at),
    }


async def _list(api: str | None, state: str | None, limit: int) -> list[JobRow]:
    async with _database() as database, database.read() as connection:
        return await jobs.newest(connection, api=api, state=state, limit=limit)


async def _one(job: str) -> JobRow:
    async with _database() as database:
        return await _get(database, _id(job))


async def _cancel(job: str) -> JobRow:
    async with _database() as database:
        found = await _get(database, _id(job))
        async with database.write() as connection:
            # One that waits ends here; when its turn comes, whoever gets it finds that it has ended.
            await jobs.cancel(connection, found.id)
        return await _get(database, found.id)


async def _watch(job: str, *, quiet: bool) -> JobRow:
    async with _database() as database:
        row = await _get(database, _id(job))
        with _progress(quiet=quiet) as progress:
            task = progress.add_task("", total=None)
            while row.finished_at is None:
                await asyncio.sleep(POLL_SECONDS)
                row = await _get(database, row.id)
                progress.update(task, description=row.phase or row.state, total=row.total, completed=row.done)
    return row


def _progress(*, quiet: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, disable=quiet)


@contextlib.asynccontextmanager
async def _database() -> AsyncIterator[Database]:
    settings = Settings()
    database = await open_database(settings.database, pool_size=settings.database_pool_size)
    try:
        yield database
    finally:
        await database.close()


async def _get(database: Database, job_id: str) -> JobRow:
    async with database.read() as connection:
        row = await jobs.get(connection, job_id)
    if row is None:
        raise NotFound(f"there is no job {job_id}")
    return row


def _id(job: str) -> str:
    """Read a job's id, with dashes or, as inference requests have it, without."""
    if not _ID.fullmatch(job):
        raise NotFound(f"there is no job {job}")
    return str(uuid.UUID(job))


def _name(row: JobRow) -> str:
    return row.external_id.partition(_REPEATED)[0]


def _shown(row: JobRow) -> str:
    name = _name(row).encode(errors="backslashreplace").decode()
    return name if len(name) <= 40 else f"{name[:39]}…"


def _count(row: JobRow) -> str:
    return "" if row.total is None else f"{row.done}/{row.total}"


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds")
