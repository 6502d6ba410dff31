"""The accounts that are billed: who they are, and at which rates."""

import secrets
from dataclasses import dataclass
from typing import Any

from gateway.accounts.pricing import Tier
from gateway.errors import Conflict, InvalidRequest, NotFound
from gateway.storage import accounts
from gateway.storage.accounts import AccountRow
from gateway.storage.engine import Database
from gateway.storage.transactions import Connection, inquire, transact

__all__ = ["AccountRow", "Accounts", "Terms"]

TIMEOUT_SECONDS = 20.0
MAX_NAME = 200


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What an account pays by; None leaves a term as it is.

    Parameters
    ----------
    tier
        Whose published prices apply; an enterprise needs rates of its own.
    auto_tier
        Whether the month's volume decides on the tier instead: the 101st charged call is a starter's.
    single_cents, session_cents
        The enterprise's own rates.
    """

    tier: Tier | None = None
    auto_tier: bool | None = None
    single_cents: int | None = None
    session_cents: int | None = None

    def values(self) -> dict[str, Any]:
        """Give the columns that these terms set."""
        columns = {
            "tier": self.tier,
            "auto_tier": self.auto_tier,
            "custom_single_cents": self.single_cents,
            "custom_session_cents": self.session_cents,
        }
        return {name: value for name, value in columns.items() if value is not None}


class Accounts:
    """The register of accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, name: str, terms: Terms) -> AccountRow:
        """Open an account; without terms it pays as it goes.

        Raises
        ------
        InvalidRequest
            The name is empty, too long, or not to be printed in a line.
        Conflict
            The name is taken.
        """
        if not (1 <= len(name) <= MAX_NAME and name.isprintable() and name == name.strip()):
            raise InvalidRequest(f"an account's name has 1 to {MAX_NAME} printable characters", field="name")

        async def create(connection: Connection) -> AccountRow:
            if await accounts.named(connection, name) is not None:
                raise Conflict(f"an account is named {name} already")
            account_id = secrets.token_hex(8)
            await accounts.add(connection, account_id, name, terms.values())
            return await accounts.get(connection, account_id)

        return await transact(self._database, create, timeout_seconds=TIMEOUT_SECONDS)

    async def change(self, name: str, terms: Terms) -> AccountRow:
        """Change terms; what was charged before stays as it is.

        Raises
        ------
        NotFound
            There is no such account.
        """

        async def change(connection: Connection) -> AccountRow:
            row = await accounts.named(connection, name)
            if row is None:
                raise NotFound(f"no account is named {name}")
            if values := terms.values():
                await accounts.change(connection, row.id, values)
            return await accounts.get(connection, row.id)

        return await transact(self._database, change, timeout_seconds=TIMEOUT_SECONDS)

    async def named(self, name: str) -> AccountRow | None:
        """Look an account up."""
        return await inquire(
            self._database, lambda c: accounts.named(c, name), timeout_seconds=TIMEOUT_SECONDS
        )

    async def list(self) -> list[AccountRow]:
        """List all accounts, by name."""
        return await inquire(self._database, accounts.every, timeout_seconds=TIMEOUT_SECONDS)
