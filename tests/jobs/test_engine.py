"""What the seam promises to an API."""

import asyncio
import time

import pytest

from gateway.errors import Conflict, InvalidImage, NotFound
from gateway.jobs.engine import JobCancelled, JobState


async def test_runs_a_job_and_keeps_its_result(start, kinds, submission, ended):
    async def work(job_id, context):
        return {"twice": 2 * context.request["number"]}

    kinds["work"] = work
    engine = await start()
    accepted = await engine.submit(submission(21))
    assert accepted.is_new
    assert accepted.status.state is JobState.QUEUED
    status = await ended(engine, accepted.status.id)
    assert (status.state, status.result) == (JobState.SUCCEEDED, {"twice": 42})
    assert status.created_at <= status.started_at <= status.finished_at
