"""PDF reports, built in processes of their own: the event loop stays free."""

import asyncio
import logging
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from gateway.imaging import report
from gateway.imaging.report import ReportContent, content_of
from gateway.processes import die_with_parent

__all__ = ["ReportWorkers", "content_of"]

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


class ReportWorkers:
    """A few processes that build reports.

    Parameters
    ----------
    workers
        How many.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool = self._new_pool()

    async def warm_up(self) -> None:
        """Start the processes and load their fonts before the first caller waits for them."""
        await asyncio.gather(*(self._run(report.warm_up) for _ in range(self._workers)))

    async def build(self, content: ReportContent) -> bytes:
        """Build one PDF; a worker that was killed is replaced, and its report built again."""
        pool = self._pool
        try:
            return await self._run(report.build_report, content)
        except BrokenProcessPool:
            if self._pool is pool:  # of the reports that broke together, the first replaces it
                logger.warning("a report worker died; starting new ones")
                self._pool = self._new_pool()
            return await self._run(report.build_report, content)

    def close(self) -> None:
        """End the processes once their reports are done."""
        self._pool.shutdown(cancel_futures=True)

    async def _run(self, function: Callable[..., Result], *arguments: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    def _new_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._workers, mp_context=multiprocessing.get_context("spawn"), initializer=die_with_parent
        )
