"""A ledger that fails: the call gets its result, and is not charged, now or later."""

import asyncio
import contextlib
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from gateway.accounts.billing import Billing, Idempotency, event_id_of
from gateway.accounts.ledger import Ledger
from gateway.storage.engine import Database, open_database
from tests.accounts import invariants
from tests.accounts.conftest import open_account, outcome_of
from tests.storage.databases import empty_database
from tests.storage.wire import wire_to


@pytest.fixture
async def wired(tmp_path, clock, migrated):
    """A ledger on PostgreSQL through a wire, the wire, a caller, and the database without it."""
    with empty_database("postgresql", tmp_path, like=migrated("postgresql")) as url:
        direct = await open_database(url)
        async with wire_to(url) as (through, wire):
            database = await open_database(through)
            caller = await open_account(direct, "Clinic")
            yield Ledger(database, tmp_path / "voids", clock=clock), wire, caller, direct
            wire.is_down = False
            await database.close()
        await direct.close()


async def break_tables(database):
    async with database.write() as connection:
        await connection.execute(text("ALTER TABLE usage_counters RENAME TO away"))


async def mend_tables(database):
    async with database.write() as connection:
        await connection.execute(text("ALTER TABLE away RENAME TO usage_counters"))


async def test_a_ledger_that_fails_costs_nothing(ledger, outcome, database, caller, voids, caplog):
    await ledger.settle(outcome())
    await break_tables(database)
    call = outcome(uuid="dog")
    assert await ledger.settle(call) == Billing(False, "billing_error", "single", 1, "paygo", None)
    assert call.event_id in caplog.text
    await mend_tables(database)
    # Nothing is left of it: no event, no patient's day, no order, and the call can be made again.
    assert not voids.exists()
    assert len(await invariants.events(database)) == 1
    assert await ledger.history(caller, "dog") == []
    assert (await ledger.settle(call)).monthly_usage == 2
    await invariants.check(database)


async def test_before_the_first_call_the_usage_is_unknown(ledger, outcome, database):
    await break_tables(database)
    assert (await ledger.settle(outcome())).monthly_usage == 0


async def test_a_fault_in_the_words_of_the_database_stays_out_of_the_log(ledger, outcome, database, caplog):
    await break_tables(database)
    await ledger.settle(outcome(uuid="Rex", model_version="a version"))
    assert "INSERT" not in caplog.text
    assert "a version" not in caplog.text


async def test_a_connection_lost_before_the_commit_is_made_again(wired):
    ledger, wire, caller, direct = wired
    wire.breaks = "before"
    assert (await ledger.settle(outcome_of(caller, uuid="dog"))).billable
    assert [*(await invariants.check(direct)).values()] == [(1, 0, 300)]


async def test_a_commit_whose_answer_is_lost_is_found_again(wired, tmp_path):
    ledger, wire, caller, direct = wired
    wire.breaks = "after"
    said = await ledger.settle(outcome_of(caller, uuid="dog"))
    assert said == Billing(True, "valid_vhs", "single", 1, "paygo", 300)
    assert [*(await invariants.check(direct)).values()] == [(1, 0, 300)]
    assert not (tmp_path / "voids").exists()


@pytest.mark.parametrize("breaks", ["before", "after"])
async def test_what_may_be_charged_though_nobody_was_told_is_taken_back(wired, tmp_path, breaks):
    ledger, wire, caller, direct = wired
    assert (await ledger.settle(outcome_of(caller, uuid="cat"))).billable
    wire.breaks, wire.for_good = breaks, True
    call = outcome_of(caller, uuid="dog")
    assert await ledger.settle(call) == Billing(False, "billing_error", "single", 1, "paygo", None)
    charged = [row.event_id for row in await invariants.events(direct, where="billable")]
    assert (call.event_id in charged) == (breaks == "after")
    assert len(list((tmp_path / "voids").iterdir())) == 1

    wire.is_down = False
    await ledger.tidy()
    assert list((tmp_path / "voids").iterdir()) == []
    voided = int(breaks == "after")
    assert [*(await invariants.check(direct)).values()] == [(1 + voided, voided, 300)]
    assert (await ledger.usage(caller.account)).monthly_usage == 1
    # The same event is free for ever; the patient is not.
    again = await ledger.settle(call)
    assert again == Billing(False, "billing_error", "single", 1, "paygo", None)
    assert (await ledger.settle(outcome_of(caller, uuid="dog"))).monthly_usage == 2
    assert [*(await invariants.check(direct)).values()] == [(2 + voided, voided, 600)]


async def test_an_order_waits_for_a_commit_that_is_on_its_way(wired):
    """The wire broke, the server has not noticed: its transaction is open, and commits later."""
    ledger, _wire, caller, direct = wired
    call = outcome_of(caller)
    late = Ledger(direct, ledger._spool._folder, clock=ledger._clock)
    on_its_way, may_commit = asyncio.Event(), asyncio.Event()

    async def slow_book(connection):
        billing = await late._book(connection, call)
        on_its_way.set()
        await may_commit.wait()
        return billing

    settling = asyncio.create_task(late._transact(slow_book))
    await on_its_way.wait()
    await ledger._order_void(call)
    tidying = asyncio.create_task(ledger.tidy())
    await asyncio.sleep(0.3)
    assert not tidying.done()
    may_commit.set()
    assert (await settling).billable
    await tidying
    assert [*(await invariants.check(direct)).values()] == [(1, 1, 0)]


async def test_another_process_carries_orders_out(wired, tmp_path):
    ledger, wire, caller, direct = wired
    wire.breaks, wire.for_good = "after", True
    call = outcome_of(caller)
    await ledger.settle(call)
    restarted = Ledger(direct, tmp_path / "voids")
    assert (await restarted.settle(outcome_of(caller, valid_vhs=False))).monthly_usage == 0
    assert (await restarted.usage(caller.account)).monthly_usage == 0


async def test_a_repetition_is_not_told_that_a_voided_call_was_charged(wired):
    ledger, wire, caller, direct = wired
    event = event_id_of(caller, "/v3/predict", "key", "b" * 64)
    repeated = Idempotency("/v3/predict", "key", "b" * 64, lambda billing: str(billing.billable).encode())
    call = outcome_of(caller, event_id=event, idempotency=repeated)
    assert await ledger.stored_answer(caller, "/v3/predict", "key", "b" * 64) is None
    wire.breaks, wire.for_good = "after", True
    assert not (await ledger.settle(call)).billable
    wire.is_down = False
    assert await ledger.stored_answer(caller, "/v3/predict", "key", "b" * 64) is None
    assert (await ledger.settle(call)).reason == "billing_error"
    assert await ledger.stored_answer(caller, "/v3/predict", "key", "b" * 64) == b"False"
    assert [*(await invariants.check(direct)).values()] == [(1, 1, 0)]


async def test_out_of_reach_a_ledger_still_answers(wired):
    ledger, wire, caller, _ = wired
    wire.is_down = True
    await ledger._database.close()
    assert (await ledger.settle(outcome_of(caller))).reason == "billing_error"
    assert await ledger.history(caller, "dog") is None
    assert await ledger.stored_answer(caller, "/v3/predict", "key", "b" * 64) is None
    await ledger.release(caller, "/v3/predict", "key")
    await ledger.tidy()
    assert not ledger._spool._folder.exists()


class LosesTheEnd(Database):
    """SQLite does not show it on demand: a commit that is done, and reported as failed."""

    def __init__(self, database: Database) -> None:
        super().__init__(database.url, database._writer, database._reader)
        self.times = 0

    @contextlib.asynccontextmanager
    async def _write(self):
        async with super().write() as connection:
            yield connection
        if self.times:
            self.times -= 1
            raise OperationalError("COMMIT", {}, OSError("disk I/O error"))

    def write(self):
        return self._write()


@pytest.mark.parametrize("times", [1, 100])
async def test_a_commit_that_says_it_failed_and_did_not(database, caller, clock, voids, times):
    losing = LosesTheEnd(database)
    ledger = Ledger(losing, voids, clock=clock)
    losing.times = times
    call = outcome_of(caller, uuid="dog")
    billing = await ledger.settle(call)
    if times == 1:
        assert billing.billable
    else:
        assert billing.reason == "billing_error"
        losing.times = 0
        await ledger.tidy()
        assert (await ledger.usage(caller.account)).monthly_usage == 0
        assert [row.reason for row in await invariants.events(database)] == ["valid_vhs", "void"]
    await invariants.check(database)


async def test_a_caller_that_goes_away_does_not_stop_a_settlement(ledger, outcome, database):
    settling = asyncio.create_task(ledger.settle(outcome()))
    await asyncio.sleep(0)
    settling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await settling

    async def settled():
        while not await invariants.events(database):
            await asyncio.sleep(0.01)

    await asyncio.wait_for(settled(), 5)
    await invariants.check(database)


async def test_an_order_is_on_disk_for_its_owner_alone(ledger, outcome, voids):
    await ledger._order_void(outcome())
    [file] = voids.iterdir()
    assert (voids.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)


async def test_a_file_that_is_no_order_stops_nothing(ledger, outcome, voids, caplog):
    voids.mkdir()
    (voids / "0.json").write_text("{")
    assert (await ledger.settle(outcome())).billable
    assert "is no void order" in caplog.text


async def test_an_order_that_cannot_be_carried_out_stops_no_other(ledger, outcome, caller, voids):
    call = outcome()
    await ledger.settle(call)
    await ledger._order_void(outcome(caller=replace(caller, account="gone")))
    await ledger._order_void(call)
    for _ in range(20):
        await ledger.tidy()
    assert len(list(voids.iterdir())) == 1
    assert (await ledger.usage(caller.account)).monthly_usage == 0


async def test_a_disk_that_is_full_too_is_said_out_loud(database, caller, clock, voids, caplog):
    voids.write_text("no folder can be made below a file")
    losing = LosesTheEnd(database)
    ledger = Ledger(losing, voids / "voids", clock=clock)
    losing.times = 100
    call = outcome_of(caller)
    assert (await ledger.settle(call)).reason == "billing_error"
    assert f"event {call.event_id} may be charged, which nobody was told" in caplog.text
