"""How far a bulk job has come: to the journal's disk first, then to the database."""

import time
from collections import deque

from gateway.apis.chest_xray.journal import Journal
from gateway.apis.chest_xray.service import to_its_end
from gateway.jobs.engine import JobContext
from gateway.jobs.items import Item, Items, Outcome

SETTLED_AT_ONCE = 20
SETTLED_WITHIN_SECONDS = 1.0
RATE_SECONDS = 30.0


class Settlements:
    """Films that have ended, on their way to the database."""

    def __init__(self, items: Items, journal: Journal, context: JobContext) -> None:
        self._items = items
        self._journal = journal
        self._context = context
        self._settlements: list[tuple[Item, Outcome]] = []
        self._settled_at = time.monotonic()
        self._rate = Rate()

    async def note(self, item: Item, outcome: Outcome) -> None:
        """Note how a film ended, which the journal must have been told."""
        self._settlements.append((item, outcome))
        waited = time.monotonic() - self._settled_at
        if len(self._settlements) >= SETTLED_AT_ONCE or waited >= SETTLED_WITHIN_SECONDS:
            await self.write()

    async def write(self) -> None:
        """Flush the journal, and then let the database know what is in it."""
        settlements, self._settlements = self._settlements, []
        self._settled_at = time.monotonic()
        if not settlements:
            return
        await to_its_end(self._journal.sync)
        for item, outcome in settlements:
            await self._items.settle(item, outcome)
        rate = self._rate.after(self._items.done)
        self._context.progress(detail={"skipped": self._items.skipped, "films_per_second": rate})


class Rate:
    """Films per second, over the last half minute."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._started = time.monotonic()

    def after(self, done: int) -> float:
        """Take in how many are done by now; gives the rate."""
        now = time.monotonic()
        if not self._seen:
            self._seen.append((self._started, done - 1))
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[0][0] > RATE_SECONDS:
            self._seen.popleft()
        first_at, first = self._seen[0]
        return round((done - first) / max(now - first_at, 1e-3), 3)
