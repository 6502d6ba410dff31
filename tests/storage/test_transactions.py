"""Transactions that are tried again, and what is known when they fail for good."""

import asyncio

import pytest
from sqlalchemy import insert, make_url, select, text
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.storage.clock import Now
from gateway.storage.engine import Database, open_database
from gateway.storage.tables import executors
from gateway.storage.transactions import ATTEMPTS, TransactionFailed, inquire, transact


def row(name):
    return insert(executors).values(executor_id=name, boot_id="b", heartbeat_at=Now())


async def names(database):
    async with database.read() as connection:
        return set(await connection.scalars(select(executors.c.executor_id)))


async def test_work_that_collides_finds_out_what_it_collided_with(database):
    tries = []

    async def work(connection):
        tries.append(set(await connection.scalars(select(executors.c.executor_id))))
        await connection.execute(row(f"try {len(tries)}"))
        if len(tries) == 1:
            await connection.execute(row("try 1"))  # as a duplicate of another process does
        return len(tries)

    assert await transact(database, work, timeout_seconds=5) == 2
    assert tries == [set(), set()]
    assert await names(database) == {"try 2"}


async def test_gives_up_after_a_few_tries(database):
    tries = []

    async def work(connection):
        tries.append(1)
        for _ in range(2):
            await connection.execute(row("same"))

    with pytest.raises(TransactionFailed) as failed:
        await transact(database, work, timeout_seconds=30)
    assert len(tries) == ATTEMPTS
    assert not failed.value.may_be_committed
    assert await names(database) == set()


async def test_does_not_try_again_what_cannot_get_better(database):
    tries = []

    async def work(connection):
        tries.append(1)
        await connection.execute(text("SELECT * FROM nowhere"))

    with pytest.raises(TransactionFailed) as failed:
        await transact(database, work, timeout_seconds=30)
    assert len(tries) == 1
    assert "nowhere" not in str(failed.value)


async def test_other_errors_pass_through_and_nothing_is_written(database):
    async def work(connection):
        await connection.execute(row("one"))
        raise LookupError

    with pytest.raises(LookupError):
        await transact(database, work, timeout_seconds=5)
    assert await names(database) == set()


async def test_what_takes_too_long_is_rolled_back(database):
    if not database.is_postgresql:
        pytest.skip("a transaction of SQLite is not stopped half way")

    async def work(connection):
        await connection.execute(row("one"))
        await asyncio.sleep(60)

    with pytest.raises(TransactionFailed) as failed:
        await transact(database, work, timeout_seconds=0.3)
    assert not failed.value.may_be_committed
    assert await names(database) == set()
    await transact(database, lambda c: c.execute(row("two")), timeout_seconds=5)


async def test_what_begins_too_late_is_not_begun_and_what_has_begun_may_be_committed(database):
    if database.is_postgresql:
        pytest.skip("PostgreSQL rolls back what is cut off")
    async with database.write():  # holds the file's lock, as another process may
        first = asyncio.create_task(
            transact(database, lambda c: c.execute(row("begun")), timeout_seconds=0.5)
        )
        await asyncio.sleep(0.2)
        with pytest.raises(TransactionFailed) as second:
            await transact(database, lambda c: c.execute(row("waits")), timeout_seconds=0.1)
        with pytest.raises(TransactionFailed) as begun:
            await first
    assert not second.value.may_be_committed
    assert begun.value.may_be_committed
    await transact(database, lambda c: c.execute(row("after")), timeout_seconds=5)
    assert await names(database) == {"begun", "after"}


async def test_work_may_await_nothing_else(tmp_path):
    database = await open_database(f"sqlite:///{tmp_path / 'app.db'}")

    async def work(connection):
        await connection.execute(row("one"))
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="awaited something else"):
        await transact(database, work, timeout_seconds=5)
    assert await names(database) == set()
    await database.close()


async def test_deadlocks_are_resolved(database):
    if not database.is_postgresql:
        pytest.skip("SQLite has one writer")

    async def both(first, second):
        async def work(connection):
            for name in (first, second):
                await connection.execute(
                    text(f"UPDATE executors SET boot_id = '{name}' WHERE executor_id = '{name}'")
                )
                await asyncio.sleep(0.2)

        await transact(database, work, timeout_seconds=20)

    for name in ("one", "two"):
        await transact(database, lambda c, name=name: c.execute(row(name)), timeout_seconds=5)
    await asyncio.gather(both("one", "two"), both("two", "one"))


async def test_a_read_that_fails_says_so(database):
    with pytest.raises(TransactionFailed):
        await inquire(database, lambda c: c.execute(text("SELECT * FROM nowhere")), timeout_seconds=5)


async def test_a_database_that_is_gone_says_so():
    engine = create_async_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    gone = Database(make_url("postgresql://"), engine, engine)
    with pytest.raises(TransactionFailed, match="08000") as failed:
        await transact(gone, lambda c: c.execute(text("SELECT 1")), timeout_seconds=20)
    assert not failed.value.may_be_committed
    await gone.close()
