"""Four processes, calls that several of them make, and kill -9: each event is there once, counted once."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.accounts import invariants, ledger_worker
from tests.accounts.ledger_worker import ACCOUNTS, call, event_ids

CALLS = int(os.environ.get("RADGATE_TEST_LEDGER_CALLS", "100"))
KILLS = int(os.environ.get("RADGATE_TEST_LEDGER_KILLS", "1"))
WORKERS = 4
OWN_BEFORE_A_KILL = 40
ROOT = Path(__file__).parents[2]


@pytest.fixture
async def two_accounts(database):
    async with database.write() as connection:
        for name in ACCOUNTS:
            values = f"('{name}', '{name}', 'paygo', false, 0)"
            columns = "(id, name, tier, auto_tier, created_at)"
            await connection.execute(text(f"INSERT INTO accounts {columns} VALUES {values}"))


@pytest.fixture
def start(database_url, tmp_path):
    """Start a worker; none outlives the test."""
    started = []

    def start(worker):
        command = [
            sys.executable,
            ledger_worker.__file__,
            database_url,
            str(tmp_path),
            str(worker),
            str(CALLS),
        ]
        started.append(subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


async def test_nothing_is_lost_or_counted_twice(database, two_accounts, start, tmp_path):
    others = [start(worker) for worker in range(1, WORKERS)]
    own = 0
    for _ in range(KILLS):
        victim = start(WORKERS)
        own = await wait_for_more_of_its_own(database, victim, own + OWN_BEFORE_A_KILL)
        victim.kill()
        victim.wait()
    before = time.monotonic()
    others.append(start(WORKERS))
    assert [process.wait(timeout=300) for process in others] == [0] * WORKERS
    print(f"{own} of its own events at the last kill; {time.monotonic() - before:.1f} s after it")

    expected = {event_id for worker in range(1, WORKERS + 1) for event_id in event_ids(worker, CALLS)}
    assert len(expected) == WORKERS * (CALLS - CALLS // 5) + CALLS // 5
    rows = await invariants.events(database, "event_id, at, billable, reason, monthly_usage")
    assert {row.event_id for row in rows} == expected
    assert len(rows) == len(expected)
    counters = {account: n for (account, _), (n, voided, _) in (await invariants.check(database)).items()}
    assert counters == {account: charged(account, expected) for account in ACCOUNTS}
    require_notes_agree(tmp_path, {row.event_id: row for row in rows})
    assert not (tmp_path / "voids").exists()


def charged(account, event_ids):
    """Count what must be charged: each patient once, whoever was first, and each call of nobody."""
    calls = [call(event_id) for event_id in event_ids]
    valid = [one for one in calls if one.caller.account == account and one.valid_vhs]
    return len({one.uuid for one in valid if one.uuid}) + sum(one.uuid is None for one in valid)


def require_notes_agree(folder, events):
    """Whoever settled an event, at first or again, was told what the ledger holds."""
    notes = [line.split("\t") for file in folder.glob("notes *") for line in file.read_text().splitlines()]
    assert len(notes) > len(events)
    for event_id, billable, reason, usage in notes:
        event = events[event_id]
        assert (billable, reason) == (str(bool(event.billable)), event.reason)
        assert int(usage) == event.monthly_usage


async def wait_for_more_of_its_own(database, process, wanted):
    own = 0
    while own < wanted:
        assert process.poll() is None, "the worker was through before it was killed"
        time.sleep(0.02)
        own = len(await invariants.events(database, "event_id", f"event_id LIKE 'worker {WORKERS} %'"))
    return own
