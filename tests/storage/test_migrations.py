"""The schema that the migrations build, and how they run."""

import asyncio
import re

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from gateway.storage.engine import database_url as parse
from gateway.storage.engine import open_database
from gateway.storage.migrate import downgrade, upgrade
from gateway.storage.tables import metadata


@pytest.fixture
def inspected(database_url):
    """Look at the database through a plain connection."""
    url = parse(database_url)
    engine = create_engine(url if url.get_backend_name() == "postgresql" else url.set(drivername="sqlite"))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_the_migrated_schema_is_that_of_the_tables(database_url, inspected):
    upgrade(parse(database_url))
    context = MigrationContext.configure(
        inspected, opts={"compare_type": True, "compare_server_default": True}
    )
    assert compare_metadata(context, metadata) == []


def test_checks_are_migrated_too(database_url, inspected):
    # Alembic compares no CHECK constraints. PostgreSQL gives them back in its own words.
    def checks(inspector):
        return {
            (table.name, check["name"]): sorted(re.findall(r"'(\w+)'", check["sqltext"]))
            for table in metadata.sorted_tables
            for check in inspector.get_check_constraints(table.name)
        }

    upgrade(parse(database_url))
    migrated = checks(inspect(inspected))
    inspected.rollback()
    downgrade(parse(database_url), "base")
    metadata.create_all(inspected)
    assert migrated
    assert checks(inspect(inspected)) == migrated
    inspected.rollback()


def test_goes_up_and_down_and_up_again(database_url, inspected):
    ours = {table.name for table in metadata.sorted_tables}
    for _ in range(2):
        upgrade(parse(database_url))
        assert ours <= set(inspect(inspected).get_table_names())
        inspected.rollback()
        downgrade(parse(database_url), "base")
        assert set(inspect(inspected).get_table_names()) == {"alembic_version"}
        inspected.rollback()


async def test_several_gateways_may_start_at_once(database_url):
    for database in await asyncio.gather(*(open_database(database_url) for _ in range(4))):
        await database.close()


def test_refuses_other_databases():
    with pytest.raises(ValueError, match="mysql"):
        parse("mysql://host/name")
