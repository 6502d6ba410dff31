"""Connections: SQLite for one instance, PostgreSQL for many."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

from sqlalchemy import URL, Engine, event, func, make_url, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from gateway.storage.migrate import upgrade
from gateway.storage.visits import Visits

READERS = 4
BUSY_TIMEOUT_MS = 30_000
IDLE_TRANSACTION_MS = 60_000
"""A process that was stopped while it held a row's lock loses it after this long."""
SILENCE_SECONDS = 8
"""After this long without an answer to TCP's probes, each side takes the other for cut off.

The kernel's own limits are a quarter of an hour for what was sent and two hours for a wait. Until then
calls hang here, and the server keeps the row locks of a gateway that is gone from all others.
"""
_PROBES = {
    "tcp_keepalives_idle": SILENCE_SECONDS // 2,
    "tcp_keepalives_interval": SILENCE_SECONDS // 4,
    "tcp_keepalives_count": 2,
    "tcp_user_timeout": SILENCE_SECONDS * 1000,
}
POSTGRESQL_ARGUMENTS: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": _PROBES["tcp_keepalives_idle"],
    "keepalives_interval": _PROBES["tcp_keepalives_interval"],
    "keepalives_count": _PROBES["tcp_keepalives_count"],
    "tcp_user_timeout": _PROBES["tcp_user_timeout"],
}
"""Of every connection to PostgreSQL, as libpq names them."""
POSTGRESQL_OPTIONS = " ".join(
    f"-c {name}={value}"
    for name, value in {"idle_in_transaction_session_timeout": IDLE_TRANSACTION_MS, **_PROBES}.items()
)
"""What the server is asked to do for every session; given unless the URL has options of its own."""

_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",  # NORMAL may lose the last commits when the power fails
    "foreign_keys=ON",
    f"busy_timeout={BUSY_TIMEOUT_MS}",
)


class Database:
    """One database, of either kind.

    SQLite has one connection that writes, for several would wait for each other in the file's lock
    (a third of the speed), and a few that read. PostgreSQL has one pool for both.

    Attributes
    ----------
    visits
        The quicker way to SQLite for a transaction that waits for nothing else, see
        `gateway.storage.transactions`; None for PostgreSQL.
    """

    def __init__(
        self, url: URL, writer: AsyncEngine, reader: AsyncEngine, visits: Visits | None = None
    ) -> None:
        self.url = url
        self.visits = visits
        self._writer = writer
        self._reader = reader

    @property
    def is_postgresql(self) -> bool:
        """Whether other processes may share this database."""
        return self._writer.dialect.name == "postgresql"

    def write(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Open a transaction: committed at the end, rolled back after an error."""
        return self._writer.begin()

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Open a connection for reading; each statement sees what is committed by then."""
        return self._reader.connect()

    @contextlib.asynccontextmanager
    async def only_one(self, key: int) -> AsyncIterator[bool]:
        """Hold an advisory lock, if no other process does; gives whether this one may go on."""
        if not self.is_postgresql:
            yield True
            return
        async with self.write() as connection:
            yield bool(await connection.scalar(select(func.pg_try_advisory_xact_lock(key))))

    async def close(self) -> None:
        """Close every connection."""
        if self.visits is not None:
            await self.visits.close()
        await self._writer.dispose()
        if self._reader.sync_engine.pool is not self._writer.sync_engine.pool:
            await self._reader.dispose()


async def open_database(url: str, *, pool_size: int = 5) -> Database:
    """Bring the schema up to date, then open the database.

    Parameters
    ----------
    url
        `sqlite:///absolute/path` or `postgresql://user:password@host/name`.
    pool_size
        Most connections kept open to PostgreSQL.
    """
    parsed = database_url(url)
    await asyncio.to_thread(upgrade, parsed)
    if parsed.get_backend_name() == "sqlite":
        return _open_sqlite(parsed)
    return _open_postgresql(parsed, pool_size)


def database_url(url: str) -> URL:
    """Read a URL as operators write it; the driver is our choice."""
    parsed = make_url(url)
    name = "postgresql" if parsed.drivername.startswith("postgres") else parsed.get_backend_name()
    if name not in ("sqlite", "postgresql"):
        raise ValueError(f"a database of kind {name!r} is not supported: use sqlite:// or postgresql://")
    return parsed.set(drivername="postgresql+psycopg" if name == "postgresql" else "sqlite+aiosqlite")


class _RollingBack(sqlite3.Connection):
    """Rolls back before it closes.

    Closing alone leaves a transaction open for as long as anybody holds a cursor of it that is not read to
    its end (`RETURNING`), such as the traceback of the error after which the connection is closed.
    """

    def close(self) -> None:
        if self.in_transaction:
            self.rollback()
        super().close()


def _open_sqlite(url: URL) -> Database:
    ours: dict[str, Any] = {"max_overflow": 0, "connect_args": {"factory": _RollingBack}}
    writer = create_async_engine(url, pool_size=1, pool_timeout=BUSY_TIMEOUT_MS / 1000, **ours)
    reader = create_async_engine(url, pool_size=READERS, **ours)
    _prepare(writer.sync_engine, True)
    _prepare(reader.sync_engine, False)
    return Database(url, writer, reader, Visits(url, _prepare, readers=READERS))


def _open_postgresql(url: URL, pool_size: int) -> Database:
    arguments = postgresql_arguments(url)
    engine = create_async_engine(url, pool_size=pool_size, pool_pre_ping=True, connect_args=arguments)
    return Database(url, engine, engine.execution_options(isolation_level="AUTOCOMMIT"))


def postgresql_arguments(url: URL) -> dict[str, Any]:
    """Give what a connection to PostgreSQL is opened with, so that a cut cable is noticed by both ends."""
    given = {"application_name": "radgate", "options": POSTGRESQL_OPTIONS, **POSTGRESQL_ARGUMENTS}
    return {name: value for name, value in given.items() if name not in url.query}


def _prepare(engine: Engine, writes: bool) -> None:
    event.listen(engine, "connect", _set_pragmas)
    if writes:
        event.listen(engine, "begin", _begin_immediate)


def _set_pragmas(connection: Any, entry: ConnectionPoolEntry) -> None:
    # The driver would begin transactions by itself, deferred and not before the first write.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Any) -> None:
    # Waiting for the write lock here is safe; in the middle of a transaction SQLite refuses at once.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
