"""What an account used in a month."""

import re

from gateway.accounts.billing import Usage, UsageLine
from gateway.accounts.entry import current_tier
from gateway.errors import InvalidRequest
from gateway.storage import accounts, usage
from gateway.storage.transactions import Connection

_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])", re.ASCII)


async def usage_of(connection: Connection, account: str, month: str) -> Usage:
    """Sum up the events of an account, given by its id, in a month, YYYY-MM.

    Raises
    ------
    InvalidRequest
        That is no month.
    """
    if not _MONTH.fullmatch(month):
        raise InvalidRequest("period must be a month as YYYY-MM", field="period")
    row = await accounts.get(connection, account)
    sums = await usage.sums(connection, account, month)
    monthly_usage = (await usage.counter(connection, account, month)).usage
    return Usage(
        account=account,
        name=row.name,
        period=month,
        tier=current_tier(row, monthly_usage),
        monthly_usage=monthly_usage,
        cents=sum(line.cents for line in sums),
        lines=tuple(UsageLine(*line) for line in sums),
    )
