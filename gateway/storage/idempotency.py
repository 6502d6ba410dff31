"""Statements on answers that are kept for callers that ask again."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import and_, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage.tables import idempotency


class Place(NamedTuple):
    """Where an answer is kept."""

    account_id: str
    route: str
    key_sha256: str


class KeptRow(NamedTuple):
    """What is kept; no response while the first call is at work."""

    body_sha256: str
    response: bytes | None
    expires_at: datetime


async def reserve(
    connection: AsyncConnection, place: Place, body_sha256: str, *, now: datetime, until: datetime
) -> KeptRow | None:
    """Take a place that is free or whose time is over; else give what is kept there."""
    taken = {"body_sha256": body_sha256, "response": None, "expires_at": until}
    statement = (
        _insert(connection)(idempotency)
        .values(**place._asdict(), **taken)
        .on_conflict_do_update(
            index_elements=list(Place._fields), set_=taken, where=idempotency.c.expires_at <= now
        )
        .returning(idempotency.c.body_sha256)
    )
    if (await connection.execute(statement)).first() is not None:
        return None
    columns = (idempotency.c[name] for name in KeptRow._fields)
    return KeptRow(*(await connection.execute(select(*columns).where(_at(place)))).one())


async def keep(
    connection: AsyncConnection, place: Place, body_sha256: str, *, response: bytes, until: datetime
) -> None:
    """Keep an answer, in place of a reservation for the same body; the first answer stays."""
    kept = {"response": response, "expires_at": until}
    statement = (
        _insert(connection)(idempotency)
        .values(**place._asdict(), body_sha256=body_sha256, **kept)
        .on_conflict_do_update(
            index_elements=list(Place._fields),
            set_=kept,
            where=and_(idempotency.c.body_sha256 == body_sha256, idempotency.c.response.is_(None)),
        )
    )
    await connection.execute(statement)


async def forget(connection: AsyncConnection, place: Place, *, answered: bool) -> None:
    """Give a reservation up; with `answered`, an answer too."""
    statement = delete(idempotency).where(_at(place))
    await connection.execute(statement if answered else statement.where(idempotency.c.response.is_(None)))


async def forget_expired(connection: AsyncConnection, now: datetime) -> int:
    """Delete what is kept no longer; gives how many."""
    result = await connection.execute(delete(idempotency).where(idempotency.c.expires_at <= now))
    return result.rowcount


def _at(place: Place) -> Any:
    return and_(*(idempotency.c[name] == value for name, value in place._asdict().items()))


def _insert(connection: AsyncConnection) -> Any:
    return postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
