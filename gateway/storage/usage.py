"""Statements of the ledger: each decision is one atomic statement, right on SQLite and PostgreSQL."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage.tables import recheck_grace, usage_counters, usage_events


class EventRow(NamedTuple):
    """An event; the columns of these names."""

    event_id: str
    account_id: str
    key_id: str
    period: str
    endpoint: str
    call_type: str
    billable: bool
    reason: str
    seq: int | None
    monthly_usage: int
    tier: str
    rate_cents: int | None
    uuid_sha256: str | None
    result_code: int | None
    model_version: str
    request_id: str
    voids: str | None
    at: datetime


class SumRow(NamedTuple):
    """Events of one kind."""

    call_type: str
    reason: str
    events: int
    cents: int


class CounterRow(NamedTuple):
    """Charged events of an account in a period, and how many of them were taken back."""

    n: int
    voided: int

    @property
    def usage(self) -> int:
        """Give what the customer is told."""
        return self.n - self.voided


async def find(connection: AsyncConnection, event_id: str) -> EventRow | None:
    """Read an event."""
    return await _one(connection, usage_events.c.event_id == event_id)


async def void_of(connection: AsyncConnection, event_id: str) -> EventRow | None:
    """Read the correction that takes an event back."""
    return await _one(connection, usage_events.c.voids == event_id)


async def append(connection: AsyncConnection, event: EventRow) -> None:
    """Write an event; its id must be new."""
    await connection.execute(insert(usage_events).values(event._asdict()))


async def begin_grace(
    connection: AsyncConnection,
    account_id: str,
    uuid_sha256: str,
    *,
    event_id: str,
    now: datetime,
    period: timedelta,
) -> bool:
    """Note that a patient is charged now; gives False, and changes nothing, within `period` of the last time.

    One statement, so that of two calls that race for a patient one is charged. The instant never
    moves backwards, whatever the clock does.
    """
    charged = {"billed_at": now, "event_id": event_id}
    statement = (
        _insert(connection)(recheck_grace)
        .values(account_id=account_id, uuid_sha256=uuid_sha256, **charged)
        .on_conflict_do_update(
            index_elements=["account_id", "uuid_sha256"],
            set_=charged,
            where=recheck_grace.c.billed_at <= now - period,
        )
        .returning(recheck_grace.c.event_id)
    )
    return (await connection.execute(statement)).first() is not None


async def end_grace(connection: AsyncConnection, event_id: str, account_id: str, uuid_sha256: str) -> None:
    """Forget that a patient was charged, if it was this event that did it.

    The charge before it, if any, is more than a day old: nothing is lost.
    """
    await connection.execute(
        delete(recheck_grace).where(
            recheck_grace.c.account_id == account_id,
            recheck_grace.c.uuid_sha256 == uuid_sha256,
            recheck_grace.c.event_id == event_id,
        )
    )


async def count(
    connection: AsyncConnection, account_id: str, period: str, *, charged: int = 0, voided: int = 0
) -> CounterRow:
    """Add to the counter, and hold it until the transaction ends: an account's calls come one by one."""
    statement = (
        _insert(connection)(usage_counters)
        .values(account_id=account_id, period=period, n=charged, voided=voided)
        .on_conflict_do_update(
            index_elements=["account_id", "period"],
            set_={"n": usage_counters.c.n + charged, "voided": usage_counters.c.voided + voided},
        )
        .returning(usage_counters.c.n, usage_counters.c.voided)
    )
    return CounterRow(*(await connection.execute(statement)).one())


async def counter(connection: AsyncConnection, account_id: str, period: str) -> CounterRow:
    """Read the counter."""
    statement = select(usage_counters.c.n, usage_counters.c.voided).where(
        usage_counters.c.account_id == account_id, usage_counters.c.period == period
    )
    row = (await connection.execute(statement)).first()
    return CounterRow(0, 0) if row is None else CounterRow(*row)


async def sums(connection: AsyncConnection, account_id: str, period: str) -> list[SumRow]:
    """Sum events up by what they were."""
    kind = (usage_events.c.call_type, usage_events.c.reason)
    statement = (
        select(*kind, func.count(), func.coalesce(func.sum(usage_events.c.rate_cents), 0))
        .where(usage_events.c.account_id == account_id, usage_events.c.period == period)
        .group_by(*kind)
        .order_by(*kind)
    )
    return [SumRow(*row) for row in await connection.execute(statement)]


async def _one(connection: AsyncConnection, where: Any) -> EventRow | None:
    columns = (usage_events.c[name] for name in EventRow._fields)
    row = (await connection.execute(select(*columns).where(where))).first()
    return None if row is None else EventRow(**row._mapping)


def _insert(connection: AsyncConnection) -> Any:
    return postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
