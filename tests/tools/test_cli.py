"""The `radgate` command as a whole."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from gateway import __version__
from tools.__main__ import app

pytestmark = pytest.mark.usefixtures("no_environment")


@pytest.fixture
def radgate():
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def test_prints_its_version(radgate):
    result = radgate("version")
    assert (result.exit_code, result.stdout) == (0, f"{__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [(), ("serve",), ("tokens", "issue"), ("predict",), ("doctor",), ("demo",), ("bench", "chest-xray")],
)
def test_every_command_explains_itself(radgate, arguments):
    result = radgate(*arguments, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_without_a_command_it_shows_what_there_is(radgate):
    result = radgate()
    for word in ("serve", "tokens", "predict", "doctor", "demo"):
        assert word in result.output


def test_help_loads_none_of_the_heavy_parts():
    heavy = ("aiohttp", "cv2", "pydicom", "grpc", "reportlab", "numpy")
    code = f"import sys, tools.__main__; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "arguments", [("tokens", "issue", "--subject", "x"), ("predict", "film.dcm"), ("demo",)]
)
def test_wrong_settings_end_a_command_in_one_line(radgate, monkeypatch, tmp_path, arguments):
    (tmp_path / "film.dcm").write_text("x")
    monkeypatch.setenv("RADGATE_HOST", "0.0.0.0")
    monkeypatch.setenv("RADGATE_JWT_SECRET", "not to be seen " * 4)
    result = radgate(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("radgate: host 0.0.0.0 is reachable from other machines")
    assert "not to be seen" not in result.stderr


def test_serve_ends_in_the_servers_own_code(radgate, monkeypatch):
    monkeypatch.setenv("RADGATE_PORT", "http")
    result = radgate("serve")
    assert result.exit_code == 2
    assert result.stderr.startswith("radgate: RADGATE_PORT: ")
