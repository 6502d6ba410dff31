"""An executor that is frozen, replaced and thawed: PostgreSQL, because SQLite has one process only."""

import asyncio
import os
import signal
import time
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from gateway.jobs.engine import Submission
from gateway.storage.engine import open_database
from gateway.storage.tables import jobs
from tests.jobs import worker
from tests.storage.databases import empty_database

DEAD_AFTER = timedelta(seconds=1.5)


@pytest.fixture
def database_url(tmp_path):
    with empty_database("postgresql", tmp_path) as url:
        yield url


@pytest.fixture
async def database(database_url):
    opened = await open_database(database_url)
    async with opened.write() as connection:
        await connection.execute(text("CREATE TABLE effects (job_id text, executor_id text)"))
    yield opened
    await opened.close()


@pytest.fixture
def start(database_url, tmp_path):
    started = []
    # It may be frozen in the middle of a transaction, the reaper's for one: after 60 s by default
    # PostgreSQL ends that, and its locks with it.
    url = f"{database_url}&options=-c%20idle_in_transaction_session_timeout%3D1500"

    def begin(executor_id, submitted=()):
        process = worker.start(
            url, tmp_path, executor_id=executor_id, dead_after=DEAD_AFTER, submitted=submitted
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        worker.end(process)


def effect(number):
    return Submission(
        api="tests", account="clinic", external_id=f"effect {number}", kind="effect", request={}, queue="wide"
    )


async def until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not (found := await condition()):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    return found


@pytest.mark.parametrize("when", ["while the other works", "after the other's end"])
async def test_a_thawed_executor_changes_nothing_that_another_does(database, start, tmp_path, when):
    notes = tmp_path / "notes"

    async def noted(line):
        return notes.exists() and line in notes.read_text()

    async def second_begins():
        return await noted(f"{job_id} second begins")

    async def first_begins():
        return await noted(f"{job_id} frozen begins")

    async def succeeded():
        async with database.read() as connection:
            return await connection.scalar(select(jobs.c.state)) == "succeeded"

    job_id = effect(1).job_id
    frozen = start("frozen", [effect(1)])
    await until(first_begins)
    os.kill(frozen.pid, signal.SIGSTOP)
    start("second")
    await until(second_begins if when == "while the other works" else succeeded)
    os.kill(frozen.pid, signal.SIGCONT)
    await until(succeeded)
    await asyncio.sleep(1.5)  # its sleep is over at once, and then its transaction is next

    async with database.read() as connection:
        effects = (await connection.execute(text("SELECT job_id, executor_id FROM effects"))).all()
        row = (await connection.execute(select(jobs.c.state, jobs.c.attempt, jobs.c.executor_id))).one()
    assert effects == [(job_id, "second")]
    assert row == ("succeeded", 2, "second")
    assert not await noted(f"{job_id} frozen ends")
    assert frozen.is_alive()


async def test_a_dead_executors_jobs_go_on_elsewhere(database, start, tmp_path):
    notes = tmp_path / "notes"

    async def running():
        return notes.exists() and notes.read_text().count("first begins") == 4

    async def effects():
        async with database.read() as connection:
            return len((await connection.execute(text("SELECT job_id FROM effects"))).all())

    async def all_through():
        return await effects() == 8

    first = start("first", [effect(number) for number in range(8)])
    await until(running)
    await asyncio.sleep(0.4)  # the others wait in the queue by now
    worker.end(first)
    start("second")
    await until(all_through)
    await asyncio.sleep(0.3)
    assert await effects() == 8
