"""What accounts used in a month, and what they owe for it."""

import asyncio
import json
from typing import Any

from gateway.accounts.billing import Usage
from gateway.accounts.entry import month_of
from gateway.accounts.monthly import usage_of
from gateway.accounts.register import Accounts
from gateway.errors import NotFound
from gateway.storage.clock import read_clock
from tools.database import dollars, opened, table


def usage(account: str | None, month: str | None, *, as_json: bool) -> None:
    """Print the usage of an account, given by its name, or of all."""
    found = asyncio.run(_usage(account, month))
    if as_json:
        print(json.dumps([_document(one) for one in found], indent=2))
        return
    for one in found:
        print(_text(one))


async def _usage(account: str | None, month: str | None) -> list[Usage]:
    async with opened() as database:
        accounts = await Accounts(database).list()
        if account is not None:
            accounts = [row for row in accounts if row.name == account]
            if not accounts:
                raise NotFound(f"no account is named {account}")
        async with database.read() as connection:
            month = month or month_of(await read_clock(connection))
            return [await usage_of(connection, row.id, month) for row in accounts]


def _document(usage: Usage) -> dict[str, Any]:
    return {
        "account": usage.name,
        "period": usage.period,
        "tier": usage.tier,
        "monthly_usage": usage.monthly_usage,
        "cents": usage.cents,
        "lines": [line._asdict() for line in usage.lines],
    }


def _text(usage: Usage) -> str:
    calls = "call" if usage.monthly_usage == 1 else "calls"
    head = f"{usage.name}, {usage.period} (UTC): {usage.monthly_usage} {calls}"
    rows = [
        (f"  {line.call_type}", line.reason, str(line.events), dollars(line.cents)) for line in usage.lines
    ]
    return f"{head}, {dollars(usage.cents)}, tier {usage.tier}\n{table(rows)}".strip()
