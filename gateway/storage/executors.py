"""The processes that run jobs, and which of them are alive."""

from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage.clock import Now, ago
from gateway.storage.tables import executors


async def register(connection: AsyncConnection, executor_id: str, boot_id: str) -> None:
    """Announce a process that starts; it takes the place of an earlier one of the same id."""
    await connection.execute(_upsert(connection, executor_id, boot_id))


async def beat(connection: AsyncConnection, executor_id: str, boot_id: str) -> bool:
    """Say that a process is alive; gives False if a later one has taken its id."""
    statement = _upsert(connection, executor_id, boot_id, where=executors.c.boot_id == boot_id)
    return (await connection.execute(statement.returning(executors.c.boot_id))).first() is not None


async def alive(connection: AsyncConnection, *, within: timedelta) -> set[str]:
    """Give the ids of those that were heard of lately, by the database's clock."""
    statement = select(executors.c.executor_id).where(executors.c.heartbeat_at >= ago(within))
    return set(await connection.scalars(statement))


async def leave(connection: AsyncConnection, executor_id: str, boot_id: str) -> None:
    """Take a process out that stops in good order."""
    statement = delete(executors).where(
        executors.c.executor_id == executor_id, executors.c.boot_id == boot_id
    )
    await connection.execute(statement)


async def forget_dead(connection: AsyncConnection, *, older_than: timedelta) -> None:
    """Delete those that were not heard of for this long."""
    await connection.execute(delete(executors).where(executors.c.heartbeat_at < ago(older_than)))


def _upsert(connection: AsyncConnection, executor_id: str, boot_id: str, where: Any = None) -> Any:
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    values = {"executor_id": executor_id, "boot_id": boot_id, "heartbeat_at": Now()}
    return (
        insert(executors)
        .values(values)
        .on_conflict_do_update(
            index_elements=["executor_id"],
            set_={"boot_id": boot_id, "heartbeat_at": Now()},
            where=where,
        )
    )
