"""What is charged, and what is said about it."""

import asyncio
from datetime import datetime, timezone

import pytest

from gateway.accounts.billing import Billing


async def charge(ledger, outcome, times):
    for _ in range(times):
        assert (await ledger.settle(outcome())).billable


async def test_counts_as_the_contract_does(ledger, outcome):
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
