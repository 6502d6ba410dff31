import pytest

from tests.storage.databases import KINDS, empty_database


@pytest.fixture(params=KINDS)
def database_url(request, tmp_path):
    """An empty database of either kind."""
    with empty_database(request.param, tmp_path) as url:
        yield url
