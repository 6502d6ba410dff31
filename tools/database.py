"""What commands on the database share: opening it, and printing what is in it."""

import contextlib
from collections.abc import AsyncIterator, Sequence

from sqlalchemy.exc import OperationalError

from gateway.settings import Settings
from gateway.storage.engine import Database, open_database
from gateway.storage.transactions import TransactionFailed


@contextlib.asynccontextmanager
async def opened() -> AsyncIterator[Database]:
    """Open the database that the settings name; an instance may use it at the same time."""
    settings = Settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        database = await open_database(settings.database)
    except OperationalError as error:
        raise OSError(f"the database cannot be opened: {str(error.orig).splitlines()[0]}") from error
    try:
        yield database
    except TransactionFailed as failure:
        raise OSError(f"the database does not answer: {failure}") from failure
    finally:
        await database.close()


def table(rows: Sequence[Sequence[str]]) -> str:
    """Align columns to the left, whatever the terminal's width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def dollars(cents: int) -> str:
    """Write an amount of money."""
    return f"{'-' if cents < 0 else ''}${abs(cents) // 100}.{abs(cents) % 100:02d}"
