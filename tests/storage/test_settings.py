"""Which database an instance uses, and its name among others."""

import socket

import pytest

from gateway.settings import Settings

pytestmark = pytest.mark.usefixtures("no_environment")


def test_keeps_everything_in_the_data_folder_by_default(tmp_path):
    settings = Settings(data_dir=tmp_path)
    assert settings.database == f"sqlite:///{tmp_path}/app.db"
    assert settings.executor == "local"


def test_shares_a_postgresql_under_the_machines_name(monkeypatch):
    monkeypatch.setenv("RADGATE_DATABASE_URL", "postgresql://me:hush@db/radgate")
    settings = Settings()
    assert settings.database == "postgresql://me:hush@db/radgate"
    assert settings.executor == socket.gethostname()
    assert "hush" not in repr(settings)


def test_takes_the_name_that_is_given():
    assert Settings(executor_id="worker-3").executor == "worker-3"
