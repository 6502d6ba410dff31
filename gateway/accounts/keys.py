"""API keys: shown once, kept as digests, revoked at once."""

import contextlib
import hmac
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import NamedTuple, TypeVar

from gateway.accounts.billing import Caller
from gateway.accounts.key_format import NewKey, digest, is_well_formed, new_key
from gateway.errors import DatabaseUnavailable, Forbidden, NotFound
from gateway.storage import accounts, keys
from gateway.storage.engine import Database
from gateway.storage.keys import KeyRow
from gateway.storage.transactions import Connection, TransactionFailed, inquire, transact

__all__ = ["OVERLAP", "ApiKeys", "Caller", "CreatedKey", "KeyRow"]

logger = logging.getLogger(__name__)
T = TypeVar("T")
TIMEOUT_SECONDS = 20.0
RETRY_AFTER_SECONDS = 5
OVERLAP = timedelta(hours=24)


class CreatedKey(NamedTuple):
    """A key, the only time that it is seen, with its account's name."""

    raw: str
    key_id: str
    account: str


class ApiKeys:
    """The keys of all accounts.

    Each call looks its key up, so that every process refuses a revoked one at once.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def caller(self, raw: str | None) -> Caller:
        """Say who calls with this key.

        Raises
        ------
        Forbidden
            "Invalid API key": missing, mistyped, unknown, revoked or expired.
        DatabaseUnavailable
            The keys cannot be looked up at the moment.
        """
        if raw is None or not is_well_formed(raw):
            raise Forbidden("Invalid API key")
        sha256 = digest(raw)
        row = await self._with_digest(sha256)
        if row is None or not hmac.compare_digest(row.key_sha256, sha256) or row.state != "active":
            raise Forbidden("Invalid API key")
        await self._note_use(row)
        return Caller(row.account_id, row.id)

    async def _with_digest(self, sha256: str) -> KeyRow | None:
        try:
            return await inquire(
                self._database, lambda c: keys.by_digest(c, sha256), timeout_seconds=TIMEOUT_SECONDS
            )
        except TransactionFailed as failure:
            logger.error("no look at API keys: %s", failure)
            raise DatabaseUnavailable(
                "API keys cannot be checked at the moment", retry_after_seconds=RETRY_AFTER_SECONDS
            ) from failure

    async def create(self, account: str, *, valid_for: timedelta | None = None) -> CreatedKey:
        """Make a key for an account, given by its name; without `valid_for` it does not expire.

        Raises
        ------
        NotFound
            There is no such account.
        """
        key = new_key()

        async def create(connection: Connection) -> None:
            row = await accounts.named(connection, account)
            if row is None:
                raise NotFound(f"no account is named {account}")
            await _add(connection, key, row.id, valid_for)

        await self._transact(create)
        return CreatedKey(key.raw, key.key_id, account)

    async def list(self, account: str | None = None) -> list[KeyRow]:
        """List the keys of an account, given by its name, or of all; those that ended too."""
        return await inquire(
            self._database, lambda c: keys.every(c, account=account), timeout_seconds=TIMEOUT_SECONDS
        )

    async def revoke(self, key_id: str) -> None:
        """End a key now.

        Raises
        ------
        NotFound
            There is no such key.
        """

        async def revoke(connection: Connection) -> None:
            await _get(connection, key_id)
            await keys.revoke(connection, key_id)

        await self._transact(revoke)

    async def rotate(
        self, key_id: str, *, overlap: timedelta = OVERLAP, valid_for: timedelta | None = None
    ) -> CreatedKey:
        """Make a key to follow another, which ends after the overlap; until then both are good.

        Raises
        ------
        NotFound
            There is no such key, or it has ended.
        """
        key = new_key()

        async def rotate(connection: Connection) -> str:
            old = await _get(connection, key_id)
            if old.state != "active":
                raise NotFound(f"the key {key_id} is {old.state}")
            await keys.expire_in(connection, key_id, overlap)
            await _add(connection, key, old.account_id, valid_for)
            return old.account

        return CreatedKey(key.raw, key.key_id, await self._transact(rotate))

    async def _note_use(self, row: KeyRow) -> None:
        today = row.now.date()
        if row.last_used_day == today:
            return
        with contextlib.suppress(TransactionFailed):  # no reason to refuse the call
            await self._transact(lambda c: keys.note_use(c, row.id, today))

    async def _transact(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        return await transact(self._database, work, timeout_seconds=TIMEOUT_SECONDS)


async def _get(connection: Connection, key_id: str) -> KeyRow:
    row = await keys.by_id(connection, key_id)
    if row is None:
        raise NotFound(f"there is no key {key_id}")
    return row


async def _add(connection: Connection, key: NewKey, account_id: str, valid_for: timedelta | None) -> None:
    await keys.add(
        connection, key_id=key.key_id, account_id=account_id, key_sha256=key.sha256, valid_for=valid_for
    )
