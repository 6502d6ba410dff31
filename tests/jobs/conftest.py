"""An engine over a real database of either kind."""

import asyncio
import contextlib
import functools
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.jobs.dbos_engine import dbos_job_engine
from gateway.jobs.engine import Submission
from gateway.storage.engine import open_database
from tests.storage.databases import KINDS, empty_database

QUEUES = {"narrow": 1, "wide": 8}


@pytest.fixture(scope="session")
def used_database(tmp_path_factory):
    """Give a database that an engine has run on: it takes a second until a new queue is noticed."""

    async def use(url):
        database = await open_database(url)
        engine = dbos_job_engine(database, kinds={}, queues=QUEUES, executor_id="one")
        await engine.start()
        await engine.close()
        await database.close()

    @functools.cache
    def make(kind):
        url = made.enter_context(empty_database(kind, tmp_path_factory.mktemp(kind)))
        with ThreadPoolExecutor(1) as elsewhere:
            elsewhere.submit(asyncio.run, use(url)).result()
        return url

    with contextlib.ExitStack() as made:
        yield make


@pytest.fixture(params=KINDS)
def database_url(request, tmp_path, used_database):
    """A database of either kind, without jobs."""
    with empty_database(request.param, tmp_path, like=used_database(request.param)) as url:
        yield url


@pytest.fixture
def kinds():
    """What the engine can do; tests add to it before they start it."""
    return {}


@pytest.fixture
async def start(database, kinds):
    """Start an engine; DBOS allows one at a time, so a test closes the first before a second."""
    started = []

    async def begin(**changes):
        options = {"kinds": kinds, "queues": QUEUES, "executor_id": "one", **changes}
        engine = dbos_job_engine(database, **options)
        started.append(engine)
        await engine.start()
        return engine

    yield begin
    for engine in started:
        await engine.close()


@pytest.fixture
def submission():
    """Make a submission; the id numbers it."""

    def make(number=1, **changes):
        options = {
            "api": "tests",
            "account": "clinic",
            "external_id": str(number),
            "kind": "work",
            "request": {"number": number},
            "queue": "wide",
        }
        return Submission(**{**options, **changes})

    return make


@pytest.fixture
def ended():
    """Wait for a job's end, by watching it."""

    async def wait(engine, job_id, seconds=20):
        async def last():
            async for status in engine.watch(job_id, account=None):
                found = status
            return found

        return await asyncio.wait_for(last(), seconds)

    return wait
