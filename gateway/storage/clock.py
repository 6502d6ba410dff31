"""Instants: kept as milliseconds since 1970, read by the database's own clock."""

from datetime import datetime, timedelta, timezone
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Dialect, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Instant(TypeDecorator[datetime]):
    """A point in time: a whole number in the database, where both dialects can compare it; UTC in Python."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Give milliseconds since 1970."""
        return None if value is None else (value - EPOCH) // timedelta(milliseconds=1)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Give an aware datetime."""
        return None if value is None else EPOCH + timedelta(milliseconds=value)


class Now(FunctionElement[datetime]):
    """The time on the database's clock: gateways of one PostgreSQL need no common time of their own."""

    type = Instant()
    inherit_cache = True
    name = "now"


@compiles(Now, "sqlite")
def _sqlite(element: Now, compiler: Any, **options: Any) -> str:
    return "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"


@compiles(Now, "postgresql")
def _postgresql(element: Now, compiler: Any, **options: Any) -> str:
    # clock_timestamp, because now() stands still within a transaction.
    return "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"


def ago(period: timedelta) -> ColumnElement[datetime]:
    """Give the instant this long before now, by the database's clock."""
    milliseconds = literal(period // timedelta(milliseconds=1), BigInteger)
    return Now().op("-", return_type=Instant())(milliseconds)


async def read_clock(connection: AsyncConnection) -> datetime:
    """Give the time on the database's clock."""
    now: datetime = (await connection.execute(select(Now()))).scalar_one()
    return now
