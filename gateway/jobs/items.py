"""What a long job works through, item by item, and how far it came."""

import asyncio
import enum
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage import items as rows
from gateway.storage.engine import Database

SETTLED_AT_ONCE = 100
SETTLED_WITHIN_SECONDS = 1.0


class Outcome(str, enum.Enum):
    """How an item ended."""

    SUCCEEDED = "s"
    FAILED = "f"
    SKIPPED = "k"


class Item(NamedTuple):
    """One item.

    `doubtful` means that an earlier attempt may have finished it: the process died after it began
    with this batch and before it wrote the item's outcome. Look at the results before doing it again.
    """

    number: int
    name: str
    doubtful: bool


class Items:
    """A job's items in their order; outcomes are kept by the hundred, for a write costs more than an item.

    After a crash, what was written is not given out again. At most two batches of items are doubtful.
    """

    def __init__(
        self,
        database: Database,
        job_id: str,
        transaction: Callable[[], AbstractAsyncContextManager[AsyncConnection]],
        on_settled: Callable[[int, int], None],
    ) -> None:
        self._database = database
        self._job_id = job_id
        self._transaction = transaction
        self._on_settled = on_settled
        self._letters: dict[int, list[str]] = {}
        self._changed: set[int] = set()
        self._unwritten = 0
        self._written_at = time.monotonic()
        self._writing = asyncio.Lock()
        self.total = 0
        self.done = 0
        self.failed = 0
        self.skipped = 0

    async def load(self) -> None:
        """Count what earlier attempts settled."""
        async with self._database.read() as connection:
            tally = await rows.tally(connection, self._job_id)
        self.total = sum(tally.values())
        self.done = self.total - tally.get(rows.OPEN, 0)
        self.failed = tally.get(Outcome.FAILED.value, 0)
        self.skipped = tally.get(Outcome.SKIPPED.value, 0)

    async def pending(self) -> AsyncIterator[Item]:
        """Give the items that are not settled, one after the other; several may be in work at a time."""
        batch_number = -1
        while batch := await self._next(batch_number):
            batch_number = batch.number
            self._letters[batch.number] = list(batch.outcomes)
            for place, (name, letter) in enumerate(zip(batch.names, batch.outcomes, strict=True)):
                if letter == rows.OPEN:
                    yield Item(batch.number * rows.BATCH + place, name, batch.begun)

    async def settle(self, item: Item, outcome: Outcome) -> None:
        """Note how an item ended. Costs nothing, but for every hundredth one and once a second."""
        batch, place = divmod(item.number, rows.BATCH)
        self._letters[batch][place] = outcome.value
        self._changed.add(batch)
        self._unwritten += 1
        self.done += 1
        self.failed += outcome is Outcome.FAILED
        self.skipped += outcome is Outcome.SKIPPED
        self._on_settled(self.done, self.failed)
        if self._is_due() and not self._writing.locked():
            await self.write()

    async def write(self) -> None:
        """Write every outcome that is not written yet."""
        async with self._writing:
            changed, self._changed, self._unwritten = self._changed, set(), 0
            self._written_at = time.monotonic()
            letters = {batch: "".join(self._letters[batch]) for batch in changed}
            if not letters:
                return
            try:
                async with self._transaction() as connection:
                    await rows.settle(connection, self._job_id, letters)
            except BaseException:
                self._changed |= changed
                raise
        for batch, text in letters.items():
            if rows.OPEN not in text:
                del self._letters[batch]

    async def _next(self, after: int) -> rows.Batch | None:
        async with self._database.read() as connection:
            batch = await rows.next_open(connection, self._job_id, after=after)
        if batch is not None and not batch.begun:
            # Before the first item is given out: what is not begun is not doubtful.
            async with self._transaction() as connection:
                await rows.begin(connection, self._job_id, batch.number)
        return batch

    def _is_due(self) -> bool:
        waited = time.monotonic() - self._written_at
        return self._unwritten >= SETTLED_AT_ONCE or waited >= SETTLED_WITHIN_SECONDS
