"""`radgate keys` and `radgate accounts`."""

import asyncio
import json
import sqlite3

import pytest
from typer.testing import CliRunner

from gateway.accounts.key_format import is_well_formed
from gateway.accounts.keys import ApiKeys
from gateway.errors import Forbidden
from gateway.settings import Settings
from gateway.storage.engine import open_database
from tests.storage.databases import KINDS, empty_database
from tools.__main__ import app

pytestmark = pytest.mark.usefixtures("no_environment")


@pytest.fixture(params=KINDS)
def radgate(request, tmp_path, monkeypatch):
    """Run a command on an empty database of either kind."""
    monkeypatch.setenv("RADGATE_DATA_DIR", str(tmp_path / "data"))
    with empty_database(request.param, tmp_path) as url:
        if request.param == "postgresql":
            monkeypatch.setenv("RADGATE_DATABASE_URL", url)
        yield lambda *arguments: CliRunner().invoke(app, list(arguments))


def caller(raw):
    """Ask as an instance does, with its own settings."""

    async def ask():
        database = await open_database(Settings().database)
        try:
            return await ApiKeys(database).caller(raw)
        except Forbidden:
            return None
        finally:
            await database.close()

    return asyncio.run(ask())


def secret_of(raw):
    """Give the part of a key that nobody else may know."""
    return raw[len("rad_live_12345678_") :].rsplit("_", 1)[0]


def listed(radgate, *arguments):
    return json.loads(radgate("keys", "list", "--json", *arguments).stdout)


def test_the_last_line_is_the_key_alone(radgate):
    result = radgate("keys", "create", "Clinic")
    raw = result.stdout.splitlines()[-1]
    assert result.exit_code == 0
    assert is_well_formed(raw)
    assert caller(raw).key_id == raw.split("_")[2]


def test_json_holds_the_key_once(radgate):
    made = json.loads(radgate("keys", "create", "Clinic", "--json").stdout)
    assert list(made) == ["account", "key_id", "key"]
    assert caller(made["key"]).key_id == made["key_id"]
    for arguments in (["keys", "list"], ["keys", "list", "--json"], ["accounts", "list"], ["usage"]):
        assert secret_of(made["key"]) not in radgate(*arguments).stdout


def test_an_account_has_as_many_keys_as_it_needs(radgate):
    for name in ("Clinic", "Hospital", "Clinic"):
        radgate("keys", "create", name)
    assert [key["account"] for key in listed(radgate)] == ["Clinic", "Clinic", "Hospital"]
    assert [key["account"] for key in listed(radgate, "Hospital")] == ["Hospital"]
    assert len(json.loads(radgate("accounts", "list", "--json").stdout)) == 2


def test_a_key_can_be_revoked(radgate):
    made = json.loads(radgate("keys", "create", "Clinic", "--json").stdout)
    assert radgate("keys", "revoke", made["key_id"]).stdout == f"Key {made['key_id']} is revoked.\n"
    assert caller(made["key"]) is None
    assert [key["state"] for key in listed(radgate)] == ["revoked"]


def test_a_key_can_be_rotated(radgate):
    old = json.loads(radgate("keys", "create", "Clinic", "--json").stdout)
    new = json.loads(radgate("keys", "rotate", old["key_id"], "--overlap-hours", "2", "--json").stdout)
    assert caller(old["key"]).account == caller(new["key"]).account
    assert [key["expires_at"] is None for key in listed(radgate)] == [False, True]
    at_once = json.loads(radgate("keys", "rotate", new["key_id"], "--overlap-hours", "0", "--json").stdout)
    assert caller(new["key"]) is None
    assert caller(at_once["key"])


def test_a_key_may_have_an_end(radgate):
    radgate("keys", "create", "Clinic", "--expires-days", "30")
    [key] = listed(radgate)
    assert key["expires_at"] > key["created_at"]
    assert "never" in radgate("keys", "list").stdout


def test_terms_are_set_with_the_first_key_or_later(radgate):
    radgate("keys", "create", "Clinic", "--tier", "starter")
    radgate("accounts", "set", "Group", "--tier", "enterprise", "--single-rate", "1.5", "--session-rate", "0")
    radgate("accounts", "set", "Clinic", "--auto-tier")
    assert radgate("accounts", "list").stdout.splitlines() == [
        "ACCOUNT  TIER        OWN RATES",
        "Clinic   by volume   none",
        "Group    enterprise  single $1.50, session $0.00",
    ]
    clinic, group = json.loads(radgate("accounts", "list", "--json").stdout)
    assert (clinic["tier"], clinic["auto_tier"]) == ("starter", True)
    assert (group["single_rate_cents"], group["session_rate_cents"]) == (150, 0)


def test_terms_of_an_open_account_are_not_changed_in_passing(radgate):
    radgate("keys", "create", "Clinic")
    result = radgate("keys", "create", "Clinic", "--tier", "starter")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "radgate accounts set" in result.stderr
    assert len(listed(radgate)) == 1


def test_says_what_an_enterprise_lacks(radgate):
    result = radgate("accounts", "set", "Group", "--tier", "enterprise", "--single-rate", "1")
    assert result.exit_code == 0
    assert result.stderr == "radgate: Group is not charged as an enterprise before --session-rate is given\n"


@pytest.mark.parametrize("rate", ["-1", "1.505", "nan", "inf", "free", "1e12", ""])
def test_a_rate_is_dollars_and_cents(radgate, rate):
    result = radgate("accounts", "set", "Group", f"--single-rate={rate}")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--single-rate must be dollars and cents such as 1.50" in result.stderr


@pytest.mark.parametrize("name", ["", "x" * 201, "two\nlines", " padded"])
def test_a_name_fits_in_a_line(radgate, name):
    result = radgate("keys", "create", name)
    assert result.exit_code == 2
    assert "1 to 200 printable characters" in result.stderr


@pytest.mark.parametrize("command", ["revoke", "rotate"])
def test_an_unknown_key_is_told_in_one_line(radgate, command):
    result = radgate("keys", command, "aaaaaaaa")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "radgate: there is no key aaaaaaaa\n"


def test_a_database_out_of_reach_is_told_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("RADGATE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("RADGATE_DATABASE_URL", "postgresql://someone:hush@127.0.0.1:1/none")
    result = CliRunner().invoke(app, ["keys", "list"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("radgate: the database cannot be opened: ")
    assert "hush" not in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_no_file_of_the_instance_holds_the_key(monkeypatch, tmp_path):
    monkeypatch.setenv("RADGATE_DATA_DIR", str(tmp_path / "data"))
    made = json.loads(CliRunner().invoke(app, ["keys", "create", "Clinic", "--json"]).stdout)
    files = [file for file in (tmp_path / "data").rglob("*") if file.is_file()]
    assert files
    assert not any(secret_of(made["key"]).encode() in file.read_bytes() for file in files)
    with sqlite3.connect(tmp_path / "data" / "app.db") as connection:
        assert connection.execute("SELECT id FROM api_keys").fetchall() == [(made["key_id"],)]
    connection.close()
