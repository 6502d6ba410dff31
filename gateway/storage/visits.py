"""Transactions of a SQLite file, each in one visit to a thread.

The asynchronous driver visits its thread four times for each statement, some fifty times to settle one
call, and between cores that are busy each visit waits for the interpreter's lock.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, CursorResult, Dialect, Engine, Executable, ScalarResult, create_engine

T = TypeVar("T")


class Visitor:
    """A connection as work sees it: what `AsyncConnection` offers, done by the time it returns."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def dialect(self) -> Dialect:
        """Give the database's dialect."""
        return self._connection.dialect

    async def execute(self, statement: Executable) -> CursorResult[Any]:
        """Execute a statement."""
        return self._connection.execute(statement)

    async def scalar(self, statement: Executable) -> Any:
        """Execute a statement; gives the first column of the first row."""
        return self._connection.scalar(statement)

    async def scalars(self, statement: Executable) -> ScalarResult[Any]:
        """Execute a statement; gives the first column."""
        return self._connection.scalars(statement)


Work = Callable[[Any], Awaitable[T]]
"""Takes a `Visitor`, and awaits nothing but what that offers."""


class Visits:
    """Threads of one SQLite file: one that writes, for it has one write lock, and a few that read.

    Parameters
    ----------
    url
        Of the file.
    prepare
        Called with each engine, to set its connections up.
    """

    def __init__(self, url: URL, prepare: Callable[[Engine, bool], None], *, readers: int) -> None:
        self._writer, self._reader = (
            create_engine(url.set(drivername="sqlite"), pool_size=size, max_overflow=0)
            for size in (1, readers)
        )
        prepare(self._writer, True)
        prepare(self._reader, False)
        self._writing = ThreadPoolExecutor(1, "sqlite-writer")
        self._reading = ThreadPoolExecutor(readers, "sqlite-reader")

    async def write(self, work: Work[T], on_unknown: Callable[[BaseException], None]) -> T:
        """Do work in a transaction.

        Parameters
        ----------
        on_unknown
            Called with an error after which the transaction may be committed, now or later: the commit
            failed, or who waits was cut off, which does not stop a visit that has begun.
        """

        def visit() -> T:
            is_committing = False
            try:
                with self._writer.begin() as connection:
                    result = _run(work(Visitor(connection)))
                    is_committing = True
                return result
            except BaseException as error:
                if is_committing:
                    on_unknown(error)
                raise

        begun = self._writing.submit(visit)
        try:
            return await asyncio.wrap_future(begun)
        except asyncio.CancelledError as error:
            if not begun.cancelled():
                on_unknown(error)
            raise

    async def read(self, work: Work[T]) -> T:
        """Do work that only reads; each statement sees what is committed by then."""

        def visit() -> T:
            with self._reader.connect() as connection:
                return _run(work(Visitor(connection)))

        return await asyncio.wrap_future(self._reading.submit(visit))

    async def close(self) -> None:
        """Wait for the visits that have begun, then close every connection."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        for threads in (self._writing, self._reading):
            threads.shutdown()
        for engine in (self._writer, self._reader):
            engine.dispose()


def _run(work: Awaitable[T]) -> T:
    """Run work to its end: no step of it waits, so that one step of its generator is all of it."""
    steps = work.__await__()
    try:
        next(steps)
    except StopIteration as end:
        result: T = end.value
        return result
    steps.close()
    raise RuntimeError("work in a transaction awaited something else than its connection")
