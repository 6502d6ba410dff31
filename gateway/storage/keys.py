"""Statements on API keys, which are known by their digests only."""

from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage.clock import Now, ago
from gateway.storage.tables import accounts, api_keys


class KeyRow(NamedTuple):
    """A key as an operator may see it, and the time on the database's clock."""

    id: str
    account_id: str
    account: str
    key_sha256: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_day: date | None
    now: datetime

    @property
    def state(self) -> str:
        """Give `active`, `revoked` or `expired`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= self.now else "active"


async def add(
    connection: AsyncConnection,
    *,
    key_id: str,
    account_id: str,
    key_sha256: str,
    valid_for: timedelta | None,
) -> None:
    """Keep a key's digest."""
    values = {"id": key_id, "account_id": account_id, "key_sha256": key_sha256, "created_at": Now()}
    expires_at = None if valid_for is None else ago(-valid_for)
    await connection.execute(insert(api_keys).values(**values, expires_at=expires_at))


async def by_digest(connection: AsyncConnection, key_sha256: str) -> KeyRow | None:
    """Look a key up, whatever its state."""
    row = (await connection.execute(_select().where(api_keys.c.key_sha256 == key_sha256))).first()
    return None if row is None else _row(row)


async def by_id(connection: AsyncConnection, key_id: str) -> KeyRow | None:
    """Look a key up by the part of it that may be shown."""
    row = (await connection.execute(_select().where(api_keys.c.id == key_id))).first()
    return None if row is None else _row(row)


async def every(connection: AsyncConnection, *, account: str | None = None) -> list[KeyRow]:
    """List keys by account and age, of the account of this name or of all."""
    statement = _select().order_by(accounts.c.name, api_keys.c.created_at, api_keys.c.id)
    if account is not None:
        statement = statement.where(accounts.c.name == account)
    return [_row(row) for row in await connection.execute(statement)]


async def revoke(connection: AsyncConnection, key_id: str) -> None:
    """End a key now; the time of a first revocation stays."""
    ended = func.coalesce(api_keys.c.revoked_at, Now())
    await connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(revoked_at=ended))


async def expire_in(connection: AsyncConnection, key_id: str, period: timedelta) -> None:
    """End a key that much later, unless it ends before that."""
    end = ago(-period)
    later = or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > end)
    await connection.execute(update(api_keys).where(api_keys.c.id == key_id, later).values(expires_at=end))


async def note_use(connection: AsyncConnection, key_id: str, day: date) -> None:
    """Write down that a key was used on a day."""
    await connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_day=day))


def _select() -> Any:
    shown = {"account": accounts.c.name, "now": Now()}
    columns = [shown[name].label(name) if name in shown else api_keys.c[name] for name in KeyRow._fields]
    return select(*columns).join_from(api_keys, accounts)


def _row(row: Any) -> KeyRow:
    return KeyRow(**row._mapping)
