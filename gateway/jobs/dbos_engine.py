"""DBOS as our queue: the only module that imports it.

DBOS decides whose turn it is, keeps that through crashes, and hands each job to one executor. What a
job is about, its steps and its result are in our own tables, so DBOS sees ids only.

It runs in threads of its own and never meets our event loop: launched from a thread without one, it
neither adopts the loop nor replaces its default executor. Each job that runs holds one of its threads,
which waits for the job's coroutine. Stopping, in this order: the jobs stop (`Runner.close`), then
`destroy` is called from a plain thread, because it waits with `time.sleep`; then the databases close.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetEnqueueOptions, SetWorkflowID
from dbos._dbos import _get_dbos_instance
from sqlalchemy import URL

from gateway.jobs.durable import DurableJobEngine
from gateway.jobs.engine import JobFunction
from gateway.jobs.queue import Dispatched
from gateway.jobs.reaper import DEAD_AFTER
from gateway.jobs.runner import Interrupted
from gateway.storage.engine import Database, postgresql_arguments

T = TypeVar("T")
Run = Callable[[str], Awaitable[None]]

# Workers take only work of their own version, silently; the default changes with every release.
APPLICATION_VERSION = "wf-1"
WORKFLOW = "radgate_job"
POLL_SECONDS = 0.25  # a queue starts at most its concurrency per poll; each poll of an idle queue costs CPU
CALLERS = 4
SPARE_THREADS = 8
POOL_SIZE = 8
_LIVE = ("ENQUEUED", "DELAYED", "PENDING")

_run: Callable[[str], None] | None = None  # DBOS exists once in a process, and so does this


@DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)
def _job(job_id: str) -> None:
    if _run is None:
        raise Interrupted
    _run(job_id)


class DbosQueue:
    """A `DurableQueue`; see there for what its methods promise."""

    def __init__(
        self, url: URL, *, queues: Mapping[str, int], executor_id: str, runs_jobs: bool = True
    ) -> None:
        self._url = url
        self._queues = queues
        self._runs_jobs = runs_jobs
        self._executor_id = executor_id
        self._callers = ThreadPoolExecutor(CALLERS, "radgate-dbos")
        self._is_open = False

    async def open(self, run: Run) -> None:
        """Launch DBOS."""
        global _run
        if _run is not None:
            raise RuntimeError("DBOS runs once in a process")
        _run = _runs_on(asyncio.get_running_loop(), run)
        self._is_open = True
        await self._call(self._launch)

    async def close(self) -> None:
        """Destroy DBOS, from a plain thread."""
        global _run
        if self._is_open:
            self._is_open = False
            try:
                await self._call(DBOS.destroy)
            finally:
                _run = None
        self._callers.shutdown(wait=False)

    async def enqueue(self, job_id: str, *, queue: str, priority: int) -> None:
        """Queue a job under its own id, so that a second time changes nothing."""

        def enqueue() -> None:
            with SetWorkflowID(job_id), SetEnqueueOptions(priority=priority):
                DBOS.enqueue_workflow(queue, _job, job_id)

        await self._call(enqueue)

    async def withdraw(self, job_id: str) -> None:
        """Take a waiting job out."""
        await self._call(lambda: DBOS.cancel_workflow(job_id))

    async def states(self, ids: Collection[str]) -> Mapping[str, bool]:
        """Tell which jobs are known, and still wait or run."""
        if not ids:
            return {}
        found = await self._call(
            lambda: DBOS.list_workflows(workflow_ids=list(ids), load_input=False, load_output=False)
        )
        return {workflow.workflow_id: workflow.status in _LIVE for workflow in found}

    async def dispatched(self) -> list[Dispatched]:
        """List the jobs that are with an executor."""
        found = await self._call(
            lambda: DBOS.list_workflows(status="PENDING", name=WORKFLOW, load_input=False, load_output=False)
        )
        return [Dispatched(w.workflow_id, w.executor_id or "", w.queue_name or "") for w in found]

    async def dispatch_again(self, ids: Collection[str], *, queue: str) -> None:
        """Queue dispatched jobs again; their priority stays."""
        await self._call(lambda: DBOS.resume_workflows(list(ids), queue_name=queue))

    async def forget(self, ids: Collection[str]) -> None:
        """Delete workflows with everything about them."""
        if ids:
            await self._call(lambda: DBOS.delete_workflows(list(ids)))

    def _launch(self) -> None:
        if self._url.get_backend_name() == "sqlite":
            _write_ahead(Path(cast(str, self._url.database)))
        DBOS(config=self._config())
        _log_as_we_do()
        # Else it would take from the queues of other processes of this database, too.
        DBOS.listen_queues(list(self._queues) if self._runs_jobs else [])
        DBOS.launch()
        # It would else try again by itself, at last once a minute: a job that has ended keeps its place for
        # as long after the database is back, and a stop waits. All that we call is called again by us.
        _get_dbos_instance()._sys_db._retry_connection_errors = False
        for name, concurrency in self._queues.items():
            DBOS.register_queue(
                name,
                worker_concurrency=concurrency,
                polling_interval_sec=POLL_SECONDS,
                # How many run at a time is said by those who run them.
                on_conflict="always_update" if self._runs_jobs else "never_update",
            )

    def _config(self) -> DBOSConfig:
        return {
            "name": "radgate",
            "system_database_url": self._url.render_as_string(hide_password=False),
            "sys_db_pool_size": POOL_SIZE,
            "db_engine_kwargs": self._engine_arguments(),
            "executor_id": self._executor_id,
            "application_version": APPLICATION_VERSION,
            "serializer": DBOSPortableJSONSerializer(),  # the default is pickle: code for who can write
            "max_executor_threads": sum(self._queues.values()) + SPARE_THREADS,
            "use_listen_notify": False,  # we use none of what it is for, and poolers break it
            "notification_listener_polling_interval_sec": POLL_SECONDS,  # for nothing, but `destroy` waits
            "log_level": "WARNING",
        }

    def _engine_arguments(self) -> dict[str, Any] | None:
        if self._url.get_backend_name() != "postgresql":
            return None
        return {"connect_args": postgresql_arguments(self._url)}

    async def _call(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._callers, function)


def dbos_job_engine(
    database: Database,
    *,
    kinds: MutableMapping[str, JobFunction],
    queues: MutableMapping[str, int],
    executor_id: str,
    runs_jobs: bool = True,
    pools: Mapping[str, int] | None = None,
    retention: timedelta = timedelta(days=30),
    dead_after: timedelta = DEAD_AFTER,
) -> DurableJobEngine:
    """Build the engine; `start` it, and `close` it before the database.

    Parameters
    ----------
    kinds
        What this process can do, by name.
    queues
        How many jobs of each queue run in one process at a time. Names of `[a-z0-9_-]`, 3 at least.
    executor_id
        Unique among the processes of one database; a restarted process keeps its id.
    runs_jobs
        False where jobs are only accepted, watched and cancelled, and other processes run them.
    pools
        Threads for blocking or heavy code, by name, beside `default`.
    retention
        How long a job is kept after its end.
    dead_after
        When others may take the jobs of a process that gives no sign of life.
    """
    queue = DbosQueue(queue_url(database.url), queues=queues, executor_id=executor_id, runs_jobs=runs_jobs)
    return DurableJobEngine(
        database,
        queue,
        kinds=kinds,
        queues=queues,
        executor_id=executor_id,
        pools=pools or {},
        retention=retention,
        dead_after=dead_after,
    )


def queue_url(url: URL) -> URL:
    """Give DBOS's own place: a schema of the same PostgreSQL, or `dbos.db` beside the SQLite file."""
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql")
    return URL.create("sqlite", database=str(Path(cast(str, url.database)).with_name("dbos.db")))


def _runs_on(loop: asyncio.AbstractEventLoop, run: Run) -> Callable[[str], None]:
    async def safely(job_id: str) -> None:
        await run(job_id)

    def wait(job_id: str) -> None:
        try:
            asyncio.run_coroutine_threadsafe(safely(job_id), loop).result()
        except BaseException:
            # Not an Exception, which DBOS would take for the job's end and keep, text and all.
            raise Interrupted from None

    return wait


def _log_as_we_do() -> None:
    """Send DBOS's log lines where ours go; it makes a handler and a format of its own."""
    logger = logging.getLogger("dbos")
    logger.handlers.clear()
    logger.propagate = True


def _write_ahead(path: Path) -> None:
    """Turn on SQLite's write-ahead log, which DBOS leaves off: half as many jobs again in a second."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
