import fcntl
import os
import time

import pytest

from gateway.files import temporary
from gateway.files.output_set import OutputSet
from gateway.files.roots import Roots
from gateway.files.temporary import sweep


@pytest.fixture
def folder_fd(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def test_sweeps_what_a_dead_process_left(tmp_path, folder_fd):
    name, fd = temporary.make(folder_fd)
    (tmp_path / name / "x").touch()
    os.close(fd)  # as a kill does
    assert sweep(folder_fd, 3600) == 0
    assert sweep(folder_fd, 0) == 1
    assert os.listdir(tmp_path) == []


def test_never_sweeps_what_is_in_use(tmp_path, folder_fd):
    with Roots().open_output_folder(str(tmp_path)) as folder, OutputSet(folder, "P", marker="m") as output:
        output.write("m", b"{}")
        assert sweep(folder_fd, 0) == 0
        output.publish()
    assert os.listdir(tmp_path) == ["P"]


def test_an_old_set_just_exchanged_counts_as_young(tmp_path, folder_fd):
    name, fd = temporary.make(folder_fd)
    os.close(fd)
    os.utime(tmp_path / name, (0, 0))
    assert sweep(folder_fd, 5) == 0


def test_sweeps_nothing_of_the_users(tmp_path, folder_fd):
    for name in ("P", ".radgate-x", ".radgate-0123456789abcdeF", "radgate-0123456789abcdef", ".radgate"):
        (tmp_path / name).mkdir()
    (tmp_path / ".radgate-0123456789abcdef").touch()
    (tmp_path / ".radgate-1123456789abcdef").symlink_to(tmp_path / "P")
    (tmp_path / "P/x").touch()
    before = sorted(os.listdir(tmp_path))
    assert sweep(folder_fd, 0) == 0
    assert sorted(os.listdir(tmp_path)) == before
    assert os.listdir(tmp_path / "P") == ["x"]


def test_a_sweep_that_comes_between_making_and_locking_is_noticed(tmp_path, folder_fd, monkeypatch):
    real, rounds = os.mkdir, []

    def mkdir(name, **keywords):
        real(name, **keywords)
        if not rounds:
            rounds.append(name)
            assert sweep(folder_fd, 0) == 1

    monkeypatch.setattr(os, "mkdir", mkdir)
    name, fd = temporary.make(folder_fd)
    assert os.listdir(tmp_path) == [name] != rounds
    os.close(fd)


def test_a_sweep_that_comes_between_opening_and_locking_is_noticed(tmp_path, folder_fd, monkeypatch):
    real, rounds = os.open, []

    def opening(name, *arguments, **keywords):
        fd = real(name, *arguments, **keywords)
        if not rounds:
            rounds.append(name)
            assert sweep(folder_fd, 0) == 1
        return fd

    monkeypatch.setattr(os, "open", opening)
    name, fd = temporary.make(folder_fd)
    assert os.listdir(tmp_path) == [name] != rounds
    os.close(fd)


def test_age_decides_where_there_is_no_flock(tmp_path, folder_fd, monkeypatch):
    # As NFS answers for a folder.
    def flock(fd, operation):
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(fcntl, "flock", flock)
    _name, fd = temporary.make(folder_fd)
    time.sleep(0.02)
    assert sweep(folder_fd, 3600) == 0
    assert sweep(folder_fd, 0.01) == 1
    os.close(fd)
    with Roots().open_output_folder(str(tmp_path)) as folder, OutputSet(folder, "P", marker="m") as output:
        output.write("m", b"{}")
        output.publish()
    assert os.listdir(tmp_path) == ["P"]
