"""Steps and items of one attempt, and what a second attempt finds; no queue is needed for these."""

import pytest
from sqlalchemy import func, select, update

from gateway.jobs.engine import JobCancelled
from gateway.jobs.items import Outcome
from gateway.jobs.running import RunningJob, Superseded
from gateway.storage import jobs as statements
from gateway.storage import steps
from gateway.storage.items import BATCH
from gateway.storage.rows import NewJob
from gateway.storage.tables import executors, job_items, jobs

NAMES = [f"film {number}" for number in range(2 * BATCH + 50)]


@pytest.fixture
async def attempt(database):
    """Begin an attempt at the one job that there is."""
    job = NewJob(
        id="job",
        api="tests",
        account="clinic",
        external_id="1",
        body_sha256="0",
        kind="work",
        queue="wide",
        priority=1,
        request="{}",
    )
    async with database.write() as connection:
        await statements.add(connection, job)

    async def begin():
        async with database.write() as connection:
            row = await statements.start(connection, "job", "one")
            outputs = await steps.outputs(connection, "job")
        job = RunningJob(database, row, outputs, {})
        job.task = None  # there is no work around it that could be stopped
        return job

    return begin


async def names():
    return NAMES


async def never():
    raise AssertionError("asked again")


async def pending(items):
    return [item async for item in items.pending()]


async def test_a_finished_step_does_not_run_again(attempt):
    async def work():
        return {"answer": (1, 2)}

    first = await (await attempt()).step("one", work)
    assert first == await (await attempt()).step("one", never) == {"answer": [1, 2]}


async def test_a_step_that_failed_runs_again(attempt):
    async def fail():
        raise RuntimeError

    async def work():
        return 1

    job = await attempt()
    with pytest.raises(RuntimeError):
        await job.step("one", fail)
    assert await job.step("one", work) == 1


async def test_an_earlier_attempt_records_nothing_any_more(attempt, database):
    async def late():
        await attempt()  # by now another process has begun
        return "late"

    async def work():
        return "right"

    old = await attempt()
    with pytest.raises(Superseded):
        await old.step("one", late)
    assert old.is_lost
    assert await (await attempt()).step("one", work) == "right"


async def test_only_the_last_attempt_writes_to_our_tables(attempt, database):
    old, new = await attempt(), await attempt()
    for job in (old, new):
        try:
            async with job.transaction() as connection:
                values = {"executor_id": f"effect {job.attempt}", "boot_id": "", "heartbeat_at": func.abs(0)}
                await connection.execute(executors.insert().values(values))
        except Superseded:
            assert job is old
    async with database.read() as connection:
        assert list(await connection.scalars(select(executors.c.executor_id))) == ["effect 2"]


async def test_gives_out_each_item_once(attempt):
    items = await (await attempt()).items(names)
    found = await pending(items)
    assert [item.name for item in found] == NAMES
    assert not any(item.doubtful for item in found)


async def test_what_was_settled_is_not_given_out_again(attempt):
    job = await attempt()
    items = await job.items(names)
    outcomes = [Outcome.SUCCEEDED, Outcome.FAILED, Outcome.SKIPPED]
    async for item in items.pending():
        if item.number < 300:
            await items.settle(item, outcomes[item.number % 3])
    await items.write()

    again = await attempt()
    rest = await again.items(never)
    assert (rest.total, rest.done, rest.failed) == (len(NAMES), 300, 100)
    assert (again.counts.done, again.counts.failed, again.counts.total) == (300, 100, len(NAMES))
    assert [item.name for item in await pending(rest)] == NAMES[300:]


async def test_after_a_crash_only_batches_that_were_begun_are_in_doubt(attempt):
    items = await (await attempt()).items(names)
    async for item in items.pending():
        if item.number == BATCH + 30:  # 230 settled: 200 are written, by the hundred; then it dies
            break
        await items.settle(item, Outcome.SUCCEEDED)

    found = await pending(await (await attempt()).items(never))
    assert BATCH - 1 < found[0].number <= BATCH + 30
    assert {item.number // BATCH for item in found if item.doubtful} == {1}
    assert {item.number // BATCH for item in found if not item.doubtful} == {2}


async def test_items_settle_in_any_order(attempt, database):
    items = await (await attempt()).items(names)
    for item in reversed(await pending(items)):
        await items.settle(item, Outcome.SUCCEEDED)
    await items.write()
    async with database.read() as connection:
        assert await connection.scalar(select(func.sum(job_items.c.open))) == 0
    assert await pending(await (await attempt()).items(never)) == []


async def test_an_earlier_attempt_settles_nothing_any_more(attempt):
    old = await attempt()
    items = await old.items(names)
    first = await anext(items.pending())
    new = await (await attempt()).items(never)
    await items.settle(first, Outcome.FAILED)
    with pytest.raises(Superseded):
        await items.write()
    await new.load()
    assert (new.done, new.failed) == (0, 0)


async def test_an_empty_list_is_a_list(attempt):
    async def nothing():
        return []

    items = await (await attempt()).items(nothing)
    assert (items.total, await pending(items)) == (0, [])


async def test_a_long_list_costs_few_rows_and_little_time(attempt, database):
    import time

    async def many():
        return (f"/films/{number:06d}.dcm" for number in range(20_000))

    job = await attempt()
    started = time.perf_counter()
    items = await job.items(many)
    async for item in items.pending():
        await items.settle(item, Outcome.SUCCEEDED)
    await items.write()
    assert time.perf_counter() - started < 10  # half a millisecond an item; a tenth of that is usual
    async with database.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(job_items)) == 20_000 // BATCH


async def test_a_cancelled_job_lists_nothing(attempt, database):
    async with database.write() as connection:
        await connection.execute(update(jobs).values(cancel_requested=True))
    with pytest.raises(JobCancelled):
        await (await attempt()).items(never)
