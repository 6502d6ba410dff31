"""What an instance gives to each of its APIs, and what it gets back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from gateway.accounts.secrets import secret_from
from gateway.accounts.tokens import TokenVerifier
from gateway.jobs.durable import DurableJobEngine
from gateway.settings import Settings
from gateway.storage.engine import Database
from gateway.triton.admission import Admissions
from gateway.triton.canary import Canary
from gateway.triton.client import TritonClient
from gateway.web.mount import ErrorAnswer


class Instance(NamedTuple):
    """What the APIs of one instance share."""

    settings: Settings
    triton: TritonClient
    database: Database
    canary: Canary
    """Watches the pipelines that are registered with it."""
    jobs: DurableJobEngine
    """Starts when all APIs are put together: each says before what kinds of work it brings."""
    admissions: Admissions
    """Who goes next at a model, of all APIs."""


class Routes(NamedTuple):
    """Routes whose errors look the same."""

    routes: Sequence[web.RouteDef]
    error_answer: ErrorAnswer


@dataclass(frozen=True, kw_only=True)
class Api:
    """One public API, put together.

    Parameters
    ----------
    openapi
        Its OpenAPI document.
    below
        Beginnings of paths that are this API's alone, and who answers for what it does not have there.
    port
        Where it also stands alone, with `error_answer` for what it does not have.
    stopping
        Called when a port closes, for requests that would keep it open.
    """

    name: str
    groups: Sequence[Routes]
    openapi: Path
    below: Mapping[str, ErrorAnswer] = field(default_factory=dict)
    port: int | None = None
    stopping: Callable[[], Awaitable[None]] | None = None

    @property
    def error_answer(self) -> ErrorAnswer:
        """Who answers for what belongs to no group."""
        return self.groups[0].error_answer


Builder = Callable[[Instance], AbstractAsyncContextManager[Api]]
"""Puts an API together and starts what it needs; at the end of the context that is stopped."""


def token_verifier(settings: Settings) -> TokenVerifier:
    """Build the verifier of the secret in force, and of the previous one during a rotation."""
    secrets = [secret_from(settings.jwt_secret.get_secret_value() or None, settings.secret_file)]
    if previous := settings.jwt_previous_secret.get_secret_value():
        secrets.append(previous)
    return TokenVerifier(secrets, settings.jwt_denied_file)


@contextlib.asynccontextmanager
async def in_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run something until the end of the context."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
