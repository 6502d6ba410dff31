import os
import socket
import threading
import time

import pytest

from gateway.files.errors import FileTooLarge, PathMissing, PathRefused, PathUnreadable
from gateway.files.reading import read_bounded, read_prefix
from gateway.files.rename import exchange
from gateway.files.roots import Roots


@pytest.fixture
def tree(tmp_path):
    """<tmp>/data is the root; <tmp>/data2 its sibling; <tmp>/secret.dcm lies outside."""
    (tmp_path / "data/study").mkdir(parents=True)
    (tmp_path / "data2").mkdir()
    for place in ("data/study/x.dcm", "data2/x.dcm", "secret.dcm"):
        (tmp_path / place).write_bytes(b"pixels")
    return tmp_path


@pytest.fixture
def roots(tree):
    return Roots([tree / "data"])


def refused(roots, path):
    with pytest.raises(PathRefused) as caught:
        roots.open_input(str(path))
    assert str(path)[:50] not in caught.value.message or not str(path)
    return caught.value


def missing(roots, path):
    with pytest.raises(PathMissing) as caught:
        roots.open_input(str(path))
    assert str(path) not in caught.value.message


def test_reads_a_file_below_a_root(tree, roots):
    with roots.open_input(str(tree / "data/study/x.dcm")) as file:
        assert file.size == 6
        assert read_bounded(file.fd, 6) == b"pixels"
        assert read_prefix(file.fd, 3) == b"pix"
        assert read_prefix(file.fd, 100) == b"pixels"
        assert not os.get_inheritable(file.fd)


def test_reads_any_file_without_roots(tree):
    with Roots().open_input(str(tree / "secret.dcm")) as file:
        assert read_bounded(file.fd, 100) == b"pixels"


def test_doubled_slashes_mean_nothing(tree, roots):
    roots.open_input(f"/{tree}/data//study///x.dcm").close()


@pytest.mark.parametrize(
    "path",
    [
        "",
        " ",
        "x.dcm",
        "./x.dcm",
        "~/x.dcm",
        "file:///data/x.dcm",
        "C:\\data\\x.dcm",
        "\\\\server\\share\\x.dcm",
        "/\ud800/x.dcm",
        "/\udcff/x.dcm",
        "/data/x\0.dcm",
        "/" + "a" * 4096,
        "/a" * 2048 + "/",
        "/" + "a" * 256 + "/x.dcm",
    ],
)
def test_refuses_a_malformed_path(path):
    with pytest.raises(PathRefused):
        Roots().open_input(path)


def test_refuses_a_component_longer_than_the_filesystem_takes(tree, roots):
    refused(roots, tree / "data" / ("a" * 256))


@pytest.mark.parametrize(
    "path",
    ["data/../secret.dcm", "data/study/../study/x.dcm", "data/./study/x.dcm", "data/..", "data/study/."],
)
def test_refuses_relative_components(tree, roots, path):
    refused(roots, f"{tree}/{path}")


@pytest.mark.parametrize("path", ["data2/x.dcm", "secret.dcm", "data2/absent.dcm", "dat/x.dcm"])
def test_refuses_what_is_outside_the_roots_whether_it_exists_or_not(tree, roots, path):
    refused(roots, tree / path)


def test_refuses_a_symbolic_link_to_a_file(tree, roots):
    (tree / "data/link.dcm").symlink_to(tree / "secret.dcm")
    (tree / "data/inside.dcm").symlink_to(tree / "data/study/x.dcm")
    (tree / "data/dangling.dcm").symlink_to(tree / "absent")
    for name in ("link", "inside", "dangling"):
        refused(roots, tree / f"data/{name}.dcm")
    refused(Roots(), tree / "data/link.dcm")


def test_refuses_a_symbolic_link_to_a_folder(tree, roots):
    (tree / "data/link").symlink_to(tree / "data2")
    refused(roots, tree / "data/link/x.dcm")
    refused(roots, tree / "data/link")
    refused(Roots(), tree / "data/link/x.dcm")


def test_refuses_links_of_procfs():
    refused(Roots(), "/proc/self/environ")
    refused(Roots(), f"/proc/{os.getpid()}/root/etc/passwd")
    refused(Roots(), f"/proc/{os.getpid()}/fd/0")


def test_refuses_a_hard_link(tree, roots):
    os.link(tree / "secret.dcm", tree / "data/hard.dcm")
    refused(roots, tree / "data/hard.dcm")


def test_refuses_a_fifo_without_waiting_for_a_writer(tree, roots):
    os.mkfifo(tree / "data/fifo.dcm")
    began = time.monotonic()
    refused(roots, tree / "data/fifo.dcm")
    assert time.monotonic() - began < 1


def test_refuses_a_socket(tree, roots, monkeypatch):
    monkeypatch.chdir(tree / "data")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s.dcm")
        refused(roots, tree / "data/s.dcm")


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero", "/dev/tty"])
def test_refuses_a_device(path):
    refused(Roots(), path)


@pytest.mark.parametrize("path", ["data/absent.dcm", "data/absent/x.dcm", "data/study/x.dcm/y.dcm"])
def test_says_what_is_missing(tree, roots, path):
    missing(roots, tree / path)
    missing(Roots(), tree / path)


@pytest.mark.parametrize("path", ["data/study", "data", "data/study/", "data/study/x.dcm/"])
def test_a_folder_is_no_file(tree, roots, path):
    missing(roots, f"{tree}/{path}")


def test_the_filesystem_root_is_no_file():
    missing(Roots(), "/")


def test_an_unreadable_file_is_refused(public_path, as_nobody):
    (public_path / "x.dcm").write_bytes(b"pixels")
    (public_path / "x.dcm").chmod(0)
    (public_path / "closed").mkdir(mode=0o700)
    (public_path / "closed/y.dcm").write_bytes(b"pixels")
    (public_path / "closed").chmod(0 if os.geteuid() else 0o700)
    with as_nobody():
        for path in ("x.dcm", "closed/y.dcm"):
            with pytest.raises(PathUnreadable):
                Roots().open_input(str(public_path / path))
    (public_path / "closed").chmod(0o700)


def test_a_folder_on_the_way_needs_only_search_permission(public_path, as_nobody):
    (public_path / "drop").mkdir()
    (public_path / "drop/x.dcm").write_bytes(b"pixels")
    (public_path / "drop").chmod(0o711)
    with as_nobody():
        Roots([public_path]).open_input(str(public_path / "drop/x.dcm")).close()


def test_a_root_behind_a_link_is_resolved_and_may_be_spelled_either_way(tree):
    (tree / "alias").symlink_to(tree / "data")
    roots = Roots([tree / "alias"])
    for spelling in ("alias", "data"):
        roots.open_input(str(tree / spelling / "study/x.dcm")).close()
    refused(roots, tree / "data2/x.dcm")


def test_without_roots_a_link_above_counts_too(tree):
    (tree / "alias").symlink_to(tree / "data")
    refused(Roots(), tree / "alias/study/x.dcm")


def test_a_root_given_after_the_fact_keeps_its_first_meaning(tree):
    (tree / "alias").symlink_to(tree / "data")
    roots = Roots([tree / "alias"])
    (tree / "alias").unlink()
    (tree / "alias").symlink_to(tree / "data2")
    roots.open_input(str(tree / "alias/study/x.dcm")).close()
    missing(roots, tree / "alias/x.dcm")


def test_of_nested_roots_the_deepest_counts(tree):
    (tree / "data/nas").symlink_to(tree / "data2")
    Roots([tree / "data", tree / "data/nas"]).open_input(str(tree / "data/nas/x.dcm")).close()
    refused(Roots([tree / "data"]), tree / "data/nas/x.dcm")


def test_a_root_may_appear_later(tmp_path):
    roots = Roots([tmp_path / "later"])
    missing(roots, tmp_path / "later/x.dcm")
    (tmp_path / "later").mkdir()
    (tmp_path / "later/x.dcm").touch()
    roots.open_input(str(tmp_path / "later/x.dcm")).close()


def test_a_root_is_absolute(tmp_path):
    with pytest.raises(ValueError, match="absolute"):
        Roots([tmp_path.relative_to("/")])


def test_a_folder_swapped_for_a_link_never_leads_outside(tree, roots):
    # The race that a check by path loses: between look and open, the folder becomes a link.
    (tree / "data2/x.dcm").write_bytes(b"stolen")
    (tree / "data/link").symlink_to(tree / "data2")
    data_fd = os.open(tree / "data", os.O_RDONLY)
    stop = threading.Event()

    def swap():
        while not stop.wait(0.0001):
            exchange(data_fd, "study", "link")

    swapper = threading.Thread(target=swap)
    swapper.start()
    deadline = time.monotonic() + 10
    seen = []
    while time.monotonic() < deadline and (len(seen) < 2000 or len(set(seen)) < 2):
        seen.append(_outcome(roots, tree / "data/study/x.dcm"))
    stop.set()
    swapper.join()
    os.close(data_fd)
    assert set(seen) == {b"pixels", PathRefused}


@pytest.mark.parametrize("kind", ["fifo", "hard link", "link", "folder"])
def test_a_file_swapped_between_look_and_open_is_refused(tree, roots, monkeypatch, kind):
    file, real = tree / "data/study/x.dcm", os.stat

    def swap(name, **keywords):
        status = real(name, **keywords)
        if name == "x.dcm" and keywords and file.is_file() and not file.is_symlink():
            file.unlink()
            make = {"fifo": os.mkfifo, "folder": os.mkdir}.get(kind)
            if make:
                make(file)
            else:
                (os.link if kind == "hard link" else os.symlink)(tree / "secret.dcm", file)
        return status

    with monkeypatch.context() as patch, pytest.raises((PathRefused, PathMissing)):
        patch.setattr(os, "stat", swap)
        roots.open_input(str(file))


def _outcome(roots, path):
    try:
        with roots.open_input(str(path)) as file:
            return read_bounded(file.fd, 100)
    except (PathRefused, PathMissing) as error:
        return type(error)


def test_opens_a_folder_for_listing(tree, roots):
    for path in ("data/study", "data/study/"):
        fd = roots.open_input_folder(f"{tree}/{path}")
        assert os.listdir(fd) == ["x.dcm"]
        os.close(fd)
    fd = roots.open_input_folder(str(tree / "data"))
    assert os.listdir(fd) == ["study"]
    os.close(fd)


def test_a_listed_folder_follows_the_same_rules(tree, roots):
    (tree / "data/link").symlink_to(tree / "data2")
    for path in ("data/link", "data2", "data/study/.."):
        with pytest.raises(PathRefused):
            roots.open_input_folder(f"{tree}/{path}")
    for path in ("data/absent", "data/study/x.dcm"):
        with pytest.raises(PathMissing):
            roots.open_input_folder(f"{tree}/{path}")


def test_reading_is_bounded(tree, roots):
    with roots.open_input(str(tree / "data/study/x.dcm")) as file:
        with pytest.raises(FileTooLarge):
            read_bounded(file.fd, 5)
        (tree / "data/study/x.dcm").write_bytes(b"grown since")
        with pytest.raises(FileTooLarge):
            read_bounded(file.fd, 6)
        assert read_bounded(file.fd, 11) == b"grown since"


def test_reads_files_that_do_not_say_their_size():
    # procfs says 0, as some FUSE filesystems do.
    with Roots().open_input(f"/proc/{os.getpid()}/status") as file:
        assert file.size == 0
        assert b"VmRSS" in read_bounded(file.fd, 1 << 20)
        with pytest.raises(FileTooLarge):
            read_bounded(file.fd, 100)


def test_leaves_no_descriptor_open(tree, roots, open_fds):
    (tree / "data/link").symlink_to(tree / "data2")
    before = open_fds()
    roots.open_input(str(tree / "data/study/x.dcm")).close()
    for path in ("data/link/x.dcm", "data/absent/x", "data/study/absent", "data/study"):
        with pytest.raises((PathRefused, PathMissing)):
            roots.open_input(str(tree / path))
        with pytest.raises((PathRefused, PathMissing)):
            os.close(roots.open_input_folder(str(tree / path)))
            raise PathMissing("a folder, rightly opened")
    assert open_fds() == before


def test_removes_what_a_killed_process_left_when_it_meets_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.files.roots.SWEEP_PERIOD_SECONDS", 0.0)
    left = tmp_path / ".radgate-0123456789abcdef"
    left.mkdir()
    (left / "half.png").write_bytes(b"half")
    with Roots([tmp_path]).open_output_folder(str(tmp_path)):
        assert not left.exists()
