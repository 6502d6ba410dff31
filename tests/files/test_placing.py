"""Files put into a folder of someone else's."""

import errno
import os

import pytest

from gateway.errors import OutputFailed
from gateway.files import placing
from gateway.files.placing import put_in_place
from gateway.files.roots import Roots


@pytest.fixture
def made(tmp_path):
    """A file and a folder of files."""
    source = tmp_path / "source"
    (source / "b_image").mkdir(parents=True)
    (source / "a_label.dcm").write_bytes(b"label")
    for name in ("1.dcm", "2.dcm"):
        (source / "b_image" / name).write_bytes(name.encode())
    return sorted(source.iterdir())


@pytest.fixture
def target(tmp_path):
    return tmp_path / "target" / "deeper"


def put(target, made) -> None:
    with Roots().open_output_folder(str(target)) as folder:
        put_in_place(folder, made)


def found(target) -> dict[str, bytes]:
    return {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}


ALL = {"a_label.dcm": b"label", "b_image/1.dcm": b"1.dcm", "b_image/2.dcm": b"2.dcm"}


def test_puts_files_and_folders_beside_what_is_there(target, made):
    target.mkdir(parents=True)
    (target / "other").write_bytes(b"theirs")
    put(target, made)
    assert found(target) == {**ALL, "other": b"theirs"}


def test_a_second_time_changes_nothing(target, made):
    put(target, made)
    before = {path: path.stat().st_ino for path in target.rglob("*")}
    put(target, made)
    assert {path: path.stat().st_ino for path in target.rglob("*")} == before


@pytest.mark.parametrize("fails_at", [0, 1])
def test_all_of_it_or_nothing(target, made, monkeypatch, fails_at):
    placed = []

    def rename_new(*arguments):
        if len(placed) == fails_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        placed.append(arguments)
        return rename(*arguments)

    rename = placing.rename.rename_new
    monkeypatch.setattr(placing.rename, "rename_new", rename_new)
    with pytest.raises(OutputFailed, match="No space left") as raised:
        put(target, made)
    assert raised.value.errno == errno.ENOSPC
    assert not target.exists()


def test_a_folder_that_appeared_is_taken_back(target, made, monkeypatch):
    target.mkdir(parents=True)
    with Roots().open_output_folder(str(target)) as folder:
        monkeypatch.setattr(type(folder), "sync", _no_sync)
        with pytest.raises(OutputFailed):
            put_in_place(folder, made)
    assert list(target.iterdir()) == []


def _no_sync(_) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))
