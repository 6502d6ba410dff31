"""kill -9 at random moments: every job ends, and what was finished is not done again."""

import asyncio
import itertools
import random
from collections import Counter

import pytest
from sqlalchemy import func, select

from gateway.storage.tables import jobs
from tests.jobs import worker

KILLS = 12


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "results"
    path.mkdir()
    return path


async def test_every_job_ends_and_finished_work_is_not_done_again(database, database_url, folder):
    chance = random.Random(11)
    for _ in range(KILLS):
        process = worker.start(database_url, folder, submitted=worker.submissions())
        await asyncio.sleep(chance.uniform(0.05, 0.6))
        worker.end(process)
    interrupted = await interruptions(database)
    process = worker.start(database_url, folder, submitted=worker.submissions())
    states = await asyncio.wait_for(ended(database), 60)
    worker.end(process)

    assert states == {"succeeded": len(worker.submissions())}
    assert interrupted >= KILLS  # several jobs ran at each kill, so the kills did hit the middle of them
    notes = [line.split() for line in (folder / "notes").read_text().splitlines()]
    require_finished_steps_stayed(notes)
    require_published_films_stayed(notes, folder)


def require_finished_steps_stayed(notes):
    by_job = {}
    for job_id, step in notes:
        if step in worker.STEPS:
            by_job.setdefault(job_id, []).append(worker.STEPS.index(step))
    assert len(by_job) == len(worker.submissions()) - 1
    for order in by_job.values():
        # A step begins when the one before is recorded: none runs after a later one has begun.
        assert [number for number, _ in itertools.groupby(order)] == list(range(len(worker.STEPS)))


def require_published_films_stayed(notes, folder):
    outcomes = Counter(outcome for _, outcome in notes)
    assert outcomes["again"] == 0
    assert outcomes["inferred"] >= worker.FILMS
    assert len(list(folder.glob("film*"))) == worker.FILMS


async def interruptions(database):
    async with database.read() as connection:
        return await connection.scalar(
            select(func.sum(jobs.c.attempt - 1)).where(jobs.c.attempt > 1)
        ) + await connection.scalar(select(func.count()).where(jobs.c.state == "running"))


async def ended(database):
    """Wait until every job has ended; gives how many in which state."""
    while True:
        async with database.read() as connection:
            rows = await connection.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state))
            states = dict(rows.all())
        if states and not {"queued", "running"} & set(states):
            return states
        await asyncio.sleep(0.1)
