"""Statements on accounts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage.clock import Now
from gateway.storage.tables import accounts


class AccountRow(NamedTuple):
    """An account; the columns of these names."""

    id: str
    name: str
    tier: str
    auto_tier: bool
    custom_single_cents: int | None
    custom_session_cents: int | None
    created_at: datetime


async def add(connection: AsyncConnection, account_id: str, name: str, values: Mapping[str, Any]) -> None:
    """Keep an account; its name must be new."""
    row = {"tier": "paygo", **values, "id": account_id, "name": name, "created_at": Now()}
    await connection.execute(insert(accounts).values(row))


async def change(connection: AsyncConnection, account_id: str, values: Mapping[str, Any]) -> None:
    """Change some attributes; what was charged before stays as it is."""
    await connection.execute(update(accounts).where(accounts.c.id == account_id).values(**values))


async def get(connection: AsyncConnection, account_id: str) -> AccountRow:
    """Read an account that is known to be there."""
    return _row((await connection.execute(_select(accounts.c.id == account_id))).one())


async def named(connection: AsyncConnection, name: str) -> AccountRow | None:
    """Look an account up by its name."""
    row = (await connection.execute(_select(accounts.c.name == name))).first()
    return None if row is None else _row(row)


async def every(connection: AsyncConnection) -> list[AccountRow]:
    """List all accounts, by name."""
    return [_row(row) for row in await connection.execute(_select().order_by(accounts.c.name))]


def _select(*where: ColumnElement[bool]) -> Any:
    return select(*(accounts.c[name] for name in AccountRow._fields)).where(*where)


def _row(row: Any) -> AccountRow:
    return AccountRow(**row._mapping)
