"""Statements on patients' histories."""

from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage.tables import measurements


async def add(
    connection: AsyncConnection,
    *,
    event_id: str,
    account_id: str,
    uuid_sha256: str,
    at: datetime,
    vhs: float,
    vlas: float | None,
) -> None:
    """Keep what an event measured."""
    values = {"event_id": event_id, "account_id": account_id, "uuid_sha256": uuid_sha256, "at": at}
    await connection.execute(insert(measurements).values(**values, vhs=vhs, vlas=vlas))


async def of_patient(
    connection: AsyncConnection, account_id: str, uuid_sha256: str, *, except_event: str | None, limit: int
) -> list[tuple[datetime, float, float | None]]:
    """Read the latest `limit` measurements, in the order of time."""
    statement = (
        select(measurements.c.at, measurements.c.vhs, measurements.c.vlas)
        .where(measurements.c.account_id == account_id, measurements.c.uuid_sha256 == uuid_sha256)
        .order_by(measurements.c.at.desc(), measurements.c.event_id.desc())
        .limit(limit)
    )
    if except_event is not None:
        statement = statement.where(measurements.c.event_id != except_event)
    rows = (await connection.execute(statement)).all()
    return [(row.at, row.vhs, row.vlas) for row in reversed(rows)]
