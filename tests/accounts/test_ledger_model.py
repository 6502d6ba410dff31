"""The ledger against a model of a few lines, over random calls, hours, repetitions and losses."""

import asyncio
import os
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from gateway.accounts.ledger import Ledger
from gateway.accounts.pricing import RATE_CENTS, tier_of
from gateway.storage.engine import open_database
from tests.accounts import invariants
from tests.accounts.conftest import Clock, open_account, outcome_of
from tests.storage.databases import KINDS, empty_database

# Near the edges of a patient's day, and of a month.
PAUSES = [
    timedelta(0),
    timedelta(milliseconds=1),
    timedelta(hours=11),
    timedelta(hours=24) - timedelta(milliseconds=1),
    timedelta(hours=24),
]
DAY = timedelta(hours=24)
FEW = settings(
    max_examples=int(os.environ.get("RADGATE_TEST_LEDGER_RUNS", "15")),
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
START = datetime(2026, 2, 26, 23, 30, tzinfo=timezone.utc)


class Model:
    """What the ledger should say, in dictionaries."""

    def __init__(self):
        self.usage = {}
        self.cents = {}
        self.billed = {}
        self.said = {}
        self.history = {}
        self.calls = {}

    def settle(self, call, now):
        if call.event_id not in self.said:
            self.calls[call.event_id] = (call, now)
            self.said[call.event_id] = self._decide(call, now)
        return self.said[call.event_id]

    def _decide(self, call, now):
        month = now.strftime("%Y-%m")
        reason = self._reason(call, now)
        if reason == "valid_vhs":
            self.usage[month] = self.usage.get(month, 0) + 1
        usage = self.usage.get(month, 0)
        cents = RATE_CENTS[tier_of(usage)][call.call_type] if reason == "valid_vhs" else None
        self.cents[month] = self.cents.get(month, 0) + (cents or 0)
        return reason, usage, cents

    def _reason(self, call, now):
        if not call.valid_vhs:
            return "no_valid_vhs"
        if not call.uuid:
            return "valid_vhs"
        self.history.setdefault(call.uuid, []).append(call.vhs)
        _, billed_at = self.billed.get(call.uuid, (None, now - DAY))
        if now < billed_at + DAY:
            return "recheck_24h"
        self.billed[call.uuid] = (call.event_id, now)
        return "valid_vhs"

    def void(self, event_id):
        call, then = self.calls[event_id]
        reason, _, cents = self.said[event_id]
        if reason != "valid_vhs":
            return
        month = then.strftime("%Y-%m")
        self.usage[month] -= 1
        self.cents[month] -= cents
        self.said[event_id] = ("billing_error", self.usage[month], None)
        if call.uuid and self.billed[call.uuid][0] == event_id:
            del self.billed[call.uuid]


class LedgerMachine(RuleBasedStateMachine):
    """Each step does the same to both."""

    loop: asyncio.AbstractEventLoop
    database = None
    runs = 0
    folder = None

    @initialize()
    def begin(self):
        type(self).runs += 1
        self.model, self.clock, self.number = Model(), Clock(), 0
        self.clock.now = START
        self.ledger = Ledger(self.database, self.folder / f"voids{self.runs}", clock=self.clock)
        self.caller = self.wait(open_account(self.database, f"Account {self.runs}", auto_tier=True))

    def wait(self, work):
        return self.loop.run_until_complete(work)

    @rule(pause=st.sampled_from(PAUSES))
    def time_passes(self, pause):
        self.clock.now += pause

    @rule(
        uuid=st.sampled_from([None, "", "dog", "cat"]),
        valid=st.sampled_from([True, True, True, False]),
        call_type=st.sampled_from(["single", "session"]),
    )
    def call(self, uuid, valid, call_type):
        self.number += 1
        changes = {"vhs": float(self.number)} if valid else {}
        call = outcome_of(
            self.caller,
            event_id=f"run {self.runs} call {self.number}",
            uuid=uuid,
            valid_vhs=valid,
            call_type=call_type,
            **changes,
        )
        self.agree(call)

    @rule(data=st.data())
    def repeat(self, data):
        if self.model.calls:
            event_id = data.draw(st.sampled_from(sorted(self.model.calls)))
            self.agree(self.model.calls[event_id][0])

    @rule(data=st.data())
    def void(self, data):
        if self.model.calls:
            event_id = data.draw(st.sampled_from(sorted(self.model.calls)))
            self.wait(self.ledger._order_void(self.model.calls[event_id][0]))
            self.wait(self.ledger.tidy())
            self.model.void(event_id)

    def agree(self, call):
        billing = self.wait(self.ledger.settle(call))
        assert (billing.reason, billing.monthly_usage, billing.rate_cents) == self.model.settle(
            call, self.clock.now
        )
        assert billing.billable == (billing.rate_cents is not None)

    @invariant()
    def sums_and_histories_agree(self):
        for month, cents in self.model.cents.items():
            found = self.wait(self.ledger.usage(self.caller.account, month))
            assert (found.monthly_usage, found.cents) == (self.model.usage.get(month, 0), cents)
        for uuid, history in self.model.history.items():
            found = self.wait(self.ledger.history(self.caller, uuid))
            assert sorted(one.vhs for one in found) == history

    def teardown(self):
        self.wait(invariants.check(self.database))


@pytest.fixture
def loop():
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_the_model(kind, tmp_path, loop):
    with empty_database(kind, tmp_path) as url:
        opened = loop.run_until_complete(open_database(url))
        shared = {"loop": loop, "database": opened, "folder": tmp_path}
        try:
            run_state_machine_as_test(type("Machine", (LedgerMachine,), shared), settings=FEW)
        finally:
            loop.run_until_complete(opened.close())
