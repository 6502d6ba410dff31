"""Who calls an API whose contract has no authentication, by what its operator asks for."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.accounts.keys import ApiKeys
from gateway.apis.api import token_verifier
from gateway.settings import Auth, Settings
from gateway.storage.engine import Database

Account = Callable[[web.Request], Awaitable[str]]
"""Says on whose behalf a request comes, or refuses it."""


def account_of(auth: Auth, settings: Settings, database: Database) -> Account:
    """Give what says on whose behalf a request comes; without a check everyone is the same."""
    if auth == "jwt":
        tokens = token_verifier(settings)

        async def by_token(request: web.Request) -> str:
            return tokens.verify(request.headers.get("Authorization")).subject

        return by_token
    if auth == "key":
        keys = ApiKeys(database)

        async def by_key(request: web.Request) -> str:
            return (await keys.caller(request.headers.get("x-api-key"))).account

        return by_key
    return _everyone


async def _everyone(_: web.Request) -> str:
    return ""
