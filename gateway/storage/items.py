"""What a long job works through, kept in batches: a few hundred items a row, not a row an item."""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, insert, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage.tables import job_items

BATCH = 200
OPEN = "."
_ROWS_AT_ONCE = 50


class Batch(NamedTuple):
    """Some items in a row: their names, a letter for each, and whether anyone began with them before."""

    number: int
    names: list[str]
    outcomes: str
    begun: bool


async def add(connection: AsyncConnection, job_id: str, names: Iterable[str]) -> int:
    """Keep a job's list, in this order; gives its length. Call `jobs.hold` in the same transaction."""
    total = 0
    batches = enumerate(_chunks(iter(names), BATCH))
    for rows in _chunks(batches, _ROWS_AT_ONCE):
        values = [_row(job_id, batch, chunk) for batch, chunk in rows]
        await connection.execute(insert(job_items), values)
        total += sum(row["open"] for row in values)
    return total


async def next_open(connection: AsyncConnection, job_id: str, *, after: int) -> Batch | None:
    """Read the next batch that has open items."""
    statement = (
        select(job_items.c.batch, job_items.c.names, job_items.c.outcomes, job_items.c.begun)
        .where(job_items.c.job_id == job_id, job_items.c.batch > after, job_items.c.open > 0)
        .order_by(job_items.c.batch)
        .limit(1)
    )
    row = (await connection.execute(statement)).first()
    return None if row is None else Batch(row.batch, json.loads(row.names), row.outcomes, row.begun)


async def begin(connection: AsyncConnection, job_id: str, batch: int) -> None:
    """Note that items of a batch are being worked on, before the first one is."""
    statement = update(job_items).where(job_items.c.job_id == job_id, job_items.c.batch == batch)
    await connection.execute(statement.values(begun=true()))


async def settle(connection: AsyncConnection, job_id: str, outcomes: Mapping[int, str]) -> None:
    """Write the outcomes of whole batches: batch to a letter for each item."""
    statement = (
        update(job_items)
        .where(job_items.c.job_id == job_id, job_items.c.batch == bindparam("of_batch"))
        .values(outcomes=bindparam("letters"), open=bindparam("still_open"))
    )
    rows = [
        {"of_batch": batch, "letters": letters, "still_open": letters.count(OPEN)}
        for batch, letters in outcomes.items()
    ]
    await connection.execute(statement, rows)


async def tally(connection: AsyncConnection, job_id: str) -> dict[str, int]:
    """Count the items by letter."""
    counts: dict[str, int] = {}
    statement = select(job_items.c.outcomes, func.count()).where(job_items.c.job_id == job_id)
    for letters, rows in await connection.execute(statement.group_by(job_items.c.outcomes)):
        for letter in set(letters):
            counts[letter] = counts.get(letter, 0) + letters.count(letter) * rows
    return counts


def _row(job_id: str, batch: int, names: list[str]) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "batch": batch,
        "names": json.dumps(names),
        "outcomes": OPEN * len(names),
        "open": len(names),
    }


def _chunks(things: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while chunk := list(islice(things, size)):
        yield chunk
