"""Delete jobs that ended long ago, from the queue's tables and from ours."""

import logging
from datetime import timedelta

from gateway.jobs.queue import DurableQueue
from gateway.storage import jobs
from gateway.storage.engine import Database

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 6 * 3600.0
DELETED_AT_ONCE = 100


class Retention:
    """Keeps ended jobs for a while; jobs that wait or run are never touched."""

    def __init__(self, database: Database, queue: DurableQueue, *, older_than: timedelta) -> None:
        self._database = database
        self._queue = queue
        self._older_than = older_than
        self.seconds = SWEEP_SECONDS

    async def sweep(self) -> int:
        """Delete what is old, in batches, so that nobody waits for long; gives how many jobs."""
        deleted = 0
        while ids := await self._expired():
            # Ours last: a name that is free again must not meet what the queue remembers of it.
            await self._queue.forget(ids)
            async with self._database.write() as connection:
                deleted += await jobs.remove(connection, ids)
        if deleted:
            logger.info("deleted %d jobs that ended over %d days ago", deleted, self._older_than.days)
        return deleted

    async def _expired(self) -> list[str]:
        async with self._database.read() as connection:
            return await jobs.expired(connection, older_than=self._older_than, limit=DELETED_AT_ONCE)
