"""Connections: what is on, what is atomic, whose clock counts."""

import asyncio
import contextlib
import os
import random
import socket
import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import IntegrityError

from gateway.storage.clock import Now, ago
from gateway.storage.engine import open_database
from gateway.storage.tables import executors, job_steps
from tests.storage.databases import empty_database
from tests.storage.wire import wire_to

ROW = {"executor_id": "one", "boot_id": "first", "heartbeat_at": Now()}


async def names(database):
    async with database.read() as connection:
        return set(await connection.scalars(select(executors.c.executor_id)))


async def test_rolls_back_after_an_error(database):
    with pytest.raises(RuntimeError):
        async with database.write() as connection:
            await connection.execute(insert(executors).values(ROW))
            raise RuntimeError
    assert await names(database) == set()


async def test_keeps_foreign_keys(database):
    orphan = {"job_id": "none", "name": "step", "output": "1", "finished_at": Now()}
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await connection.execute(insert(job_steps).values(orphan))


async def test_sqlite_survives_a_power_cut(database):
    if database.is_postgresql:
        pytest.skip("PostgreSQL's own business")
    async with database.write() as connection:
        found = [
            await connection.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert found == ["wal", 2, 1, 30_000]


async def test_readers_see_the_last_commit_during_a_write(database):
    async with database.write() as connection:
        await connection.execute(insert(executors).values(ROW))
        assert await names(database) == set()
    assert await names(database) == {"one"}


async def test_many_writers_wait_for_their_turn(database):
    async def write(number):
        async with database.write() as connection:
            await connection.execute(insert(executors).values({**ROW, "executor_id": str(number)}))

    await asyncio.gather(*(write(number) for number in range(30)))
    assert len(await names(database)) == 30


async def test_a_cancelled_write_leaves_no_lock(database):
    async def write(number):
        async with database.write() as connection:
            await connection.execute(insert(executors).values({**ROW, "executor_id": str(number)}))

    chance = random.Random(7)
    for number in range(40):
        task = asyncio.create_task(write(number))
        await asyncio.sleep(chance.uniform(0, 0.008))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await asyncio.wait_for(write("last"), 5)
    assert "last" in await names(database)


async def test_a_write_cut_off_in_a_statement_leaves_no_lock_while_its_error_is_looked_at(database):
    if database.is_postgresql:
        pytest.skip("the server ends the transaction of a connection that is closed")
    begun, gate = threading.Event(), threading.Event()

    def held():
        begun.set()
        gate.wait()
        return "one"

    async def write():
        async with database.write() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            await driver.create_function("held", 0, held)
            await connection.execute(
                insert(executors).values({**ROW, "executor_id": func.held()}).returning(executors.c.boot_id)
            )

    writing = asyncio.create_task(write())
    await asyncio.to_thread(begun.wait)
    writing.cancel()
    asyncio.get_running_loop().call_later(0.1, gate.set)
    with pytest.raises(asyncio.CancelledError) as error:
        await writing
    async with asyncio.timeout(10), database.write() as connection:
        await connection.execute(insert(executors).values({**ROW, "executor_id": "two"}))
    assert await names(database) == {"two"}
    del error


async def test_the_clock_is_the_databases_and_in_milliseconds(database):
    async with database.read() as connection:
        first, earlier = (await connection.execute(select(Now(), ago(timedelta(seconds=90))))).one()
        await asyncio.sleep(0.02)
        second = await connection.scalar(select(Now()))
    assert timedelta(milliseconds=15) < second - first < timedelta(seconds=5)
    assert abs(first - earlier - timedelta(seconds=90)) < timedelta(seconds=1)
    assert first.utcoffset() == timedelta(0)


async def test_only_one_process_at_a_time_holds_an_advisory_lock(database):
    if not database.is_postgresql:
        pytest.skip("SQLite belongs to one process")
    async with database.only_one(1) as first, database.only_one(1) as second, database.only_one(2) as other:
        assert (first, second, other) == (True, False, True)
    async with database.only_one(1) as again:
        assert again


async def test_a_frozen_process_loses_its_locks_after_a_minute(database):
    if not database.is_postgresql:
        pytest.skip("SQLite belongs to one process")
    async with database.read() as connection:
        assert await connection.scalar(text("SHOW idle_in_transaction_session_timeout")) == "1min"


async def test_a_cut_cable_to_postgresql_is_noticed_in_seconds(tmp_path):
    with empty_database("postgresql", tmp_path) as url:
        async with wire_to(url) as (through, _):
            database = await open_database(through)
            try:
                async with database.read() as connection:
                    raw = (await connection.get_raw_connection()).driver_connection
                    with socket.socket(fileno=os.dup(raw.fileno())) as wire:
                        silence = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
                        idle = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
                assert (silence, idle) == (8000, 4)
            finally:
                await database.close()
