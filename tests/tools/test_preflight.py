"""What is said about a machine that lacks something, before anything is installed."""

import builtins
import ctypes
import os
import platform
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from tools import preflight

pytestmark = pytest.mark.usefixtures("no_environment")
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def sound(monkeypatch):
    """A machine that has everything."""
    monkeypatch.setattr(sys, "version_info", (3, 11, 7, "final", 0))
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(preflight, "_has_libpython", lambda: True)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**40, 0, 2**40))


@pytest.mark.usefixtures("sound")
def test_a_sound_machine_has_no_problem():
    assert preflight.problems() == []


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize(
    ("version", "is_wrong"),
    [((3, 9), True), ((3, 10), False), ((3, 13), False), ((3, 14), True), ((4, 0), True), ((2, 7), True)],
)
def test_names_the_pythons_that_do(monkeypatch, version, is_wrong):
    monkeypatch.setattr(sys, "version_info", (*version, 0, "final", 0))
    found = [problem for problem in preflight.problems() if problem.startswith("Python 3.10 to 3.13")]
    assert len(found) == is_wrong
    assert all("make PYTHON=" in problem for problem in found)


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize(
    ("system", "machine", "is_wrong"),
    [
        ("Linux", "x86_64", False),
        ("Linux", "AMD64", False),
        ("Linux", "aarch64", True),
        ("Darwin", "arm64", True),
        ("Windows", "AMD64", True),
    ],
)
def test_says_where_the_embedded_triton_runs(monkeypatch, system, machine, is_wrong):
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    found = preflight.problems()
    assert len(found) == is_wrong
    assert all(f"this is {system} {machine}" in problem for problem in found)
    assert all("RADGATE_TRITON_URL" in problem for problem in found)


@pytest.mark.usefixtures("sound")
def test_an_external_triton_needs_neither_the_system_nor_the_library(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(preflight, "_has_libpython", lambda: False)
    monkeypatch.setenv("RADGATE_TRITON_URL", "triton:8001")
    assert preflight.problems() == []


@pytest.mark.usefixtures("sound")
def test_names_the_library_that_is_missing(monkeypatch):
    monkeypatch.setattr(preflight, "_has_libpython", lambda: False)
    (problem,) = preflight.problems()
    assert preflight.LIBPYTHON in problem
    assert "--enable-shared" in problem


def test_finds_the_library_or_not(monkeypatch):
    def absent(name):
        raise OSError(name)

    monkeypatch.setattr(os.path, "exists", lambda path: False)
    monkeypatch.setattr(ctypes, "CDLL", absent)
    assert not preflight._has_libpython()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: None)
    assert preflight._has_libpython()


@pytest.mark.usefixtures("sound")
def test_names_the_module_that_debian_splits_off(monkeypatch):
    real = builtins.__import__

    def without_ensurepip(name, *arguments, **keywords):
        if name == "ensurepip":
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without_ensurepip)
    (problem,) = preflight.problems()
    assert "venv" in problem


@pytest.mark.usefixtures("sound")
def test_tells_a_disk_that_is_nearly_full(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**40, 2**40, 2**30))
    assert preflight.problems() == ["less than 2 GB of disk are free here"]


def test_needs_nothing_but_the_standard_library():
    """It runs before the virtual environment exists: -S leaves out everything that is installed."""
    script = Path(preflight.__file__)
    done = subprocess.run(
        [sys.executable, "-S", "-I", str(script)], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == (1 if done.stderr else 0)
