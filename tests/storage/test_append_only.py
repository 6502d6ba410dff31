"""The ledger's rows stay as they were written: the database itself refuses anything else."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

COLUMNS = (
    "event_id, account_id, key_id, period, endpoint, call_type, billable, reason, seq, monthly_usage, "
    "tier, rate_cents, model_version, request_id, voids, at"
)


def row(**changes):
    """Give the values of a charged call, as SQL."""
    values = {
        "event_id": "'e1'",
        "account_id": "'a'",
        "key_id": "'k'",
        "period": "'2026-05'",
        "endpoint": "'/v3/predict'",
        "call_type": "'single'",
        "billable": "true",
        "reason": "'valid_vhs'",
        "seq": "1",
        "monthly_usage": "1",
        "tier": "'paygo'",
        "rate_cents": "300",
        "model_version": "'1'",
        "request_id": "'r'",
        "voids": "NULL",
        "at": "0",
    }
    return ", ".join({**values, **changes}.values())


@pytest.fixture
async def execute(database):
    """Execute SQL in a transaction of its own; an account and an event are there."""

    async def execute(statement):
        async with database.write() as connection:
            await connection.execute(text(statement))

    await execute("INSERT INTO accounts (id, name, tier, created_at) VALUES ('a', 'a', 'paygo', 0)")
    await execute(f"INSERT INTO usage_events ({COLUMNS}) VALUES ({row()})")
    return execute


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE usage_events SET rate_cents = 0",
        "UPDATE usage_events SET at = at WHERE event_id = 'e1'",
        "DELETE FROM usage_events",
        "DELETE FROM usage_events WHERE event_id = 'e1'",
    ],
)
async def test_no_row_is_changed_or_deleted(execute, statement):
    with pytest.raises(DBAPIError, match="usage_events is append-only"):
        await execute(statement)


async def test_the_table_is_not_emptied(execute, database):
    if not database.is_postgresql:
        pytest.skip("SQLite has no TRUNCATE")
    with pytest.raises(DBAPIError, match="usage_events is append-only"):
        await execute("TRUNCATE usage_events CASCADE")


async def test_an_upsert_is_a_change(execute):
    statement = (
        f"INSERT INTO usage_events ({COLUMNS}) VALUES ({row()}) "
        "ON CONFLICT (event_id) DO UPDATE SET rate_cents = 0"
    )
    with pytest.raises(DBAPIError, match="append-only"):
        await execute(statement)


VOID = {"event_id": "'v1'", "billable": "false", "reason": "'void'", "seq": "NULL", "voids": "'e1'"}


async def test_a_correction_is_another_row(execute):
    await execute(f"INSERT INTO usage_events ({COLUMNS}) VALUES ({row(**VOID, rate_cents='-300')})")


@pytest.mark.parametrize(
    "changes",
    [
        {},  # the same id
        {"event_id": "'e2'"},  # the same number
        {"event_id": "'e2'", "seq": "NULL"},  # charged without a number
        {"event_id": "'e2'", "seq": "2", "billable": "false"},  # a number that is not charged
        {"event_id": "'e2'", "seq": "2", "rate_cents": "NULL"},  # charged, and nobody knows what
        {"event_id": "'e2'", "seq": "2", "reason": "'whim'"},
        {"event_id": "'e2'", "seq": "2", "call_type": "'bulk'"},
        {"event_id": "'e2'", "seq": "2", "account_id": "'nobody'"},
        {**VOID, "rate_cents": "-300", "voids": "'none'"},
        {**VOID, "rate_cents": "NULL"},
    ],
)
async def test_rows_that_make_no_sense_are_refused(execute, changes):
    with pytest.raises(IntegrityError):
        await execute(f"INSERT INTO usage_events ({COLUMNS}) VALUES ({row(**changes)})")


async def test_an_event_is_taken_back_once(execute):
    first = row(**VOID, rate_cents="-300")
    second = row(**{**VOID, "event_id": "'v2'"}, rate_cents="-300")
    await execute(f"INSERT INTO usage_events ({COLUMNS}) VALUES ({first})")
    with pytest.raises(IntegrityError):
        await execute(f"INSERT INTO usage_events ({COLUMNS}) VALUES ({second})")
