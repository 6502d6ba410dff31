"""`radgate usage`."""

import asyncio
import json
from datetime import datetime, timezone

import pytest
from typer.testing import CliRunner

from gateway.accounts.ledger import Ledger
from gateway.settings import Settings
from gateway.storage.engine import open_database
from tests.accounts.conftest import open_account, outcome_of
from tools.__main__ import app

pytestmark = pytest.mark.usefixtures("no_environment")


@pytest.fixture
def radgate(tmp_path, monkeypatch):
    """Run a command on a database where two accounts made calls in May 2026."""
    monkeypatch.setenv("RADGATE_DATA_DIR", str(tmp_path))
    asyncio.run(_calls(tmp_path))
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


async def _calls(folder):
    async def clock(connection):
        return datetime(2026, 5, 31, 23, 59, tzinfo=timezone.utc)

    database = await open_database(Settings().database)
    ledger = Ledger(database, folder / "voids", clock=clock)
    clinic = await open_account(database, "Clinic")
    await open_account(database, "Another", tier="professional")
    for changes in ({"uuid": "dog"}, {"uuid": "dog"}, {}, {"call_type": "session"}, {"valid_vhs": False}):
        await ledger.settle(outcome_of(clinic, **changes))
    await database.close()


def test_prints_what_is_owed(radgate):
    assert radgate("usage", "--month", "2026-05").stdout == (
        "Another, 2026-05 (UTC): 0 calls, $0.00, tier professional\n"
        "Clinic, 2026-05 (UTC): 3 calls, $10.00, tier paygo\n"
        "  session  valid_vhs     1  $4.00\n"
        "  single   no_valid_vhs  1  $0.00\n"
        "  single   recheck_24h   1  $0.00\n"
        "  single   valid_vhs     2  $6.00\n"
    )


def test_json_has_integer_cents(radgate):
    [found] = json.loads(radgate("usage", "Clinic", "--month", "2026-05", "--json").stdout)
    lines = found.pop("lines")
    assert found == {
        "account": "Clinic",
        "period": "2026-05",
        "tier": "paygo",
        "monthly_usage": 3,
        "cents": 1000,
    }
    assert {"call_type": "single", "reason": "valid_vhs", "events": 2, "cents": 600} in lines


def test_the_month_is_this_one_unless_given(radgate):
    [found] = json.loads(radgate("usage", "Clinic", "--json").stdout)
    assert found["period"] == f"{datetime.now(timezone.utc):%Y-%m}"
    assert found["monthly_usage"] == 0


@pytest.mark.parametrize("month", ["2026", "2026-13", "2026-5", "may", "2026-05-01"])
def test_a_month_is_a_month(radgate, month):
    result = radgate("usage", "--month", month)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "YYYY-MM" in result.stderr


def test_an_unknown_account_is_told_in_one_line(radgate):
    result = radgate("usage", "Nobody")
    assert (result.exit_code, result.stderr) == (2, "radgate: no account is named Nobody\n")
