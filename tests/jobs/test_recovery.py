"""What happens to jobs when processes stop, die, are replaced, or jobs grow old."""

import asyncio
import contextlib
import sqlite3
import time
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

import gateway
from gateway.jobs import dbos_engine
from gateway.jobs.engine import JobState
from gateway.jobs.queue import Dispatched
from gateway.jobs.reaper import DEAD_AFTER, Heart, Reaper
from gateway.jobs.retention import DELETED_AT_ONCE, Retention
from gateway.storage import executors
from gateway.storage import jobs as statements
from gateway.storage.clock import Now, ago
from gateway.storage.rows import Counts, Ending, NewJob
from gateway.storage.tables import executors as executors_table
from gateway.storage.tables import job_steps, jobs

NAME, PATH, TOKEN = "CANARY^JANE", "/films/canary/jane.dcm", "canary-token"


@pytest.fixture
def new_job(submission):
    """Make a row as `submit` does."""

    def make(number):
        given = submission(number)
        return NewJob(
            id=given.job_id,
            api=given.api,
            account=given.account,
            external_id=given.external_id,
            body_sha256=given.body_sha256,
            kind=given.kind,
            queue=given.queue,
            priority=given.priority,
            request="{}",
        )

    return make


@pytest.fixture
def look(database):
    """Read columns of the jobs."""

    async def read(*columns):
        async with database.read() as connection:
            return (await connection.execute(select(*columns).order_by(jobs.c.created_at))).all()

    return read


async def test_a_job_that_a_stop_interrupts_goes_on_at_the_next_start(start, kinds, submission, ended, look):
    runs, held = [], asyncio.Event()

    async def first():
        runs.append("first")

    async def work(job_id, context):
        await context.step("first", first)
        runs.append("rest")
        await held.wait()

    kinds["work"] = work
    engine = await start()
    accepted = await engine.submit(submission())
    while runs != ["first", "rest"]:
        await asyncio.sleep(0.02)
    await engine.close()
    # A stop in good order is no crash.
    assert await look(jobs.c.state, jobs.c.attempt, jobs.c.crash_count) == [("queued", 1, 0)]

    held.set()
    engine = await start()
    assert (await ended(engine, accepted.status.id)).state is JobState.SUCCEEDED
    assert runs == ["first", "rest", "rest"]
    assert await look(jobs.c.attempt, jobs.c.crash_count) == [(2, 0)]


async def test_a_stop_waits_for_jobs_that_end_soon(start, kinds, submission, look):
    begun = asyncio.Event()

    async def work(job_id, context):
        begun.set()
        await asyncio.sleep(0.5)

    kinds["work"] = work
    engine = await start()
    await engine.submit(submission())
    await begun.wait()
    await engine.close(drain_seconds=5)
    assert await look(jobs.c.state) == [("succeeded",)]


async def test_queues_what_was_accepted_and_never_queued(database, start, kinds, new_job, ended):
    async def work(job_id, context):
        pass

    kinds["work"] = work
    async with database.write() as connection:
        await statements.add(connection, new_job(1))  # here the process died
    engine = await start()
    assert (await ended(engine, new_job(1).id)).state is JobState.SUCCEEDED
    assert await engine.recover() == 0


async def test_a_new_version_loses_no_work(start, kinds, submission, ended, monkeypatch):
    held = asyncio.Event()

    async def old(job_id, context):
        await held.wait()

    async def new(job_id, context):
        return "new code"

    kinds["work"] = old
    engine = await start()
    ids = [(await engine.submit(submission(number, queue="narrow"))).status.id for number in range(3)]
    await asyncio.sleep(1.5)  # one runs, two wait
    await engine.close()

    monkeypatch.setattr(gateway, "__version__", "99.0", raising=False)
    monkeypatch.setenv("DBOS__APPVERSION", "99.0")
    kinds["work"] = new
    engine = await start()
    assert [(await ended(engine, job_id)).result for job_id in ids] == ["new code"] * 3


async def test_a_job_that_kills_its_process_is_given_up(database, start, kinds, new_job, ended):
    async def work(job_id, context):
        raise AssertionError

    kinds["work"] = work
    async with database.write() as connection:
        await statements.add(connection, new_job(1))
        for _ in range(6):
            await statements.start(connection, new_job(1).id, "one")
    status = await ended(await start(), new_job(1).id)
    assert (status.state, status.error.code) == (JobState.FAILED, "crashed")


async def test_a_job_that_meets_a_database_outage_is_tried_again(start, kinds, submission, ended, look):
    async def work(job_id, context):
        if context.attempt == 1:
            raise OperationalError("SELECT", {}, Exception("away"))
        return context.attempt

    kinds["work"] = work
    engine = await start(dead_after=timedelta(seconds=1.2))
    status = await ended(engine, (await engine.submit(submission())).status.id)
    assert (status.state, status.result) == (JobState.SUCCEEDED, 2)
    assert await look(jobs.c.crash_count) == [(1,)]  # not for ever, though


async def test_leaves_a_job_of_a_newer_version_to_that(database, start, kinds, new_job, ended, look):
    async def work(job_id, context):
        return context.attempt > 1

    async with database.write() as connection:
        await statements.add(connection, new_job(1))
    engine = await start(dead_after=timedelta(seconds=1.2))  # knows no kind at all
    while await look(jobs.c.state, jobs.c.attempt) != [("queued", 1)]:  # handed back
        await asyncio.sleep(0.05)
    kinds["work"] = work
    assert (await ended(engine, new_job(1).id)).result is True


async def test_a_later_process_of_the_same_id_takes_the_jobs(database, start, kinds, submission, ended):
    begun = asyncio.Event()

    async def work(job_id, context):
        begun.set()
        await asyncio.sleep(60)

    kinds["work"] = work
    engine = await start(dead_after=timedelta(seconds=1.2))
    await engine.submit(submission())
    await begun.wait()
    async with database.write() as connection:
        await executors.register(connection, "one", "a later boot")
    await asyncio.sleep(0.6)
    assert not engine.is_alive
    assert not engine._runner.is_running(submission().job_id)


async def test_nothing_but_ids_reaches_the_queues_tables(
    database_url, database, start, kinds, submission, ended, tmp_path
):
    async def fetch():
        return {"patient": NAME, "path": PATH}

    async def work(job_id, context):
        await context.step("fetch", fetch)
        context.progress(phase="fetching", total=1)
        if context.request["number"] == 2:
            raise RuntimeError(f"{NAME} at {PATH} with {TOKEN}")
        return {"patient": NAME}

    kinds["work"] = work
    engine = await start()
    for number in (1, 2):
        request = {"number": number, "patient": NAME, "path": PATH, "token": TOKEN}
        await engine.submit(submission(number, external_id=f"{NAME} {number}", request=request))
        await ended(engine, submission(number, external_id=f"{NAME} {number}").job_id)
    waiting = submission(3, external_id=f"{NAME} 3", request={"number": 3, "path": PATH}, queue="narrow")
    await engine.submit(waiting)
    await engine.cancel(waiting.job_id, account="clinic")
    await engine.close()

    dump = dumped(database_url, tmp_path)
    assert waiting.job_id in dump  # the dump does hold the queue's rows
    assert not [canary for canary in (NAME, "CANARY", PATH, TOKEN, "clinic") if canary in dump]
    async with database.read() as connection:
        assert NAME in (await connection.scalars(select(job_steps.c.output))).first()


def dumped(url, folder):
    """Give every row of every table of DBOS as text."""
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(folder / "dbos.db")) as connection:
            return "\n".join(connection.iterdump())
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'dbos'").fetchall()
        return "\n".join(
            str(row) for (table,) in tables for row in connection.execute(f'SELECT * FROM dbos."{table}"')
        )


async def test_a_heartbeat_is_by_the_databases_clock(database, monkeypatch):
    heart = Heart(database, "one", "boot")
    monkeypatch.setattr(time, "time", lambda: 0.0)  # this machine's clock has lost its mind
    await heart.begin()
    assert await heart.beat()
    async with database.read() as connection:
        beaten, now = (await connection.execute(select(executors_table.c.heartbeat_at, Now()))).one()
        assert abs(now - beaten) < timedelta(seconds=5)
        assert await executors.alive(connection, within=timedelta(seconds=60)) == {"one"}
    async with database.write() as connection:
        await connection.execute(update(executors_table).values(heartbeat_at=ago(timedelta(seconds=61))))
    async with database.read() as connection:
        assert await executors.alive(connection, within=timedelta(seconds=60)) == set()
    await heart.end()


async def test_only_the_latest_process_of_an_id_keeps_beating(database):
    first, second = Heart(database, "one", "first boot"), Heart(database, "one", "second boot")
    await first.begin()
    await second.begin()
    assert not await first.beat()
    assert first.is_replaced
    await first.end()  # takes nothing of the second's away
    assert await second.beat()


async def test_an_executor_that_was_reaped_by_mistake_comes_back(database):
    heart = Heart(database, "one", "boot")
    await heart.begin()
    async with database.write() as connection:
        await executors.forget_dead(connection, older_than=timedelta(seconds=-1))
    assert await heart.beat()


class Remembering:
    """A queue that notes what it is asked to forget."""

    def __init__(self):
        self.forgotten = []

    async def forget(self, ids):
        self.forgotten.append(list(ids))


async def end_all(database, rows, *, age):
    async with database.write() as connection:
        for row in rows:
            await statements.add(connection, row)
            started = await statements.start(connection, row.id, "one")
            await statements.finish(connection, row.id, started.attempt, Ending(state="succeeded"), Counts())
        old = update(jobs).where(jobs.c.id.in_([row.id for row in rows]))
        await connection.execute(old.values(finished_at=ago(age)))


async def test_retention_deletes_old_ended_jobs_in_batches(database, new_job):
    old = [new_job(number) for number in range(DELETED_AT_ONCE + 5)]
    await end_all(database, old, age=timedelta(days=31))
    await end_all(database, [new_job(1000)], age=timedelta(days=29))
    async with database.write() as connection:
        await statements.add(connection, new_job(2000))
        await statements.add(connection, new_job(3000))
        await statements.start(connection, new_job(3000).id, "one")
        await connection.execute(update(jobs).values(created_at=ago(timedelta(days=90))))

    queue = Remembering()
    assert await Retention(database, queue, older_than=timedelta(days=30)).sweep() == len(old)
    assert [len(batch) for batch in queue.forgotten] == [DELETED_AT_ONCE, 5]
    async with database.read() as connection:
        left = set(await connection.scalars(select(jobs.c.id)))
    assert left == {new_job(number).id for number in (1000, 2000, 3000)}


async def test_a_name_is_free_again_after_retention(
    database_url, database, start, kinds, submission, ended, tmp_path
):
    runs = []

    async def work(job_id, context):
        async def step():
            return runs.append(job_id)

        await context.step("one", step)

    kinds["work"] = work
    engine = await start()
    job_id = (await engine.submit(submission())).status.id
    await ended(engine, job_id)
    await asyncio.sleep(0.2)
    assert job_id in dumped(database_url, tmp_path)
    engine._retention._older_than = timedelta(seconds=0)
    assert await engine._retention.sweep() == 1
    assert job_id not in dumped(database_url, tmp_path)
    async with database.read() as connection:
        assert not (await connection.execute(select(job_steps))).all()

    assert (await engine.submit(submission())).is_new
    await ended(engine, job_id)
    assert runs == [job_id] * 2


async def test_dbos_runs_once_in_a_process(start):
    await start()
    with pytest.raises(RuntimeError, match="once"):
        await start()


def test_the_jobs_of_the_dead_go_on_within_15_seconds_and_one_lost_beat_is_no_death():
    heart = Heart(None, "one", "boot")
    reaper = Reaper(None, None, "one", is_running=lambda job_id: False)
    assert 3 * heart.seconds < DEAD_AFTER.total_seconds()
    assert DEAD_AFTER.total_seconds() + reaper.seconds + dbos_engine.POLL_SECONDS < 15


class HeldJobs:
    """A queue that has handed two jobs to this executor."""

    def __init__(self):
        self.again = []

    async def dispatched(self):
        return [Dispatched(job_id, "one", "bulk") for job_id in ("stopped", "about to start")]

    async def dispatch_again(self, ids, *, queue):
        self.again.append((ids, queue))


async def test_a_job_that_stopped_here_is_queued_again_at_the_first_look(database):
    held = HeldJobs()
    reaper = Reaper(database, held, "one", is_running=lambda job_id: False, take_stopped=lambda: {"stopped"})
    await reaper.sweep()
    assert held.again == [(["stopped"], "bulk")]


async def test_a_job_accepted_while_the_queue_is_away_is_queued_by_the_same_process(
    start, kinds, submission, ended, monkeypatch
):
    async def work(job_id, context):
        return "done"

    kinds["work"] = work
    engine = await start()
    enqueue, refusals = engine._queue.enqueue, [OperationalError("", {}, Exception("away"))] * 2

    async def away_at_first(*arguments, **keywords):
        if refusals:
            raise refusals.pop()
        await enqueue(*arguments, **keywords)

    monkeypatch.setattr(engine._queue, "enqueue", away_at_first)
    accepted = await engine.submit(submission())
    assert (await ended(engine, accepted.status.id)).state == JobState.SUCCEEDED
    assert refusals == []


async def test_a_job_whose_end_a_look_finds_before_its_attempt_knows_is_not_taken_for_lost(
    start, kinds, submission, ended, monkeypatch, caplog
):
    looked = asyncio.Event()
    finish = statements.finish

    async def finish_and_wait(*arguments):
        state = await finish(*arguments)
        await asyncio.wait_for(looked.wait(), 10)
        return state

    async def nothing_runs(connection, ids):
        looked.set()
        return {}

    async def work(job_id, context):
        monkeypatch.setattr(statements, "attempts", nothing_runs)
        return "done"

    monkeypatch.setattr(statements, "finish", finish_and_wait)
    kinds["work"] = work
    engine = await start()
    accepted = await engine.submit(submission())
    assert (await ended(engine, accepted.status.id)).state == JobState.SUCCEEDED
    assert looked.is_set()
    assert "runs elsewhere" not in caplog.text


async def test_a_job_that_starts_while_others_are_looked_up_is_not_taken_for_lost(
    start, kinds, submission, ended, monkeypatch, look
):
    looking, second_runs = asyncio.Event(), asyncio.Event()
    attempts = statements.attempts

    async def look_slowly(connection, ids):
        found = await attempts(connection, ids)
        looking.set()
        await asyncio.wait_for(second_runs.wait(), 10)
        return found

    async def work(job_id, context):
        await asyncio.wait_for(looking.wait(), 10)
        if context.request["number"] == 2:
            second_runs.set()
        await asyncio.sleep(0.2)

    monkeypatch.setattr(statements, "attempts", look_slowly)
    kinds["work"] = work
    engine = await start()
    first = await engine.submit(submission(1))
    await asyncio.wait_for(looking.wait(), 10)
    second = await engine.submit(submission(2))
    for accepted in (first, second):
        await ended(engine, accepted.status.id)
    assert await look(jobs.c.attempt) == [(1,), (1,)]
