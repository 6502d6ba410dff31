import os

import pytest

from gateway.files.errors import PathMissing, PathRefused
from gateway.files.folder import MAX_DEPTH, open_listed, walk_files
from gateway.files.roots import Roots


@pytest.fixture
def folder_fd(tmp_path):
    fd = Roots().open_input_folder(str(tmp_path))
    yield fd
    os.close(fd)


def put(tmp_path, *names):
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def test_gives_paths_in_the_order_of_text(tmp_path, folder_fd):
    names = ["a-b/x.dcm", "a.dcm", "a/b/z.dcm", "a/x.DCM", "a0/x.dcm", "b.dcm"]
    put(tmp_path, *reversed(names), "c.png", "a/readme")
    assert list(walk_files(folder_fd, suffix=".dcm")) == sorted(names)


def test_links_to_folders_are_left_out_and_links_to_files_are_refused_when_opened(tmp_path, folder_fd):
    put(tmp_path, "a/x.dcm")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "link.dcm").symlink_to(tmp_path / "a")
    (tmp_path / "file.dcm").symlink_to(tmp_path / "a" / "x.dcm")
    (tmp_path / "circle.dcm").symlink_to(tmp_path / "circle.dcm")
    assert list(walk_files(folder_fd, suffix=".dcm")) == ["a/x.dcm", "circle.dcm", "file.dcm"]
    for name in ("file.dcm", "circle.dcm"):
        with pytest.raises(PathRefused):
            open_listed(folder_fd, name)


def test_opens_what_it_found(tmp_path, folder_fd):
    put(tmp_path, "a/b/x.dcm")
    with open_listed(folder_fd, "a/b/x.dcm") as file:
        assert os.read(file.fd, 100) == b"a/b/x.dcm"
    os.rename(tmp_path / "a", tmp_path / "c")
    with pytest.raises(PathMissing):
        open_listed(folder_fd, "a/b/x.dcm")
    (tmp_path / "a").symlink_to(tmp_path / "c")
    with pytest.raises(PathRefused):
        open_listed(folder_fd, "a/b/x.dcm")


def test_no_descriptor_stays_open(tmp_path, folder_fd):
    put(tmp_path, "a/b/x.dcm", "c/x.dcm")
    before = len(os.listdir("/proc/self/fd"))
    files = walk_files(folder_fd, suffix=".dcm")
    assert next(files)
    files.close()
    list(walk_files(folder_fd, suffix=".dcm"))
    open_listed(folder_fd, "c/x.dcm").close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_lies_too_deep_is_given_and_refused(tmp_path, folder_fd, caplog):
    put(tmp_path, "d/" * MAX_DEPTH + "x.dcm", "e/" * (MAX_DEPTH + 1) + "x.dcm")
    deep, too_deep = walk_files(folder_fd, suffix=".dcm")
    assert deep == "d/" * MAX_DEPTH + "x.dcm"
    assert too_deep == "e/" * (MAX_DEPTH + 1)
    with pytest.raises(PathRefused, match="The folder could not be read"):
        open_listed(folder_fd, too_deep)
    assert "a folder is left out" in caplog.text


def test_a_folder_that_goes_meanwhile_is_given_and_refused(tmp_path, folder_fd):
    put(tmp_path, "a/x.dcm", "b/x.dcm")
    files = walk_files(folder_fd, suffix=".dcm")
    assert next(files) == "a/x.dcm"
    os.unlink(tmp_path / "b" / "x.dcm")
    os.rmdir(tmp_path / "b")
    assert list(files) == ["b/"]
