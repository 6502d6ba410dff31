"""Transactions that are tried again, and what is known when they fail for good."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage.engine import Database

T = TypeVar("T")
Connection: TypeAlias = AsyncConnection

ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 0.02

# Connection lost; serialization, deadlock, lock not to be had; idle for too long; the server stops or starts.
_PASSING_STATES = ("08", "40", "55P03", "25P03", "57P0")


class TransactionFailed(Exception):
    """The database did not take it, or nobody knows: then `may_be_committed`."""

    def __init__(self, cause: BaseException, *, may_be_committed: bool) -> None:
        super().__init__(f"{type(cause).__name__} {_state(cause)}".strip())
        self.may_be_committed = may_be_committed


async def transact(
    database: Database, work: Callable[[Connection], Awaitable[T]], *, timeout_seconds: float
) -> T:
    """Do work in a transaction, again where that may help.

    Each try starts from the beginning: the work has to notice what another one has written, be it a
    duplicate's or its own whose end was not seen. It awaits nothing but its connection.

    Raises
    ------
    TransactionFailed
        It could not be done in time, or at all.
    """
    lost_commits: list[BaseException] = []
    try:
        return await asyncio.wait_for(_tries(database, work, lost_commits), timeout_seconds)
    except (SQLAlchemyError, OSError, asyncio.TimeoutError) as error:
        raise TransactionFailed(error, may_be_committed=bool(lost_commits)) from error


async def inquire(
    database: Database, work: Callable[[Connection], Awaitable[T]], *, timeout_seconds: float
) -> T:
    """Read, once.

    Raises
    ------
    TransactionFailed
        The database did not answer.
    """

    async def read() -> T:
        if database.visits is not None:
            return await database.visits.read(work)
        async with database.read() as connection:
            return await work(connection)

    try:
        return await asyncio.wait_for(read(), timeout_seconds)
    except (SQLAlchemyError, OSError, asyncio.TimeoutError) as error:
        raise TransactionFailed(error, may_be_committed=False) from error


async def _tries(
    database: Database, work: Callable[[Connection], Awaitable[T]], lost_commits: list[BaseException]
) -> T:
    attempt = 1
    while True:
        try:
            return await _once(database, work, lost_commits)
        except (SQLAlchemyError, OSError) as error:
            if attempt == ATTEMPTS or not (lost_commits or _may_pass(error)):
                raise
        await asyncio.sleep(FIRST_PAUSE_SECONDS * 2**attempt * random.uniform(0.5, 1.5))
        attempt += 1


async def _once(
    database: Database, work: Callable[[Connection], Awaitable[T]], lost_commits: list[BaseException]
) -> T:
    if database.visits is not None:
        return await database.visits.write(work, lost_commits.append)
    is_committing = False
    try:
        async with database.write() as connection:
            result = await work(connection)
            is_committing = True
        return result
    except BaseException as error:
        if is_committing:
            lost_commits.append(error)
        raise


def _may_pass(error: Exception) -> bool:
    if isinstance(error, IntegrityError | OSError):
        return True  # a duplicate came first: the next try finds it
    if not isinstance(error, DBAPIError):
        return False
    locked = any(word in str(error.orig) for word in ("database is locked", "database table is locked"))
    return locked or error.connection_invalidated or _state(error).startswith(_PASSING_STATES)


def _state(error: BaseException) -> str:
    """Give the SQLSTATE; a connection that was never made, or broke, has 08000."""
    orig = getattr(error, "orig", None)
    state = getattr(orig, "sqlstate", "")
    return str(state) if state else ("08000" if state is None else "")
