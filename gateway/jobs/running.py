"""One attempt at a job: what its work sees, and what its runner does to it."""

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Executor
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.jobs.engine import JobCancelled
from gateway.jobs.items import Items
from gateway.storage import items as item_rows
from gateway.storage import jobs, steps
from gateway.storage.engine import Database
from gateway.storage.rows import Counts, StartedRow

T = TypeVar("T")
_ITEMS = "$items"


class Superseded(Exception):
    """Another process has taken the job over; whatever this one still does must not count."""


class RunningJob:
    """A `JobContext`; see there for what its work may use."""

    def __init__(
        self, database: Database, row: StartedRow, outputs: dict[str, str], pools: Mapping[str, Executor]
    ) -> None:
        self._database = database
        self._outputs = outputs
        self._pools = pools
        self._items: Items | None = None
        self._cancelled = row.cancel_requested
        self.id = row.id
        self.kind = row.kind
        self.account = row.account
        self.request: Mapping[str, Any] = json.loads(row.request)
        self.secret = row.secret
        self.attempt = row.attempt
        self.crash_count = row.crash_count
        self.counts = Counts(row.phase, row.done, row.failed, row.total, row.detail)
        self.is_changed = False
        self.is_lost = False
        self.is_ending = False
        self.task = asyncio.current_task()

    def is_cancelled(self) -> bool:
        """Tell whether someone asked the job to end."""
        return self._cancelled

    def progress(
        self,
        *,
        done: int | None = None,
        failed: int | None = None,
        total: int | None = None,
        phase: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Say how far the work has come."""
        text = None if detail is None else json.dumps(detail)
        given = {"done": done, "failed": failed, "total": total, "phase": phase, "detail": text}
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        self.counts = dataclasses.replace(self.counts, **changes)
        self.is_changed = True

    async def step(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        """Run a part that later attempts skip."""
        if name not in self._outputs:
            self._require_wanted()
            output = json.dumps(await work())
            async with self.transaction() as connection:
                await steps.record(connection, self.id, name, output)
                await jobs.forgive(connection, self.id)
            self._outputs[name] = output
        result: T = json.loads(self._outputs[name])
        return result

    async def items(self, list_names: Callable[[], Awaitable[Iterable[str]]]) -> Items:
        """Give the job's list of items."""
        if _ITEMS not in self._outputs:
            self._require_wanted()
            names = await list_names()
            async with self.transaction() as connection:
                output = json.dumps(await item_rows.add(connection, self.id, names))
                await steps.record(connection, self.id, _ITEMS, output)
            self._outputs[_ITEMS] = output
        self._items = Items(self._database, self.id, self.transaction, self._settled)
        await self._items.load()
        self.progress(total=self._items.total, done=self._items.done, failed=self._items.failed)
        return self._items

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that keeps other attempts out, or fails if one has begun."""
        async with self._database.write() as connection:
            cancelled = await jobs.hold(connection, self.id, self.attempt)
            self.hear(cancelled)
            if cancelled is None:
                raise Superseded
            yield connection

    async def in_thread(self, function: Callable[..., T], *arguments: Any, pool: str = "default") -> T:
        """Run blocking or heavy code in one of the engine's own thread pools."""
        return await asyncio.get_running_loop().run_in_executor(self._pools[pool], function, *arguments)

    def hear(self, cancelled: bool | None) -> None:
        """Take in what the database says about this attempt: None means that it is superseded."""
        if cancelled is None:
            self.lose()
        else:
            self._cancelled |= cancelled

    def lose(self) -> None:
        """Stop the work at once: it runs elsewhere by now.

        Not while its end is being written, which keeps other attempts out by itself: a look at the database
        finds the job ended before its attempt knows.
        """
        if not self.is_lost and not self.is_ending:
            self.is_lost = True
            if self.task is not None and self.task is not asyncio.current_task():
                self.task.cancel()

    async def write_items(self) -> None:
        """Write what the work has settled and not written."""
        if self._items is not None:
            await self._items.write()

    def _settled(self, done: int, failed: int) -> None:
        self.progress(done=done, failed=failed)

    def _require_wanted(self) -> None:
        if self._cancelled:
            raise JobCancelled
