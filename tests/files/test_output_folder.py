import os
import threading

import pytest

from gateway.errors import OutputFailed
from gateway.files.errors import PathMissing, PathRefused
from gateway.files.output_set import OutputSet
from gateway.files.roots import Roots


def test_makes_the_missing_parents(tmp_path):
    with Roots([tmp_path]).open_output_folder(str(tmp_path / "a/b/c")) as folder:
        os.mkdir("seen", dir_fd=folder.fd)
    assert (tmp_path / "a/b/c/seen").is_dir()


def test_new_folders_obey_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        Roots().open_output_folder(str(tmp_path / "a")).close()
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o750


def test_makes_nothing_unless_told(tmp_path):
    with pytest.raises(PathMissing):
        Roots().open_output_folder(str(tmp_path / "a/b"), create=False)
    assert not list(tmp_path.iterdir())
    Roots().open_output_folder(str(tmp_path), create=False).close()


def test_after_an_error_takes_back_what_it_made(tmp_path):
    (tmp_path / "old").mkdir()
    with pytest.raises(RuntimeError), Roots().open_output_folder(str(tmp_path / "old/a/b")):
        raise RuntimeError
    assert (tmp_path / "old").is_dir()
    assert not (tmp_path / "old/a").exists()


def test_takes_back_nothing_that_is_used(tmp_path):
    with pytest.raises(RuntimeError), Roots().open_output_folder(str(tmp_path / "a/b")):
        (tmp_path / "a/theirs").touch()
        raise RuntimeError
    assert os.listdir(tmp_path / "a") == ["theirs"]


def test_never_removes_a_folder_that_was_there(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(RuntimeError), Roots().open_output_folder(str(tmp_path / "a")):
        raise RuntimeError
    assert (tmp_path / "a").is_dir()


def test_refuses_links_and_leaves_the_roots_alone(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "else").mkdir()
    (tmp_path / "out/link").symlink_to(tmp_path / "else")
    (tmp_path / "out/dangling").symlink_to(tmp_path / "absent")
    roots = Roots([tmp_path / "out"])
    for path in (
        "out/link",
        "out/link/a",
        "out/dangling",
        "out/dangling/a",
        "else",
        "out2",
        "out/../else",
        "out/a/./b",
    ):
        with pytest.raises(PathRefused):
            roots.open_output_folder(f"{tmp_path}/{path}")
    assert not list((tmp_path / "else").iterdir())
    assert not (tmp_path / "absent").exists()


def test_a_component_too_long_is_refused_and_its_parents_are_taken_back(tmp_path):
    with pytest.raises(PathRefused):
        Roots().open_output_folder(f"{tmp_path}/a/{'b' * 256}")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("path", ["file", "file/below"])
def test_a_file_in_the_way_is_a_failed_output(tmp_path, path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputFailed) as caught:
        Roots().open_output_folder(str(tmp_path / path))
    assert str(tmp_path) not in caught.value.message


def test_a_folder_we_may_not_write_is_a_failed_output(public_path, as_nobody):
    (public_path / "closed").mkdir()
    (public_path / "closed").chmod(0o555)
    with as_nobody(), pytest.raises(OutputFailed, match="Permission denied"):
        Roots().open_output_folder(str(public_path / "closed/a"))


def test_a_read_only_filesystem_is_a_failed_output(mount):
    with pytest.raises(OutputFailed, match="Read-only"):
        Roots().open_output_folder(str(mount("ro,size=64k") / "a"))


def test_a_set_survives_that_another_request_takes_the_folder_back(tmp_path):
    roots, path = Roots(), str(tmp_path / "a/b")
    first = roots.open_output_folder(path)
    with roots.open_output_folder(path) as second:
        first.remove_created()
        first.close()
        assert not (tmp_path / "a").exists()
        with OutputSet(second, "P", marker="m.json") as output:
            output.write("m.json", b"{}")
            output.publish()
    assert (tmp_path / "a/b/P/m.json").read_bytes() == b"{}"


def test_requests_that_make_and_take_back_the_same_folder_never_fail_each_other(tmp_path):
    faults = []

    def work():
        try:
            for _ in range(150):
                with Roots([tmp_path]).open_output_folder(str(tmp_path / "a/b/c")) as folder:
                    folder.remove_created()
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults


def test_leaves_no_descriptor_open(tmp_path, open_fds):
    (tmp_path / "link").symlink_to(tmp_path)
    before = open_fds()
    Roots().open_output_folder(str(tmp_path / "a/b")).close()
    with pytest.raises(PathRefused):
        Roots().open_output_folder(str(tmp_path / "c/d/../e"))
    with pytest.raises(PathRefused):
        Roots().open_output_folder(str(tmp_path / "link/x"))
    with pytest.raises(PathRefused):
        Roots().open_output_folder(f"{tmp_path}/c/{'b' * 256}")
    assert open_fds() == before
