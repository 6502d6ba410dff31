import pytest

from gateway.storage.engine import open_database
from tests.storage.databases import KINDS, empty_database


@pytest.fixture(params=KINDS)
def database_url(request, tmp_path):
    """An empty database of either kind."""
    with empty_database(request.param, tmp_path) as url:
        yield url


@pytest.fixture
async def database(database_url):
    """An open database of either kind, migrated."""
    opened = await open_database(database_url)
    yield opened
    await opened.close()
