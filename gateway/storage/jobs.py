"""Statements on jobs: each decision is one atomic statement, right on SQLite and PostgreSQL.

`attempt` is the fencing token. A start takes the next number; whatever an earlier start still writes,
thawed or reconnected after another process took over, finds no row.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, case, delete, func, literal, null, select, true, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage.clock import Now, ago
from gateway.storage.rows import Counts, Ending, JobRow, NewJob, StartedRow, UnfinishedRow
from gateway.storage.tables import jobs

UNFINISHED = ("queued", "running")
FINISHED = ("succeeded", "failed", "cancelled")


async def add(connection: AsyncConnection, job: NewJob) -> bool:
    """Keep a job, unless its api, account and external id are known; gives whether it is new."""
    values = {**job.__dict__, "state": "queued", "created_at": Now()}
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(jobs).values(values).on_conflict_do_nothing().returning(jobs.c.id)
    return (await connection.execute(statement)).first() is not None


async def get(connection: AsyncConnection, job_id: str, *, account: str | None = None) -> JobRow | None:
    """Read a job's status; of `account` only, unless that is None."""
    statement = select(*_columns(JobRow)).where(jobs.c.id == job_id)
    if account is not None:
        statement = statement.where(jobs.c.account == account)
    row = (await connection.execute(statement)).first()
    return None if row is None else JobRow(**row._mapping)


async def latest(connection: AsyncConnection, api: str, *, account: str, prefix: str) -> JobRow | None:
    """Read the account's job whose external id begins so and is the greatest of those."""
    statement = (
        select(*_columns(JobRow))
        .where(jobs.c.api == api, jobs.c.account == account)
        .where(jobs.c.external_id.startswith(prefix, autoescape=True))
        .order_by(jobs.c.external_id.desc())
        .limit(1)
    )
    row = (await connection.execute(statement)).first()
    return None if row is None else JobRow(**row._mapping)


async def newest(
    connection: AsyncConnection, *, api: str | None = None, state: str | None = None, limit: int
) -> list[JobRow]:
    """Read the jobs of all accounts, the newest first."""
    statement = select(*_columns(JobRow)).order_by(jobs.c.created_at.desc(), jobs.c.id).limit(limit)
    if api is not None:
        statement = statement.where(jobs.c.api == api)
    if state is not None:
        statement = statement.where(jobs.c.state == state)
    return [JobRow(**row._mapping) for row in await connection.execute(statement)]


async def start(connection: AsyncConnection, job_id: str, executor_id: str) -> StartedRow | None:
    """Begin the next attempt, unless the job has ended.

    A job that was running already was left by a process that died: that counts as a crash.
    """
    crashed = case((jobs.c.state == "running", 1), else_=0)
    statement = (
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state.in_(UNFINISHED))
        .values(
            state="running",
            attempt=jobs.c.attempt + 1,
            crash_count=jobs.c.crash_count + crashed,
            executor_id=executor_id,
            started_at=func.coalesce(jobs.c.started_at, Now()),
        )
        .returning(*_columns(StartedRow))
    )
    row = (await connection.execute(statement)).first()
    return None if row is None else StartedRow(**row._mapping)


async def hold(connection: AsyncConnection, job_id: str, attempt: int) -> bool | None:
    """Keep other attempts out until this transaction ends; gives `cancel_requested`, None if superseded."""
    statement = select(jobs.c.cancel_requested).where(_mine(job_id, attempt)).with_for_update()
    return (await connection.scalars(statement)).first()


async def report(connection: AsyncConnection, job_id: str, attempt: int, counts: Counts) -> bool | None:
    """Write how far an attempt has come; gives `cancel_requested`, None if superseded.

    Crashes count from the last progress on: a job of days outlives more of them than one that kills.
    """
    forgiven = case((jobs.c.done < counts.done, 0), else_=jobs.c.crash_count)
    statement = (
        update(jobs)
        .where(_mine(job_id, attempt))
        .values(**counts.__dict__, crash_count=forgiven)
        .returning(jobs.c.cancel_requested)
    )
    return (await connection.scalars(statement)).first()


async def forgive(connection: AsyncConnection, job_id: str) -> None:
    """Count crashes from now on: the job has got on. Call `hold` in the same transaction."""
    await connection.execute(
        update(jobs).where(jobs.c.id == job_id, jobs.c.crash_count > 0).values(crash_count=0)
    )


async def attempts(connection: AsyncConnection, ids: Collection[str]) -> dict[str, tuple[int, bool]]:
    """Look running jobs up: id to attempt and `cancel_requested`."""
    statement = select(jobs.c.id, jobs.c.attempt, jobs.c.cancel_requested).where(
        jobs.c.id.in_(ids), jobs.c.state == "running"
    )
    return {row.id: (row.attempt, row.cancel_requested) for row in await connection.execute(statement)}


async def finish(
    connection: AsyncConnection, job_id: str, attempt: int, ending: Ending, counts: Counts
) -> str | None:
    """End a job and forget its secret; gives its state, None if superseded.

    A cancellation that was accepted is kept, even where the work was through before it was noticed.
    """
    cancelled = jobs.c.cancel_requested == true()
    statement = (
        update(jobs)
        .where(_mine(job_id, attempt))
        .values(
            state=case((cancelled, "cancelled"), else_=ending.state),
            result=case((cancelled, null()), else_=literal(ending.result, jobs.c.result.type)),
            error_code=case((cancelled, null()), else_=literal(ending.error_code, jobs.c.error_code.type)),
            error=case((cancelled, null()), else_=literal(ending.error, jobs.c.error.type)),
            secret=null(),
            finished_at=Now(),
            **counts.__dict__,
        )
        .returning(jobs.c.state)
    )
    return (await connection.scalars(statement)).first()


async def hand_back(connection: AsyncConnection, job_id: str, attempt: int) -> None:
    """Queue a job again that its process leaves in good order, so that it does not count as a crash."""
    await connection.execute(update(jobs).where(_mine(job_id, attempt)).values(state="queued"))


async def cancel(connection: AsyncConnection, job_id: str, *, account: str | None = None) -> str | None:
    """Ask a job to end, or end it where it waits; gives its state, None if it has ended or is not there."""
    waits = jobs.c.state == "queued"
    statement = (
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state.in_(UNFINISHED))
        .values(
            cancel_requested=true(),
            state=case((waits, "cancelled"), else_=jobs.c.state),
            finished_at=case((waits, Now()), else_=null()),
            secret=case((waits, null()), else_=jobs.c.secret),
        )
        .returning(jobs.c.state)
    )
    if account is not None:
        statement = statement.where(jobs.c.account == account)
    return (await connection.scalars(statement)).first()


async def unfinished(
    connection: AsyncConnection, *, after: str, limit: int, older_than: timedelta
) -> list[UnfinishedRow]:
    """Page through jobs that have not ended, by id."""
    statement = (
        select(*_columns(UnfinishedRow))
        .where(jobs.c.state.in_(UNFINISHED), jobs.c.id > after, jobs.c.created_at <= ago(older_than))
        .order_by(jobs.c.id)
        .limit(limit)
    )
    return [UnfinishedRow(**row._mapping) for row in await connection.execute(statement)]


async def waiting(connection: AsyncConnection) -> dict[str, int]:
    """Count the jobs that wait, by queue."""
    statement = select(jobs.c.queue, func.count()).where(jobs.c.state == "queued").group_by(jobs.c.queue)
    return dict((await connection.execute(statement)).all())


async def expired(connection: AsyncConnection, *, older_than: timedelta, limit: int) -> list[str]:
    """Find jobs that ended this long ago."""
    statement = (
        select(jobs.c.id)
        .where(jobs.c.state.in_(FINISHED), jobs.c.finished_at < ago(older_than))
        .order_by(jobs.c.finished_at)
        .limit(limit)
    )
    return list(await connection.scalars(statement))


async def remove(connection: AsyncConnection, ids: Collection[str]) -> int:
    """Delete jobs that have ended, with their steps and items."""
    result = await connection.execute(delete(jobs).where(jobs.c.id.in_(ids), jobs.c.state.in_(FINISHED)))
    return result.rowcount


def _columns(row: type[NamedTuple]) -> list[ColumnElement[object]]:
    return [jobs.c[name] for name in row._fields]


def _mine(job_id: str, attempt: int) -> ColumnElement[bool]:
    return and_(jobs.c.id == job_id, jobs.c.attempt == attempt, jobs.c.state == "running")
