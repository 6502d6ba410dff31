"""The engine: our tables say what is so, the queue says whose turn it is.

A job is written to our table first, which is when it is accepted, and then queued; a process that dies in
between, or a queue that does not answer, is made up for by `recover`. Whatever the queue does twice, the
attempt's number in our table lets through once.
"""

import asyncio
import contextlib
import json
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from gateway.errors import Conflict, NotFound
from gateway.jobs.engine import Accepted, JobError, JobFunction, JobState, JobStatus, Submission
from gateway.jobs.notices import Notices
from gateway.jobs.queue import DurableQueue
from gateway.jobs.reaper import Heart, Reaper
from gateway.jobs.retention import Retention
from gateway.jobs.runner import Runner
from gateway.metrics import JOBS_WAITING
from gateway.storage import jobs
from gateway.storage.engine import Database
from gateway.storage.rows import JobRow, NewJob
from gateway.storage.transactions import Connection, inquire, transact

logger = logging.getLogger(__name__)

PULSE_SECONDS = 0.5
WATCH_SECONDS = 1.0
DATABASE_SECONDS = 20.0
ENQUEUE_SECONDS = 1.0
RECOVERED_AT_ONCE = 500
SUBMITTING = timedelta(seconds=60)
"""A job younger than this may still be on its way from our table to the queue."""


class DurableJobEngine:
    """A `JobEngine` over a queue; see there for what its methods promise."""

    def __init__(
        self,
        database: Database,
        queue: DurableQueue,
        *,
        kinds: MutableMapping[str, JobFunction],
        queues: MutableMapping[str, int],
        executor_id: str,
        pools: Mapping[str, int],
        retention: timedelta,
        dead_after: timedelta,
    ) -> None:
        self._database = database
        self._queue = queue
        # The queue and the runner hold these two as well: `offer` adds to them.
        self._kinds = kinds
        self._queues = queues
        self._started = False
        self._notices = Notices()
        self._pools = {
            name: ThreadPoolExecutor(size, f"radgate-{name}")
            for name, size in {"default": 4, **pools}.items()
        }
        self._runner = Runner(
            database, kinds, executor_id=executor_id, pools=self._pools, on_change=self._notices.tell
        )
        boot_id = uuid.uuid4().hex
        self._heart = Heart(database, executor_id, boot_id, dead_after=dead_after)
        self._reaper = Reaper(
            database,
            queue,
            executor_id,
            is_running=self._runner.is_running,
            take_stopped=self._runner.take_stopped,
            dead_after=dead_after,
        )
        self._retention = Retention(database, queue, older_than=retention)
        self._loops: list[asyncio.Task[None]] = []
        self._enqueuing: set[asyncio.Task[None]] = set()

    def offer(self, kind: str, work: JobFunction, *, queues: Mapping[str, int]) -> None:
        """Add a kind of work, and queues with their concurrency; possible until `start`."""
        if self._started:
            raise RuntimeError("the engine has started")
        self._kinds[kind] = work
        self._queues.update(queues)

    async def start(self) -> None:
        """Begin to run jobs, those of an earlier life of this process first."""
        self._started = True
        await self._heart.begin()  # before the first job is ours, or a reaper takes it for a dead one's
        await self._queue.open(self._runner.run)
        await self.recover()
        for seconds, work in (
            (PULSE_SECONDS, self._runner.pulse),
            (self._heart.seconds, self._beat),
            (self._reaper.seconds, self._look_after_others),
            (self._retention.seconds, self._retention.sweep),
        ):
            self._loops.append(asyncio.create_task(_every(seconds, work)))

    async def close(self, *, drain_seconds: float = 0.0) -> None:
        """Stop; jobs that do not end within `drain_seconds` go on at the next start, or elsewhere."""
        await self._runner.close(drain_seconds)
        for task in (*self._loops, *self._enqueuing):
            task.cancel()
        await asyncio.gather(*self._loops, *self._enqueuing, return_exceptions=True)
        await self._queue.close()
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        await self._heart.end()

    @property
    def is_alive(self) -> bool:
        """False once another process has started under this one's executor id: one of them must go."""
        return not self._heart.is_replaced

    async def submit(self, submission: Submission) -> Accepted:
        """Accept a job for good."""
        if submission.kind not in self._kinds or submission.queue not in self._queues:
            raise ValueError(f"no kind {submission.kind!r} or no queue {submission.queue!r}")
        job = _new_job(submission)

        async def add(connection: Connection) -> tuple[bool, JobRow | None]:
            return await jobs.add(connection, job), await jobs.get(connection, job.id)

        is_new, row = await transact(self._database, add, timeout_seconds=DATABASE_SECONDS)
        assert row is not None
        if row.body_sha256 != job.body_sha256:
            raise Conflict(f"{submission.external_id} is the name of another request", field="id")
        if row.state == JobState.QUEUED:
            self._enqueue(job)
        return Accepted(_status(row), is_new)

    async def status(self, job_id: str, *, account: str | None) -> JobStatus:
        """Look a job up."""

        async def get(connection: Connection) -> JobRow | None:
            return await jobs.get(connection, job_id, account=account)

        row = await inquire(self._database, get, timeout_seconds=DATABASE_SECONDS)
        if row is None:
            raise NotFound("no such job")
        return _status(row)

    async def latest(self, api: str, *, account: str, prefix: str) -> JobStatus | None:
        """Look up the account's job with the greatest external id that begins so."""
        async with self._database.read() as connection:
            row = await jobs.latest(connection, api, account=account, prefix=prefix)
        return None if row is None else _status(row)

    async def cancel(self, job_id: str, *, account: str | None) -> JobStatus:
        """Take a waiting job out, ask a running one to end."""
        async with self._database.write() as connection:
            state = await jobs.cancel(connection, job_id, account=account)
        if state == JobState.CANCELLED:
            await self._queue.withdraw(job_id)
        self._notices.tell(job_id)
        return await self.status(job_id, account=account)

    async def watch(self, job_id: str, *, account: str | None) -> AsyncIterator[JobStatus]:
        """Give the status now and after each change."""
        last = None
        with self._notices.watching(job_id) as news:
            while last is None or not last.ended:
                news.clear()
                status = await self.status(job_id, account=account)
                if status != last:
                    yield status
                    last = status
                    continue
                # News of other processes' jobs do not come here: those are found by looking.
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(news.wait(), WATCH_SECONDS)

    async def recover(self, *, older_than: timedelta = timedelta(0)) -> int:
        """Queue every accepted job again that the queue has lost."""
        recovered, after = 0, ""
        while True:
            async with self._database.read() as connection:
                page = await jobs.unfinished(
                    connection, after=after, limit=RECOVERED_AT_ONCE, older_than=older_than
                )
            if not page:
                return recovered
            after = page[-1].id
            known = await self._queue.states([row.id for row in page])
            await self._queue.forget([job_id for job_id, is_live in known.items() if not is_live])
            for row in page:
                if not known.get(row.id):
                    await self._queue.enqueue(row.id, queue=row.queue, priority=row.priority)
                    recovered += 1

    def _enqueue(self, job: NewJob) -> None:
        """Queue an accepted job; nobody waits for that."""
        task = asyncio.create_task(self._enqueue_at_last(job))
        self._enqueuing.add(task)
        task.add_done_callback(self._enqueuing.discard)

    async def _enqueue_at_last(self, job: NewJob) -> None:
        """Try until the queue has it; `recover` does so where this process ends before."""
        while True:
            try:
                await self._queue.enqueue(job.id, queue=job.queue, priority=job.priority)
                return
            except Exception as error:
                logger.error("job %s is accepted and not queued yet: %s", job.id, type(error).__name__)
            await asyncio.sleep(ENQUEUE_SECONDS)

    async def _beat(self) -> None:
        if not await self._heart.beat():
            logger.error("another process has started under this executor id: this one stops its jobs")
            await self._runner.close(0)

    async def _look_after_others(self) -> None:
        if await self._reaper.sweep():
            await self.recover(older_than=SUBMITTING)
        async with self._database.read() as connection:
            waiting = await jobs.waiting(connection)
        for queue in self._queues:
            JOBS_WAITING.labels(queue).set(waiting.get(queue, 0))


def _new_job(submission: Submission) -> NewJob:
    return NewJob(
        id=submission.job_id,
        api=submission.api,
        account=submission.account,
        external_id=submission.external_id,
        body_sha256=submission.body_sha256,
        kind=submission.kind,
        queue=submission.queue,
        priority=submission.priority,
        request=json.dumps(submission.request),
        secret=submission.secret,
    )


def _status(row: JobRow) -> JobStatus:
    return JobStatus(
        id=row.id,
        api=row.api,
        account=row.account,
        external_id=row.external_id,
        kind=row.kind,
        priority=row.priority,
        state=JobState(row.state),
        cancel_requested=row.cancel_requested,
        phase=row.phase,
        done=row.done,
        failed=row.failed,
        total=row.total,
        detail=None if row.detail is None else json.loads(row.detail),
        result=None if row.result is None else json.loads(row.result),
        error=None if row.error_code is None else JobError(row.error_code, row.error or ""),
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


async def _every(seconds: float, work: Callable[[], Awaitable[object]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except Exception as error:
            # The database may be away for a while; the next turn finds out.
            logger.warning("%s: %s", getattr(work, "__qualname__", "loop"), type(error).__name__)
