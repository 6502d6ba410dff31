"""What a job says of itself, and how many crashes it outlives."""

import asyncio

from sqlalchemy import select, update

from gateway.storage import jobs as statements
from gateway.storage.rows import Counts, NewJob
from gateway.storage.tables import jobs

JOB = {
    "api": "tests",
    "account": "clinic",
    "body_sha256": "0",
    "kind": "work",
    "queue": "wide",
    "priority": 1,
    "request": "{}",
}


async def test_a_jobs_own_detail_is_in_its_status(start, kinds, submission, ended):
    async def work(job_id, context):
        context.progress(done=3, detail={"skipped": 1})
        await asyncio.sleep(0)

    kinds["work"] = work
    engine = await start()
    accepted = await engine.submit(submission())
    status = await ended(engine, accepted.status.id)
    assert (status.done, status.detail) == (3, {"skipped": 1})


async def test_finds_an_accounts_latest_job_of_a_prefix(start, kinds, submission):
    async def work(job_id, context):
        return None

    kinds["work"] = work
    engine = await start()
    for name in ("a%-2", "a%-10", "b-3", "ab-4"):
        await engine.submit(submission(name))
    await engine.submit(submission("a%-3", account="stranger"))
    assert await engine.latest("tests", account="clinic", prefix="c") is None
    found = await engine.latest("tests", account="clinic", prefix="a%-")
    assert found.external_id == "a%-2"  # as text: whoever numbers pads


async def test_crashes_are_forgiven_to_who_gets_on(database):
    async with database.write() as connection:
        await statements.add(connection, NewJob(id="job", external_id="1", **JOB))
    counts = []
    for done in (0, 0, 5, 5, 6):
        async with database.write() as connection:
            row = await statements.start(connection, "job", "one")
            await statements.report(connection, "job", row.attempt, Counts(done=done))
        counts.append(row.crash_count)
    assert counts == [0, 1, 2, 1, 2]


async def test_crashes_are_forgiven_to_who_ends_a_step(start, kinds, submission, ended, database):
    counts = []

    async def work(job_id, context):
        async def step():
            return 1

        async with database.write() as connection:
            await connection.execute(update(jobs).values(crash_count=3))
        await context.step("one", step)
        async with database.read() as connection:
            counts.append(await connection.scalar(select(jobs.c.crash_count)))

    kinds["work"] = work
    engine = await start()
    accepted = await engine.submit(submission())
    await ended(engine, accepted.status.id)
    assert counts == [0]
