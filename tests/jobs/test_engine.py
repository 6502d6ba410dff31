"""What the seam promises to an API; one engine for all tests, for its start takes a second."""

import asyncio
import itertools
import logging

import pytest
import pytest_asyncio
from sqlalchemy import select

from gateway.errors import Conflict, InvalidImage, NotFound
from gateway.jobs.dbos_engine import dbos_job_engine
from gateway.jobs.engine import JobCancelled, JobState, Submission
from gateway.storage.engine import open_database
from gateway.storage.tables import jobs
from tests.storage.databases import KINDS, empty_database

pytestmark = pytest.mark.asyncio(loop_scope="module")
NUMBERS = itertools.count(1)
WORK = {}  # what the kind `work` does in the present test


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=KINDS)
async def shared(request, tmp_path_factory):
    """An engine with its database."""

    async def work(job_id, context):
        return await WORK["function"](job_id, context)

    with empty_database(request.param, tmp_path_factory.mktemp("engine")) as url:
        database = await open_database(url)
        engine = dbos_job_engine(
            database, kinds={"work": work}, queues={"narrow": 1, "wide": 8}, executor_id="one"
        )
        await engine.start()
        yield engine, database
        await engine.close()
        await database.close()


@pytest.fixture
def engine(shared):
    return shared[0]


@pytest.fixture
def make():
    """Make a submission of a name that no test has used."""

    def submission(**changes):
        options = {
            "api": "tests",
            "account": "clinic",
            "external_id": f"job {next(NUMBERS)}",
            "kind": "work",
            "request": {"number": 21},
            "queue": "wide",
        }
        return Submission(**{**options, **changes})

    return submission


@pytest.fixture
def works():
    """Say what the kind `work` does."""

    def set_function(function):
        WORK["function"] = function

    yield set_function
    WORK.clear()


async def run(engine, submission):
    accepted = await engine.submit(submission)
    return await end(engine, accepted.status.id)


async def end(engine, job_id):
    async def last():
        async for status in engine.watch(job_id, account=None):
            found = status
        return found

    return await asyncio.wait_for(last(), 20)


async def test_runs_a_job_and_keeps_its_result(engine, make, works):
    async def double(job_id, context):
        return {"twice": 2 * context.request["number"], "id": job_id}

    works(double)
    accepted = await engine.submit(make())
    assert accepted.is_new
    assert accepted.status.state is JobState.QUEUED
    status = await end(engine, accepted.status.id)
    assert (status.state, status.result) == (JobState.SUCCEEDED, {"twice": 42, "id": status.id})
    assert status.created_at <= status.started_at <= status.finished_at


async def test_the_same_submission_twice_is_one_job(engine, make, works):
    runs = []

    async def count(job_id, context):
        runs.append(job_id)
        await asyncio.sleep(0.2)

    works(count)
    submission = make()
    accepted = await asyncio.gather(*(engine.submit(submission) for _ in range(5)))
    assert sorted(each.is_new for each in accepted) == [False] * 4 + [True]
    await end(engine, submission.job_id)
    late = await engine.submit(submission)
    assert (late.is_new, late.status.state) == (False, JobState.SUCCEEDED)
    await asyncio.sleep(0.3)
    assert runs == [submission.job_id]


async def test_another_request_under_the_same_name_is_a_conflict(engine, make, works):
    async def nothing(job_id, context):
        pass

    works(nothing)
    submission = make()
    await run(engine, submission)
    with pytest.raises(Conflict):
        await engine.submit(make(external_id=submission.external_id, request={"number": 22}))
    # Another account's names are its own.
    other = await engine.submit(make(external_id=submission.external_id, account="other"))
    assert other.is_new
    await end(engine, other.status.id)


async def test_a_lower_priority_number_runs_first(engine, make, works):
    order, held = [], asyncio.Event()

    async def note(job_id, context):
        order.append(context.request["number"])
        await held.wait()

    works(note)
    blocker = make(queue="narrow", request={"number": 0})
    await engine.submit(blocker)
    while not order:
        await asyncio.sleep(0.02)
    waiting = [make(queue="narrow", priority=p, request={"number": p}) for p in (200, 1, 128, 56)]
    for submission in waiting:
        await engine.submit(submission)
    held.set()
    for submission in waiting:
        await end(engine, submission.job_id)
    assert order == [0, 1, 56, 128, 200]


async def test_cancels_a_job_that_waits(engine, make, works):
    runs, held = [], asyncio.Event()

    async def note(job_id, context):
        runs.append(context.request["number"])
        await held.wait()

    works(note)
    blocker = make(queue="narrow", request={"number": 1})
    waiting = make(queue="narrow", request={"number": 2}, secret=b"credentials")
    for submission in (blocker, waiting):
        await engine.submit(submission)
    status = await engine.cancel(waiting.job_id, account="clinic")
    assert status.state is JobState.CANCELLED and status.ended
    held.set()
    await end(engine, blocker.job_id)
    again = await engine.submit(waiting)
    assert (again.is_new, again.status.state) == (False, JobState.CANCELLED)
    await asyncio.sleep(0.3)
    assert runs == [1]


async def test_cancels_a_job_that_runs(engine, make, works):
    begun = asyncio.Event()

    async def loop(job_id, context):
        begun.set()
        while not context.is_cancelled():
            await asyncio.sleep(0.01)
        raise JobCancelled

    works(loop)
    submission = make()
    await engine.submit(submission)
    await begun.wait()
    status = await engine.cancel(submission.job_id, account="clinic")
    assert (status.state, status.cancel_requested) == (JobState.RUNNING, True)
    assert (await end(engine, submission.job_id)).state is JobState.CANCELLED


async def test_a_cancelled_job_starts_no_further_step_and_has_no_result(engine, make, works):
    steps, held = [], asyncio.Event()

    async def two_steps(job_id, context):
        async def step():
            steps.append(len(steps))
            await held.wait()

        await context.step("first", step)
        await context.step("second", step)
        return "done"

    works(two_steps)
    submission = make()
    await engine.submit(submission)
    while not steps:
        await asyncio.sleep(0.02)
    await engine.cancel(submission.job_id, account=None)
    held.set()
    status = await end(engine, submission.job_id)
    assert (status.state, status.result, steps) == (JobState.CANCELLED, None, [0])
    assert (await engine.cancel(submission.job_id, account=None)) == status


async def test_watch_sees_the_progress_and_the_end(engine, make, works):
    async def count(job_id, context):
        context.progress(total=3, phase="counting")
        for number in range(3):
            await asyncio.sleep(0.6)
            context.progress(done=number + 1, failed=number == 2)

    works(count)
    accepted = await engine.submit(make())
    seen = [status async for status in engine.watch(accepted.status.id, account="clinic")]
    assert seen[-1].state is JobState.SUCCEEDED
    assert (seen[-1].done, seen[-1].failed, seen[-1].total, seen[-1].phase) == (3, 1, 3, "counting")
    assert {status.done for status in seen} == {0, 1, 2, 3}
    assert JobState.RUNNING in {status.state for status in seen}


async def test_many_may_watch_and_leave(engine, make, works):
    held = asyncio.Event()

    async def wait(job_id, context):
        await held.wait()

    works(wait)
    accepted = await engine.submit(make())
    leaver = engine.watch(accepted.status.id, account=None)
    await anext(leaver)
    await leaver.aclose()
    watchers = [asyncio.create_task(end(engine, accepted.status.id)) for _ in range(3)]
    await asyncio.sleep(0.1)
    held.set()
    assert {(await watcher).state for watcher in watchers} == {JobState.SUCCEEDED}
    assert not engine._notices._watchers


async def test_another_accounts_job_looks_as_if_it_were_not_there(engine, make, works):
    async def nothing(job_id, context):
        pass

    works(nothing)
    status = await run(engine, make())
    with pytest.raises(NotFound):
        await engine.status(status.id, account="other")
    with pytest.raises(NotFound):
        await engine.cancel(status.id, account="other")
    with pytest.raises(NotFound):
        await anext(engine.watch(status.id, account="other"))


async def test_an_error_of_ours_keeps_its_sentence(engine, make, works):
    async def refuse(job_id, context):
        raise InvalidImage("not a chest film")

    works(refuse)
    status = await run(engine, make())
    assert status.state is JobState.FAILED
    assert status.error == ("invalid_image", "not a chest film")


async def test_any_other_error_hides_its_text(engine, make, works, caplog):
    async def burst(job_id, context):
        raise RuntimeError("DOE^JANE")

    works(burst)
    with caplog.at_level(logging.DEBUG):
        status = await run(engine, make())
    assert (status.state, status.error) == (JobState.FAILED, ("internal_error", "internal error"))
    assert "RuntimeError" in caplog.text
    assert "DOE" not in caplog.text


async def test_a_secret_reaches_the_work_and_is_gone_at_the_end(shared, make, works):
    engine, database = shared
    given = []

    async def take(job_id, context):
        given.append(context.secret)

    works(take)
    submission = make(secret=b"sealed")
    assert "sealed" not in repr(submission)
    await run(engine, submission)
    async with database.read() as connection:
        left = await connection.scalar(select(jobs.c.secret).where(jobs.c.id == submission.job_id))
    assert (given, left) == ([b"sealed"], None)


async def test_heavy_work_runs_in_a_thread_of_the_engines_own(engine, make, works):
    import threading

    async def heavy(job_id, context):
        return await context.in_thread(lambda: threading.current_thread().name)

    works(heavy)
    assert (await run(engine, make())).result.startswith("radgate-default")
    # DBOS has not put its pool in the place of the loop's.
    assert "dbos" not in await asyncio.to_thread(lambda: threading.current_thread().name)


async def test_refuses_what_it_cannot_do(engine, make):
    with pytest.raises(ValueError, match="unheard"):
        await engine.submit(make(kind="unheard"))
    with pytest.raises(ValueError, match="nowhere"):
        await engine.submit(make(queue="nowhere"))
    with pytest.raises(ValueError, match="priority"):
        make(priority=0)
