"""Watching a job for as long as this instance runs."""

import asyncio
from collections.abc import AsyncIterator

from gateway.jobs.engine import JobEngine, JobStatus


async def watched(
    engine: JobEngine, job_id: str, *, account: str, until: asyncio.Event
) -> AsyncIterator[JobStatus]:
    """Give a job's status now and after each change, to its end or until the event."""
    watch = engine.watch(job_id, account=account)
    stopping = asyncio.ensure_future(until.wait())
    news: asyncio.Future[JobStatus] | None = None
    try:
        while True:
            news = asyncio.ensure_future(anext(watch))
            await asyncio.wait((news, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not news.done():
                return
            try:
                status = news.result()
            except StopAsyncIteration:
                return
            yield status
    finally:
        stopping.cancel()
        if news is not None:
            news.cancel()
