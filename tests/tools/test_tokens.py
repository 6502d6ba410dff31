"""`radgate tokens issue`."""

import json
import time

import pytest
from typer.testing import CliRunner

from gateway.accounts.tokens import TokenVerifier
from gateway.apis.chest_xray import token_verifier
from gateway.settings import Settings
from tools.__main__ import app

pytestmark = pytest.mark.usefixtures("no_environment")
SECRET = "x" * 32


@pytest.fixture
def issue(monkeypatch):
    monkeypatch.setenv("RADGATE_JWT_SECRET", SECRET)
    return lambda *arguments: CliRunner().invoke(app, ["tokens", "issue", *arguments])


def claims(token):
    return TokenVerifier([SECRET]).verify(token)


def test_the_last_line_is_the_token_alone(issue):
    result = issue("--subject", "Site A")
    assert result.exit_code == 0
    assert claims(result.stdout.splitlines()[-1]).subject == "Site A"


def test_a_token_holds_for_thirty_days_unless_told_otherwise(issue):
    for arguments, days in (([], 30), (["--days", "1"], 1), (["--days", "0.5"], 0.5)):
        token = issue("--subject", "x", *arguments).stdout.splitlines()[-1]
        assert claims(token).expires_at == pytest.approx(time.time() + days * 86400, abs=60)


def test_json_holds_the_token_and_nothing_else(issue):
    result = issue("--subject", "x", "--json")
    document = json.loads(result.stdout)
    assert list(document) == ["token"]
    assert claims(document["token"]).subject == "x"


def test_no_two_tokens_are_the_same(issue):
    assert len({issue("--subject", "x", "--json").stdout for _ in range(3)}) == 3


@pytest.mark.parametrize(
    "arguments", [[], ["--subject", "x", "--days", "0"], ["--subject", "x", "--days", "-1"]]
)
def test_asks_for_what_is_missing_or_makes_no_sense(issue, arguments):
    assert issue(*arguments).exit_code == 2


@pytest.mark.parametrize("days", ["nan", "inf", "1e9"])
def test_no_token_holds_for_ever(issue, days):
    assert issue("--subject", "x", "--days", days).exit_code == 2


def test_a_short_secret_is_refused_in_one_line(issue, monkeypatch):
    monkeypatch.setenv("RADGATE_JWT_SECRET", "tiny")
    result = issue("--subject", "x")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "radgate: The secret is shorter than 32 bytes\n"


def test_an_instance_takes_the_token_of_its_own_secret_file(tmp_path, monkeypatch):
    monkeypatch.setenv("RADGATE_DATA_DIR", str(tmp_path / "data"))
    result = CliRunner().invoke(app, ["tokens", "issue", "--subject", "x"])
    assert token_verifier(Settings()).verify(result.stdout.splitlines()[-1]).subject == "x"
