"""Ledgers on both databases, with a clock that tests turn."""

import contextlib
import functools
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from gateway.accounts.billing import Outcome, new_event_id
from gateway.accounts.keys import ApiKeys
from gateway.accounts.ledger import Ledger
from gateway.accounts.register import Accounts, Terms
from gateway.storage.engine import database_url as parse
from gateway.storage.migrate import upgrade
from tests.storage.databases import KINDS, empty_database


class Clock:
    """Stands still unless told to move."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 17, 12, 0, tzinfo=timezone.utc)

    async def __call__(self, connection: Any) -> datetime:
        return self.now

    def advance(self, **period: float) -> None:
        self.now += timedelta(**period)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """Give a database of a kind that has its tables, to be copied: that is quicker than to make them."""

    @functools.cache
    def make(kind):
        url = made.enter_context(empty_database(kind, tmp_path_factory.mktemp(kind)))
        upgrade(parse(url))
        return url

    with contextlib.ExitStack() as made:
        yield make


@pytest.fixture(params=KINDS)
def database_url(request, tmp_path, migrated):
    """A database of either kind without accounts."""
    with empty_database(request.param, tmp_path, like=migrated(request.param)) as url:
        yield url


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def voids(tmp_path):
    return tmp_path / "voids"


@pytest.fixture
def ledger(database, clock, voids):
    return Ledger(database, voids, clock=clock)


@pytest.fixture
async def caller(database):
    """A caller of a new account, which pays as it goes."""
    return await open_account(database, "Clinic")


@pytest.fixture
def outcome(caller) -> Callable[..., Outcome]:
    """A call that gave a valid VHS, unless told otherwise."""
    return lambda **changes: outcome_of(changes.pop("caller", caller), **changes)


async def open_account(database, name, **terms):
    """Open an account and give its caller."""
    await Accounts(database).create(name, Terms(**terms))
    keys = ApiKeys(database)
    return await keys.caller((await keys.create(name)).raw)


def outcome_of(caller, **changes) -> Outcome:
    values = {
        "event_id": new_event_id(),
        "caller": caller,
        "endpoint": "/v3/predict",
        "call_type": "single",
        "result_code": 1,
        "valid_vhs": True,
        "uuid": None,
        "vhs": 10.5,
        "vlas": 2.1,
        "model_version": "1.0.0",
        "request_id": "r",
    }
    if changes.get("valid_vhs") is False:
        values |= {"result_code": 5, "vhs": None, "vlas": None}
    return Outcome(**{**values, **changes})
