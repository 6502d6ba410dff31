"""Who is alive, and what becomes of the jobs of those who are not."""

import logging
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta

from gateway.jobs.queue import Dispatched, DurableQueue
from gateway.storage import executors
from gateway.storage.engine import Database

logger = logging.getLogger(__name__)

DEAD_AFTER = timedelta(seconds=10)
"""Its jobs go on elsewhere a quarter of this later; one that was merely slow finds itself superseded."""
BEATS = 6
LOOKS = 4
"""How often an executor beats, and others look, in the time after which it counts as dead."""
REAPER_LOCK = 7_233_002


class Heart:
    """Says that this process is alive, by the database's clock."""

    def __init__(
        self, database: Database, executor_id: str, boot_id: str, *, dead_after: timedelta = DEAD_AFTER
    ) -> None:
        self._database = database
        self._name = (executor_id, boot_id)
        self.seconds = dead_after.total_seconds() / BEATS
        self.is_replaced = False

    async def begin(self) -> None:
        """Take this executor id, also from a process that died a moment ago."""
        async with self._database.write() as connection:
            await executors.register(connection, *self._name)

    async def beat(self) -> bool:
        """Beat once; gives False from when a later process has taken the id."""
        if not self.is_replaced:
            async with self._database.write() as connection:
                self.is_replaced = not await executors.beat(connection, *self._name)
        return not self.is_replaced

    async def end(self) -> None:
        """Say that this process stops; others may take its jobs at once."""
        async with self._database.write() as connection:
            await executors.leave(connection, *self._name)


class Reaper:
    """Queues the jobs again that dead executors hold; DBOS does so in its paid edition only.

    An executor that was merely stopped, and comes back, finds that its attempts are superseded.
    """

    def __init__(
        self,
        database: Database,
        queue: DurableQueue,
        executor_id: str,
        *,
        is_running: Callable[[str], bool],
        take_stopped: Callable[[], set[str]] = set,
        dead_after: timedelta = DEAD_AFTER,
    ) -> None:
        self._database = database
        self._queue = queue
        self._executor_id = executor_id
        self._is_running = is_running
        self._take_stopped = take_stopped
        self._suspects: set[str] = set()
        self._dead_after = dead_after
        self.seconds = dead_after.total_seconds() / LOOKS

    async def sweep(self) -> bool:
        """Look once; gives whether it was this process's turn among all."""
        async with self._database.only_one(REAPER_LOCK) as is_ours:
            held = await self._queue.dispatched()
            again = self._dropped(held)
            if is_ours:
                again += await self._of_the_dead(held)
            await self._dispatch_again(again)
        return is_ours

    def _dropped(self, held: list[Dispatched]) -> list[Dispatched]:
        # Our own that stopped for want of a database, or that the queue thinks we have. The
        # latter are seen twice, or one that is just about to start would count.
        idle = [
            job for job in held if job.executor_id == self._executor_id and not self._is_running(job.job_id)
        ]
        suspects = self._suspects | self._take_stopped()
        dropped = [job for job in idle if job.job_id in suspects]
        self._suspects = {job.job_id for job in idle}
        return dropped

    async def _of_the_dead(self, held: list[Dispatched]) -> list[Dispatched]:
        async with self._database.read() as connection:
            alive = await executors.alive(connection, within=self._dead_after)
        lost = [job for job in held if job.executor_id not in alive and job.executor_id != self._executor_id]
        async with self._database.write() as connection:
            await executors.forget_dead(connection, older_than=10 * self._dead_after)
        return lost

    async def _dispatch_again(self, lost: list[Dispatched]) -> None:
        by_queue: defaultdict[str, list[str]] = defaultdict(list)
        for job in lost:
            by_queue[job.queue].append(job.job_id)
        for queue, ids in by_queue.items():
            logger.warning("%d jobs that nobody runs go back to queue %s", len(ids), queue)
            await self._queue.dispatch_again(ids, queue=queue)
