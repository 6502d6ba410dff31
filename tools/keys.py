"""API keys: make, list, revoke and rotate them, also while an instance runs."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

from gateway.accounts.keys import ApiKeys, CreatedKey, KeyRow
from gateway.accounts.register import Accounts, Terms
from gateway.errors import Conflict
from gateway.storage.engine import Database
from tools.accounts import warn_of_missing_rates
from tools.database import opened, table


def create(account: str, terms: Terms, days: float | None, *, as_json: bool) -> None:
    """Make a key, and its account where it is new; print the key, this once."""

    async def run() -> CreatedKey:
        async with opened() as database:
            await _open_account(database, account, terms)
            return await ApiKeys(database).create(account, valid_for=_days(days))

    _show(asyncio.run(run()), as_json=as_json)


def list_keys(account: str | None, *, as_json: bool) -> None:
    """Print keys by what may be shown of them."""

    async def run() -> list[KeyRow]:
        async with opened() as database:
            return await ApiKeys(database).list(account)

    rows = asyncio.run(run())
    if as_json:
        print(json.dumps([_document(row) for row in rows], indent=2))
    else:
        print(table([("KEY", "ACCOUNT", "STATE", "CREATED", "EXPIRES", "LAST USED"), *map(_cells, rows)]))


def revoke(key_id: str, *, as_json: bool) -> None:
    """End a key now."""

    async def run() -> None:
        async with opened() as database:
            await ApiKeys(database).revoke(key_id)

    asyncio.run(run())
    print(json.dumps({"key_id": key_id, "state": "revoked"}) if as_json else f"Key {key_id} is revoked.")


def rotate(key_id: str, overlap_hours: float, days: float | None, *, as_json: bool) -> None:
    """Make a key that follows another; print it, this once."""

    async def run() -> CreatedKey:
        async with opened() as database:
            overlap = timedelta(hours=overlap_hours)
            return await ApiKeys(database).rotate(key_id, overlap=overlap, valid_for=_days(days))

    _show(asyncio.run(run()), as_json=as_json)


async def _open_account(database: Database, name: str, terms: Terms) -> None:
    register = Accounts(database)
    if await register.named(name) is None:
        warn_of_missing_rates(await register.create(name, terms))
    elif terms.values():
        raise Conflict(f"account {name} is open already: change its terms by radgate accounts set")


def _days(days: float | None) -> timedelta | None:
    return None if days is None else timedelta(days=days)


def _show(key: CreatedKey, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"account": key.account, "key_id": key.key_id, "key": key.raw}))
        return
    print(f"Key {key.key_id} for {key.account}, shown this once. Send it as the x-api-key header:")
    print(key.raw)


def _cells(row: KeyRow) -> tuple[str, ...]:
    used = row.last_used_day.isoformat() if row.last_used_day else "never"
    return row.id, row.account, row.state, _minute(row.created_at), _minute(row.expires_at), used


def _minute(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M}Z" if instant else "never"


def _document(row: KeyRow) -> dict[str, Any]:
    return {
        "key_id": row.id,
        "account": row.account,
        "state": row.state,
        "created_at": _iso(row.created_at),
        "expires_at": _iso(row.expires_at),
        "revoked_at": _iso(row.revoked_at),
        "last_used_day": row.last_used_day.isoformat() if row.last_used_day else None,
    }


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None
