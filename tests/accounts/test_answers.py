"""Idempotency keys: a repetition gets the same bytes and is not charged."""

import asyncio

import pytest
from sqlalchemy import text

from gateway.accounts.billing import Idempotency, event_id_of
from gateway.errors import Conflict, UnprocessableRequest
from tests.accounts import invariants
from tests.accounts.conftest import open_account

ROUTE, KEY, BODY, OTHER_BODY = "/v3/predict", "order 7", "a" * 64, "b" * 64


@pytest.fixture
def look(ledger, caller):
    """Ask for a stored answer."""

    async def look(key=KEY, body=BODY, *, route=ROUTE, by=caller):
        return await ledger.stored_answer(by, route, key, body)

    return look


@pytest.fixture
def settle(ledger, outcome, caller):
    """Settle the call of a key; its answer says how many it made."""

    async def settle(key=KEY, body=BODY, **changes):
        call = Idempotency(ROUTE, key, body, lambda billing: f"{billing.monthly_usage}".encode())
        return await ledger.settle(
            outcome(event_id=event_id_of(caller, ROUTE, key, body), idempotency=call, **changes)
        )

    return settle


async def test_a_repetition_gets_the_first_answer(look, settle, ledger, outcome):
    assert await look() is None
    await settle()
    await ledger.settle(outcome())
    assert await look() == b"1"
    assert await look() == b"1"


async def test_a_key_belongs_to_an_account_a_route_and_itself(look, settle, database):
    await settle()
    other = await open_account(database, "Hospital")
    assert await look(by=other) is None
    assert await look(route="/v3/predict/stream") is None
    assert await look(key="order 8") is None


async def test_a_key_is_for_one_body(look, settle):
    assert await look() is None
    with pytest.raises(UnprocessableRequest):
        await look(body=OTHER_BODY)
    await settle()
    with pytest.raises(UnprocessableRequest) as refused:
        await look(body=OTHER_BODY)
    assert (refused.value.status, refused.value.field) == (422, "Idempotency-Key")


async def test_a_call_at_work_is_not_begun_twice(look, clock):
    assert await look() is None
    clock.advance(seconds=58)
    with pytest.raises(Conflict) as refused:
        await look()
    assert (refused.value.status, refused.value.retry_after_seconds) == (409, 2)


async def test_of_simultaneous_calls_one_goes_to_work(look):
    said = await asyncio.gather(*(look() for _ in range(8)), return_exceptions=True)
    assert sum(one is None for one in said) == 1
    assert sum(isinstance(one, Conflict) for one in said) == 7


async def test_a_killed_call_blocks_its_key_for_a_minute(look, clock):
    assert await look() is None
    clock.advance(minutes=1)
    assert await look() is None


async def test_a_call_given_up_can_be_repeated_at_once(look, settle, ledger, caller):
    assert await look() is None
    await ledger.release(caller, ROUTE, KEY)
    assert await look() is None
    await settle()
    await ledger.release(caller, ROUTE, KEY)
    assert await look() == b"1"


async def test_a_slow_call_and_its_repetition_are_one_charge(look, settle, clock, database):
    assert await look() is None
    clock.advance(minutes=2)
    assert await look() is None
    assert await settle() == await settle()
    assert await look() == b"1"
    assert [*(await invariants.check(database)).values()] == [(1, 0, 300)]


async def test_a_repetition_after_a_crash_behind_the_commit_is_no_charge(look, settle, database):
    first = await settle()
    async with database.write() as connection:
        await connection.execute(text("DELETE FROM idempotency"))
    assert await look() is None
    assert await settle() == first
    assert await look() == b"1"


async def test_an_answer_is_kept_for_a_day(look, settle, clock):
    await settle()
    clock.advance(hours=24, milliseconds=-1)
    assert await look() == b"1"
    clock.advance(milliseconds=1)
    assert await look() is None


async def test_a_key_that_is_used_again_another_day_is_another_call(look, settle, clock, database):
    await settle()
    clock.advance(hours=25)
    assert await look(body=OTHER_BODY) is None
    assert (await settle(body=OTHER_BODY)).monthly_usage == 2
    assert await look(body=OTHER_BODY) == b"2"


async def test_what_is_kept_no_longer_is_deleted(look, settle, ledger, clock, database):
    await settle("done")
    await look("at work")
    clock.advance(hours=23)
    await settle("fresh")
    clock.advance(hours=2)
    await ledger.tidy()
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT COUNT(*) FROM idempotency")) == 1
    assert await look("fresh") == b"2"


async def test_a_failed_ledger_keeps_no_answer(look, settle, ledger, caller, database):
    assert await look() is None
    async with database.write() as connection:
        await connection.execute(text("ALTER TABLE usage_counters RENAME TO away"))
    assert (await settle()).reason == "billing_error"
    async with database.write() as connection:
        await connection.execute(text("ALTER TABLE away RENAME TO usage_counters"))
    await ledger.release(caller, ROUTE, KEY)
    assert await look() is None
    assert (await settle()).monthly_usage == 1


@pytest.mark.parametrize("key", ["\udcff\udcfe", "k" * 255, "'\" \\"])
async def test_any_header_is_a_key(look, settle, key):
    assert await look(key) is None
    await settle(key)
    assert await look(key) == b"1"
