"""What is charged, and what is said about it."""

import asyncio
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from sqlalchemy import text

from gateway.accounts.billing import Billing, patient_digest
from gateway.accounts.ledger import Ledger
from gateway.accounts.register import Accounts, Terms
from tests.accounts import invariants
from tests.accounts.conftest import open_account, outcome_of


async def charge(ledger, outcome, times):
    for _ in range(times):
        assert (await ledger.settle(outcome())).billable


async def start_at(database, caller, usage, period="2026-05"):
    """Begin a month with calls that were charged already, without their events."""
    async with database.write() as connection:
        values = f"('{caller.account}', '{period}', {usage}, 0)"
        await connection.execute(
            text(f"INSERT INTO usage_counters (account_id, period, n, voided) VALUES {values}")
        )


async def test_counts_as_the_contract_does(ledger, outcome, database):
    await charge(ledger, outcome, 46)
    said = [
        await ledger.settle(outcome()),
        await ledger.settle(outcome(valid_vhs=False)),
        await ledger.settle(outcome(call_type="session")),
        await ledger.settle(outcome(call_type="session", endpoint="/v3/pop-session")),
        await ledger.settle(outcome(call_type="session", valid_vhs=False)),
    ]
    assert said == [
        Billing(True, "valid_vhs", "single", 47, "paygo", 300),
        Billing(False, "no_valid_vhs", "single", 47, "paygo", None),
        Billing(True, "valid_vhs", "session", 48, "paygo", 400),
        Billing(True, "valid_vhs", "session", 49, "paygo", 400),
        Billing(False, "no_valid_vhs", "session", 49, "paygo", None),
    ]
    assert [*(await invariants.check(database)).values()] == [(49, 0, 47 * 300 + 2 * 400)]


async def test_the_same_event_is_charged_once(ledger, outcome, database):
    call = outcome(event_id="pop:0123456789abcdef", call_type="session", uuid="dog")
    first = await ledger.settle(call)
    await ledger.settle(outcome())
    assert await ledger.settle(replace(call, request_id="another")) == first
    assert first.monthly_usage == 1
    assert len(await invariants.events(database)) == 2


async def test_a_patient_is_the_same_by_name_and_by_digest(ledger, outcome, caller):
    named = await ledger.settle(outcome(uuid="dog"))
    digested = await ledger.settle(outcome(patient_sha256=patient_digest(caller, "dog")))
    assert (named.reason, digested.reason) == ("valid_vhs", "recheck_24h")
    assert len(await ledger.history(caller, "dog")) == 2


async def test_one_of_many_simultaneous_settlements_of_an_event_charges(ledger, outcome, database):
    call = outcome(uuid="dog")
    said = await asyncio.gather(*(ledger.settle(call) for _ in range(12)))
    assert set(said) == {Billing(True, "valid_vhs", "single", 1, "paygo", 300)}
    assert len(await invariants.events(database)) == 1
    await invariants.check(database)


@pytest.mark.parametrize(
    ("milliseconds", "reason", "usage"),
    [
        (0, "recheck_24h", 1),
        (24 * 3600 * 1000 - 1, "recheck_24h", 1),
        (24 * 3600 * 1000, "valid_vhs", 2),
        (48 * 3600 * 1000, "valid_vhs", 2),
    ],
)
async def test_a_patient_is_free_for_a_day_after_a_charge(
    ledger, outcome, clock, milliseconds, reason, usage
):
    await ledger.settle(outcome(uuid="dog"))
    clock.advance(milliseconds=milliseconds)
    # Of whatever kind the second call is.
    billing = await ledger.settle(outcome(uuid="dog", call_type="session"))
    assert (billing.reason, billing.monthly_usage) == (reason, usage)
    assert billing.rate_cents == (400 if billing.billable else None)


async def test_rechecks_do_not_prolong_the_day(ledger, outcome, clock):
    said = []
    for _ in range(4):
        said.append((await ledger.settle(outcome(uuid="dog"))).billable)
        clock.advance(hours=10)
    assert said == [True, False, False, True]


async def test_a_call_without_a_result_neither_begins_nor_uses_the_day(ledger, outcome):
    said = [
        (await ledger.settle(outcome(uuid="dog", valid_vhs=valid))).reason
        for valid in (False, True, False, True)
    ]
    assert said == ["no_valid_vhs", "valid_vhs", "no_valid_vhs", "recheck_24h"]


@pytest.mark.parametrize("uuid", [None, ""])
async def test_nobody_in_particular_is_never_rechecked(ledger, outcome, uuid):
    said = [(await ledger.settle(outcome(uuid=uuid))).reason for _ in range(2)]
    assert said == ["valid_vhs", "valid_vhs"]


async def test_patients_of_different_accounts_are_different(ledger, outcome, database):
    other = await open_account(database, "Hospital")
    await ledger.settle(outcome(uuid="dog"))
    assert (await ledger.settle(outcome(uuid="dog", caller=other))).billable
    assert await ledger.history(other, "cat") == []


async def test_the_day_outlives_the_key(ledger, outcome, caller):
    await ledger.settle(outcome(uuid="dog"))
    another_key = replace(caller, key_id="another2")
    assert (await ledger.settle(outcome(uuid="dog", caller=another_key))).reason == "recheck_24h"


async def test_a_clock_that_goes_back_does_not_move_the_day(ledger, outcome, clock):
    await ledger.settle(outcome(uuid="dog"))
    clock.advance(hours=-30)
    assert (await ledger.settle(outcome(uuid="dog"))).reason == "recheck_24h"
    clock.advance(hours=30 + 24)
    assert (await ledger.settle(outcome(uuid="dog"))).reason == "valid_vhs"


async def test_of_simultaneous_calls_for_a_patient_one_is_charged(ledger, outcome, database):
    said = await asyncio.gather(*(ledger.settle(outcome(uuid="dog")) for _ in range(12)))
    assert sorted(billing.reason for billing in said) == ["recheck_24h"] * 11 + ["valid_vhs"]
    assert {billing.monthly_usage for billing in said} == {1}
    await invariants.check(database)


async def test_simultaneous_calls_get_numbers_without_gaps(ledger, outcome, database):
    said = await asyncio.gather(*(ledger.settle(outcome()) for _ in range(30)))
    assert sorted(billing.monthly_usage for billing in said) == list(range(1, 31))
    await invariants.check(database)


async def test_a_month_ends_at_midnight_utc(ledger, outcome, clock, database, caller):
    clock.now = datetime(2026, 12, 31, 23, 59, 59, 999_000, tzinfo=timezone.utc)
    await charge(ledger, outcome, 3)
    clock.advance(milliseconds=1)
    assert (await ledger.settle(outcome())).monthly_usage == 1
    assert (await ledger.settle(outcome(valid_vhs=False))).monthly_usage == 1
    assert await invariants.check(database) == {
        (caller.account, "2026-12"): (3, 0, 900),
        (caller.account, "2027-01"): (1, 0, 300),
    }


async def test_a_patients_day_crosses_the_end_of_a_month(ledger, outcome, clock):
    clock.now = datetime(2026, 5, 31, 20, tzinfo=timezone.utc)
    await ledger.settle(outcome(uuid="dog"))
    clock.advance(hours=5)
    billing = await ledger.settle(outcome(uuid="dog"))
    assert (billing.reason, billing.monthly_usage) == ("recheck_24h", 0)


@pytest.mark.parametrize(
    ("before", "tier", "single"),
    [
        (99, "paygo", 300),
        (100, "starter", 250),
        (499, "starter", 250),
        (500, "professional", 200),
        (1999, "professional", 200),
        (2000, "enterprise", 120),
    ],
)
async def test_the_tier_follows_the_volume_where_it_is_set_to(database, ledger, before, tier, single):
    caller = await open_account(database, "Growing", auto_tier=True, single_cents=120, session_cents=180)
    await start_at(database, caller, before)
    assert await ledger.settle(outcome_of(caller)) == Billing(
        True, "valid_vhs", "single", before + 1, tier, single
    )


async def test_a_tier_that_was_assigned_stays(database, ledger, outcome, caller):
    await start_at(database, caller, 5000)
    assert await ledger.settle(outcome()) == Billing(True, "valid_vhs", "single", 5001, "paygo", 300)


async def test_new_terms_hold_from_the_next_call_on(database, ledger, outcome, caller):
    await ledger.settle(outcome())
    await Accounts(database).change("Clinic", Terms(tier="professional"))
    assert (await ledger.settle(outcome(call_type="session"))).rate_cents == 300
    assert (await ledger.usage(caller.account)).cents == 600


async def test_an_enterprise_without_rates_gets_results_and_no_charge(database, ledger, caplog):
    caller = await open_account(database, "Group", tier="enterprise", single_cents=150)
    assert (await ledger.settle(outcome_of(caller, uuid="dog"))).rate_cents == 150
    call = outcome_of(caller, uuid="cat", call_type="session")
    expected = Billing(False, "billing_error", "session", 1, "enterprise", None)
    assert await ledger.settle(call) == expected
    assert "no session rate is set" in caplog.text
    assert await ledger.settle(call) == expected
    # It was not charged, so it frees nothing; its measurement counts.
    assert (await ledger.settle(outcome_of(caller, uuid="cat"))).billable
    assert len(await ledger.history(caller, "cat")) == 2
    assert (await ledger.settle(outcome_of(caller, valid_vhs=False))).reason == "no_valid_vhs"
    await invariants.check(database)


async def test_usage_is_summed_up_by_kind(ledger, outcome, caller, clock):
    for changes in ({}, {"uuid": "dog"}, {"uuid": "dog"}, {"call_type": "session"}, {"valid_vhs": False}):
        await ledger.settle(outcome(**changes))
    found = await ledger.usage(caller.account)
    assert (found.name, found.period, found.tier) == ("Clinic", "2026-05", "paygo")
    assert (found.monthly_usage, found.cents) == (3, 1000)
    assert sorted(found.lines) == [
        ("session", "valid_vhs", 1, 400),
        ("single", "no_valid_vhs", 1, 0),
        ("single", "recheck_24h", 1, 0),
        ("single", "valid_vhs", 2, 600),
    ]
    nothing = await ledger.usage(caller.account, "2026-04")
    assert (nothing.monthly_usage, nothing.cents, nothing.lines) == (0, 0, ())


async def test_history_is_of_the_patient_in_order_without_the_call_itself(ledger, outcome, caller, clock):
    clock.now = datetime(2026, 5, 17, 23, 30, tzinfo=timezone.utc)
    calls = [
        outcome(uuid="dog", vhs=10.25, vlas=None),
        outcome(uuid="cat", vhs=9.0),
        outcome(uuid="dog", valid_vhs=False),
        outcome(uuid="dog", vhs=10.75, vlas=2.5),
        outcome(vhs=8.0),
    ]
    for call in calls:
        await ledger.settle(call)
        clock.advance(hours=1)
    found = await ledger.history(caller, "dog")
    assert [(one.date, one.vhs, one.vlas) for one in found] == [
        ("2026-05-17", 10.25, None),
        ("2026-05-18", 10.75, 2.5),
    ]
    assert await ledger.history(caller, "dog", before_event=calls[3].event_id) == found[:1]
    assert await ledger.history(caller, "bird") == []


async def test_patients_are_kept_as_digests(ledger, outcome, database, tmp_path):
    await ledger.settle(outcome(uuid="Rex-of-the-Millers"))
    for table in ("usage_events", "measurements", "recheck_grace"):
        async with database.read() as connection:
            rows = (await connection.execute(text(f"SELECT * FROM {table}"))).all()
        assert rows
        assert "Rex" not in str(rows)


@pytest.mark.parametrize("uuid", ["\ud800", "a\0b", "é" * 128, "'; DROP TABLE usage_events; --"])
async def test_any_text_names_a_patient(ledger, outcome, caller, uuid):
    said = [(await ledger.settle(outcome(uuid=uuid))).reason for _ in range(2)]
    assert said == ["valid_vhs", "recheck_24h"]
    assert len(await ledger.history(caller, uuid)) == 2


async def test_the_clock_is_the_databases_unless_turned(database, caller, voids):
    ledger = Ledger(database, voids)
    await ledger.settle(outcome_of(caller, uuid="dog"))
    [entry] = await ledger.history(caller, "dog")
    assert abs((datetime.now(timezone.utc) - entry.at).total_seconds()) < 5
