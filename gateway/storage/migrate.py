"""Bring the schema up to date at start; several processes may try at once."""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.pool import NullPool

MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATION_LOCK = 7_233_001


def upgrade(url: URL, revision: str = "head") -> None:
    """Apply the migrations that are missing, all in one transaction."""
    _migrate(url, lambda config: command.upgrade(config, revision))


def downgrade(url: URL, revision: str) -> None:
    """Take migrations back until `revision`, `base` for all of them."""
    _migrate(url, lambda config: command.downgrade(config, revision))


def _migrate(url: URL, change: Any) -> None:
    engine = _engine(url)
    try:
        with engine.begin() as connection:
            _wait_for_others(connection)
            change(_config(connection))
    finally:
        engine.dispose()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        return create_engine(url, poolclass=NullPool)
    engine = create_engine(url.set(drivername="sqlite"), poolclass=NullPool)

    # Foreign keys stay off: SQLite changes a table by copying and dropping it, which would cascade.
    @event.listens_for(engine, "connect")
    def _no_transactions_of_its_own(connection: Any, entry: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA busy_timeout=30000")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _wait_for_others(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
