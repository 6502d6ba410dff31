"""Accounts: whom we bill, and by which terms."""

import asyncio
import json
import sys
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from gateway.accounts.pricing import Tier
from gateway.accounts.register import AccountRow, Accounts, Terms
from gateway.errors import NotFound
from gateway.storage.engine import Database
from tools.database import dollars, opened, table


def set_terms(name: str, terms: Terms, *, as_json: bool) -> None:
    """Change an account's terms, or open it; print them."""

    async def run() -> AccountRow:
        async with opened() as database:
            return await _change_or_create(database, name, terms)

    row = asyncio.run(run())
    warn_of_missing_rates(row)
    print(json.dumps(_document(row)) if as_json else table([_cells(row)]))


def list_accounts(*, as_json: bool) -> None:
    """Print every account with its terms."""

    async def run() -> list[AccountRow]:
        async with opened() as database:
            return await Accounts(database).list()

    rows = asyncio.run(run())
    if as_json:
        print(json.dumps([_document(row) for row in rows], indent=2))
    else:
        print(table([("ACCOUNT", "TIER", "OWN RATES"), *map(_cells, rows)]))


def terms_of(
    tier: str | None, auto_tier: bool | None, single_rate: str | None, session_rate: str | None
) -> Terms:
    """Read terms as an operator writes them; rates are in dollars."""
    return Terms(
        tier=cast(Tier | None, tier),
        auto_tier=auto_tier,
        single_cents=_cents(single_rate, "--single-rate"),
        session_cents=_cents(session_rate, "--session-rate"),
    )


def warn_of_missing_rates(row: AccountRow) -> None:
    """Say which calls cannot be charged."""
    if row.tier != "enterprise" and not row.auto_tier:
        return
    rates = {"--single-rate": row.custom_single_cents, "--session-rate": row.custom_session_cents}
    if missing := [option for option, cents in rates.items() if cents is None]:
        given = " and ".join(missing)
        print(f"radgate: {row.name} is not charged as an enterprise before {given} is given", file=sys.stderr)


def _cents(rate: str | None, option: str) -> int | None:
    if rate is None:
        return None
    try:
        cents = Decimal(rate) * 100
    except InvalidOperation:
        cents = Decimal("NaN")
    if not (cents.is_finite() and 0 <= cents <= 10**8 and cents == cents.to_integral_value()):
        raise OSError(f"{option} must be dollars and cents such as 1.50, not {rate}")
    return int(cents)


async def _change_or_create(database: Database, name: str, terms: Terms) -> AccountRow:
    register = Accounts(database)
    try:
        return await register.change(name, terms)
    except NotFound:
        return await register.create(name, terms)


def _cells(row: AccountRow) -> tuple[str, str, str]:
    rates = {"single": row.custom_single_cents, "session": row.custom_session_cents}
    own = ", ".join(f"{kind} {dollars(cents)}" for kind, cents in rates.items() if cents is not None)
    return row.name, "by volume" if row.auto_tier else row.tier, own or "none"


def _document(row: AccountRow) -> dict[str, Any]:
    return {
        "account": row.name,
        "id": row.id,
        "tier": row.tier,
        "auto_tier": row.auto_tier,
        "single_rate_cents": row.custom_single_cents,
        "session_rate_cents": row.custom_session_cents,
        "created_at": row.created_at.isoformat(),
    }
