"""A repository of a small network, and `radgate models` on a machine that has a GPU, or says so."""

import json
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from tests.onnx_graphs import toy_repository
from tools.__main__ import app


class Ran(NamedTuple):
    exit_code: int
    answer: Any
    stderr: str


@pytest.fixture
def repository(tmp_path):
    return toy_repository(tmp_path / "repository")


@pytest.fixture
def models(no_environment, monkeypatch, tmp_path, repository):
    """Run `radgate models …` on the repository; gives the exit code and the JSON."""
    monkeypatch.setenv("RADGATE_MODEL_REPOSITORY", str(repository))
    monkeypatch.setenv("RADGATE_DATA_DIR", str(tmp_path / "data"))

    def run(*arguments: str) -> Ran:
        result = CliRunner().invoke(app, ["models", *arguments, "--json"])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return Ran(result.exit_code, json.loads(result.stdout) if result.stdout else None, result.stderr)

    return run
