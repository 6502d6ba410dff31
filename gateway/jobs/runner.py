"""Run the jobs that the queue hands over, each to its end or until another process takes it."""

import asyncio
import contextlib
import json
import logging
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Executor

from sqlalchemy import exc

from gateway.errors import GatewayError
from gateway.jobs.engine import JobCancelled, JobFunction
from gateway.jobs.running import RunningJob, Superseded
from gateway.metrics import JOBS_ENDED, JOBS_RUNNING
from gateway.storage import jobs, steps
from gateway.storage.engine import Database
from gateway.storage.rows import Ending

logger = logging.getLogger(__name__)

MOST_CRASHES = 5
"""A job that ended its process this often is not tried again."""

STOP_SECONDS = 10.0
"""How long a stopped job may take to hand itself back; a thread of its own cannot be stopped."""

DATABASE_AWAY = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError)


class UnknownKind(Exception):
    """A newer version has accepted this job, and must do it."""


class Interrupted(BaseException):
    """A job stopped before its end, and is to be handed over again."""


class Runner:
    """The jobs that run in this process."""

    def __init__(
        self,
        database: Database,
        kinds: Mapping[str, JobFunction],
        *,
        executor_id: str,
        pools: Mapping[str, Executor],
        on_change: Callable[[str], None],
    ) -> None:
        self._database = database
        self._kinds = kinds
        self._executor_id = executor_id
        self._pools = pools
        self._on_change = on_change
        self._running: set[RunningJob] = set()
        self._stopped: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    def is_running(self, job_id: str) -> bool:
        """Tell whether an attempt at this job is under way here."""
        return any(job.id == job_id for job in self._running)

    def take_stopped(self) -> set[str]:
        """Give, once, whose attempts here stopped before the job's end, as for want of a database."""
        taken, self._stopped = self._stopped, set()
        return taken

    async def run(self, job_id: str) -> None:
        """Run a job to its end. Raises, whatever it is, if the job must be handed over again."""
        task = asyncio.current_task()
        assert task is not None
        if self._closing:
            raise Interrupted
        self._tasks.add(task)
        self._stopped.discard(job_id)
        try:
            await self._attempt(job_id)
        except Superseded:
            logger.warning("job %s runs elsewhere by now", job_id)
            raise
        except Exception as error:
            logger.error("job %s stopped: %s at %s", job_id, type(error).__name__, _place(error))
            self._stopped.add(job_id)
            raise
        finally:
            self._tasks.discard(task)

    async def pulse(self) -> None:
        """Write the progress of every job, and hear who is cancelled or taken over; call this often."""
        for job in [job for job in self._running if job.is_changed]:
            await self._report(job)
        await self._hear_of_the_rest()

    async def close(self, drain_seconds: float) -> None:
        """Let jobs end for this long, then stop the rest where they are; their attempts are handed back."""
        self._closing = True
        if self._tasks and drain_seconds > 0:
            await asyncio.wait(self._tasks, timeout=drain_seconds)
        self.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_SECONDS)

    def stop(self) -> None:
        """Stop every job at once."""
        for task in self._tasks:
            task.cancel()

    async def _report(self, job: RunningJob) -> None:
        job.is_changed = False
        try:
            async with self._database.write() as connection:
                job.hear(await jobs.report(connection, job.id, job.attempt, job.counts))
        except DATABASE_AWAY:
            job.is_changed = True
            raise
        self._on_change(job.id)

    async def _hear_of_the_rest(self) -> None:
        asked = list(self._running)  # a job that starts meanwhile is not in the answer, and not lost
        if not asked:
            return
        async with self._database.read() as connection:
            found = await jobs.attempts(connection, [job.id for job in asked])
        for job in asked:
            attempt, cancelled = found.get(job.id, (None, False))
            if attempt is None or attempt > job.attempt:
                job.lose()
            else:
                job.hear(cancelled)

    async def _attempt(self, job_id: str) -> None:
        async with self._database.write() as connection:
            row = await jobs.start(connection, job_id, self._executor_id)
            outputs = await steps.outputs(connection, job_id)
        if row is None:
            return  # it has ended; the queue had not heard of that
        job = RunningJob(self._database, row, outputs, self._pools)
        self._running.add(job)
        self._on_change(job_id)
        try:
            with JOBS_RUNNING.labels(job.kind).track_inprogress():
                ending = await self._work(job)
            await self._finish(job, ending)
        except BaseException as error:
            if job.is_lost:
                raise Superseded from None
            # After anything else it stays running, and its next start counts as after a crash.
            if isinstance(error, (asyncio.CancelledError, UnknownKind)):
                await self._hand_back(job)
            raise
        finally:
            self._running.discard(job)
            self._on_change(job_id)

    async def _work(self, job: RunningJob) -> Ending:
        if job.is_cancelled():
            return Ending(state="cancelled")
        if job.crash_count > MOST_CRASHES:
            return _failed("crashed", f"the process that ran it died {job.crash_count} times")
        function = self._kinds.get(job.kind)
        if function is None:
            raise UnknownKind(job.kind)
        try:
            return Ending(state="succeeded", result=json.dumps(await function(job.id, job)))
        except JobCancelled:
            return Ending(state="cancelled")
        except (Superseded, *DATABASE_AWAY):
            raise  # not the job's own fault
        except GatewayError as error:
            return _failed(error.code, error.message)
        except Exception as error:
            # The error's own text may hold a patient's data, so only its type and place are logged.
            logger.error("job %s: %s at %s", job.id, type(error).__name__, _place(error))
            return _failed("internal_error", "internal error")

    async def _finish(self, job: RunningJob, ending: Ending) -> None:
        await job.write_items()
        job.is_ending = True
        async with self._database.write() as connection:
            state = await jobs.finish(connection, job.id, job.attempt, ending, job.counts)
        if state is None:
            raise Superseded
        JOBS_ENDED.labels(job.kind, state).inc()

    async def _hand_back(self, job: RunningJob) -> None:
        with contextlib.suppress(Exception):
            await job.write_items()
        with contextlib.suppress(Exception):
            async with self._database.write() as connection:
                await jobs.hand_back(connection, job.id, job.attempt)


def _failed(code: str, message: str) -> Ending:
    return Ending(state="failed", error_code=code, error=message)


def _place(error: BaseException) -> str:
    return " > ".join(f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__))
