"""What holds of every ledger, whatever happened to it: looked up in SQL, not by the code under test."""

from sqlalchemy import text

_COUNTERS = """
SELECT c.account_id, c.period, c.n, c.voided,
    COUNT(CASE WHEN e.billable THEN 1 END), COUNT(DISTINCT e.seq), COALESCE(MAX(e.seq), 0),
    COUNT(e.voids), COALESCE(SUM(e.rate_cents), 0),
    COALESCE(SUM(CASE WHEN e.billable AND v.event_id IS NULL THEN e.rate_cents END), 0)
FROM usage_counters c
LEFT JOIN usage_events e ON e.account_id = c.account_id AND e.period = c.period
LEFT JOIN usage_events v ON v.voids = e.event_id
GROUP BY c.account_id, c.period, c.n, c.voided
"""
_ORPHANS = """
SELECT COUNT(*) FROM usage_events e LEFT JOIN usage_counters c
ON e.account_id = c.account_id AND e.period = c.period WHERE c.n IS NULL
"""


async def check(database):
    """Assert that counters, sequences, voids and cents agree; gives (n, voided, cents) of each."""
    async with database.read() as connection:
        rows = (await connection.execute(text(_COUNTERS))).all()
        assert await connection.scalar(text(_ORPHANS)) == 0
    found = {}
    for account, period, n, voided, billable, distinct, greatest, voids, cents, owed in rows:
        assert n == billable == distinct == greatest
        assert voided == voids
        assert cents == owed
        found[account, period] = (n, voided, cents)
    return found


async def events(database, columns="*", where="1 = 1"):
    """Read events, in the order of time."""
    async with database.read() as connection:
        statement = f"SELECT {columns} FROM usage_events WHERE {where} ORDER BY at, event_id"
        return (await connection.execute(text(statement))).all()
