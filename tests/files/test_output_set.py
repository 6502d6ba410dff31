import fcntl
import os
import threading

import pytest

from gateway.errors import OutputFailed
from gateway.files import rename
from gateway.files.locks import publishing_in
from gateway.files.output_set import OutputSet
from gateway.files.roots import Roots

MARKER = "P_predictions.json"
NAMES = ("P_source.png", "P_heatmap.png", MARKER, "P_report.pdf")


def test_publishes_into_a_new_folder(tmp_path, publish, contents):
    publish(tmp_path / "out", "one")
    assert contents(tmp_path / "out/P") == dict.fromkeys(NAMES, "one")
    assert os.listdir(tmp_path / "out") == ["P"]


def test_replaces_an_older_set_in_one_step(tmp_path, publish, contents):
    publish(tmp_path, "one")
    old = os.open(tmp_path / "P", os.O_RDONLY)
    publish(tmp_path, "two")
    assert contents(tmp_path / "P") == dict.fromkeys(NAMES, "two")
    assert os.listdir(tmp_path) == ["P"]
    assert os.listdir(old) == []  # another folder: it was exchanged, not rewritten
    os.close(old)


def test_a_smaller_old_set_is_replaced_too(tmp_path, publish, contents):
    publish(tmp_path, "one", names=(MARKER,))
    publish(tmp_path, "two")
    assert contents(tmp_path / "P") == dict.fromkeys(NAMES, "two")


def test_keeps_files_that_are_not_ours(tmp_path, publish, contents):
    publish(tmp_path, "one")
    (tmp_path / "P/notes.txt").write_text("theirs")
    publish(tmp_path, "two")
    assert contents(tmp_path / "P") == dict.fromkeys(NAMES, "two") | {"notes.txt": "theirs"}
    assert os.listdir(tmp_path) == ["P"]


def test_a_file_that_arrives_during_the_exchange_is_kept(tmp_path, publish, contents, monkeypatch):
    publish(tmp_path, "one")
    real = rename.exchange

    def exchange(*arguments):
        (tmp_path / "P/notes.txt").write_text("theirs")
        return real(*arguments)

    monkeypatch.setattr(rename, "exchange", exchange)
    publish(tmp_path, "two")
    assert contents(tmp_path / "P") == dict.fromkeys(NAMES, "two") | {"notes.txt": "theirs"}
    assert os.listdir(tmp_path) == ["P"]


def test_serves_a_filesystem_without_renameat2(tmp_path, publish, contents, monkeypatch):
    monkeypatch.setattr(rename, "_renameat2", None)
    for text in ("one", "two"):
        publish(tmp_path, text)
        assert contents(tmp_path / "P") == dict.fromkeys(NAMES, text)
    assert os.listdir(tmp_path) == ["P"]


def test_merging_takes_the_marker_away_first_and_brings_it_last(tmp_path, publish, monkeypatch):
    publish(tmp_path, "one")
    (tmp_path / "P/notes.txt").write_text("theirs")
    seen = []
    real = os.rename

    def watch(*arguments, **keywords):
        seen.append((tmp_path / "P" / MARKER).exists())
        real(*arguments, **keywords)

    monkeypatch.setattr(os, "rename", watch)
    publish(tmp_path, "two")
    assert seen == [False] * len(NAMES)


@pytest.mark.parametrize("kind", ["link", "dangling", "file", "fifo"])
def test_refuses_a_target_that_is_no_folder(tmp_path, publish, kind):
    (tmp_path / "else").mkdir()
    target = tmp_path / "out/P"
    target.parent.mkdir()
    if kind == "link":
        target.symlink_to(tmp_path / "else")
    elif kind == "dangling":
        target.symlink_to(tmp_path / "absent")
    elif kind == "file":
        target.write_text("theirs")
    else:
        os.mkfifo(target)
    with pytest.raises(OutputFailed, match="Not a directory"):
        publish(tmp_path / "out", "one")
    assert os.listdir(tmp_path / "out") == ["P"]
    assert not os.listdir(tmp_path / "else")


def test_a_link_inside_the_target_is_replaced_and_never_followed(tmp_path, publish, contents):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "out/P").mkdir(parents=True)
    for name in NAMES:
        (tmp_path / "out/P" / name).symlink_to(tmp_path / "victim")
    publish(tmp_path / "out", "one")
    assert contents(tmp_path / "out/P") == dict.fromkeys(NAMES, "one")
    assert not any((tmp_path / "out/P" / name).is_symlink() for name in NAMES)
    assert (tmp_path / "victim").read_text() == "precious"


def test_a_folder_in_the_place_of_a_file_fails_before_anything_is_touched(tmp_path, publish):
    publish(tmp_path, "one")
    (tmp_path / "P/P_report.pdf").unlink()
    (tmp_path / "P/P_report.pdf").mkdir()
    with pytest.raises(OutputFailed):
        publish(tmp_path, "two")
    assert (tmp_path / "P" / MARKER).read_text() == "one"
    assert os.listdir(tmp_path) == ["P"]


def test_an_abandoned_set_leaves_nothing(tmp_path):
    with (
        pytest.raises(RuntimeError),
        Roots().open_output_folder(str(tmp_path / "out")) as folder,
        OutputSet(folder, "P", marker=MARKER) as output,
    ):
        output.write(MARKER, b"{}")
        assert os.listdir(tmp_path / "out") != ["P"]
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_nothing_shows_before_it_is_published(tmp_path):
    with (
        Roots().open_output_folder(str(tmp_path)) as folder,
        OutputSet(folder, "P", marker=MARKER) as output,
    ):
        output.write(MARKER, b"{}")
        assert all(name.startswith(".radgate-") for name in os.listdir(tmp_path))
    assert not os.listdir(tmp_path)


def test_a_set_without_its_marker_is_a_bug(tmp_path):
    with (
        Roots().open_output_folder(str(tmp_path)) as folder,
        OutputSet(folder, "P", marker=MARKER) as output,
    ):
        output.write("x", b"")
        with pytest.raises(ValueError, match="marker"):
            output.publish()
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/x", "a\0", ".radgate-0123456789abcdef"])
def test_names_stay_in_their_folder(tmp_path, name):
    with Roots().open_output_folder(str(tmp_path)) as folder:
        with pytest.raises(ValueError, match="plain"):
            OutputSet(folder, name, marker=MARKER)
        with OutputSet(folder, "P", marker=MARKER) as output, pytest.raises(ValueError, match="plain"):
            output.write(name, b"")


def test_modes_obey_the_umask(tmp_path, publish):
    before = os.umask(0o027)
    try:
        publish(tmp_path, "one")
    finally:
        os.umask(before)
    assert (tmp_path / "P").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "P" / MARKER).stat().st_mode & 0o777 == 0o640


def test_a_folder_that_its_owner_closed_stays_closed(tmp_path, publish):
    publish(tmp_path, "one")
    (tmp_path / "P").chmod(0o700)
    publish(tmp_path, "two")
    assert (tmp_path / "P").stat().st_mode & 0o777 == 0o700


def test_takes_any_kind_of_bytes(tmp_path, contents):
    with (
        Roots().open_output_folder(str(tmp_path)) as folder,
        OutputSet(folder, "P", marker=MARKER) as output,
    ):
        output.write("a", bytearray(b"a"))
        output.write("b", memoryview(b"xbx")[1:2])
        output.write(MARKER, b"")
        output.publish()
    assert contents(tmp_path / "P") == {"a": "a", "b": "b", MARKER: ""}


def test_threads_publishing_the_same_patient_never_mix(tmp_path, publish, contents):
    faults = []

    def work(number):
        try:
            for turn in range(25):
                publish(tmp_path / "out", f"{number}.{turn}")
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        seen = _read_through_one_descriptor(tmp_path / "out/P")
        assert seen is None or len(set(seen)) == 1
    assert not faults
    assert len(set(contents(tmp_path / "out/P").values())) == 1
    assert os.listdir(tmp_path / "out") == ["P"]


def _read_through_one_descriptor(path):
    """Read a set as a careful reader does; None when it was replaced meanwhile."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        files = [os.open(name, os.O_RDONLY, dir_fd=fd) for name in NAMES]
    except FileNotFoundError:
        return None
    finally:
        os.close(fd)
    texts = [os.read(file, 100) for file in files]
    for file in files:
        os.close(file)
    return texts


def test_threads_may_share_one_folder(tmp_path, contents):
    faults = []
    with Roots().open_output_folder(str(tmp_path / "out")) as folder:

        def work(number):
            try:
                for name in ("P", f"P{number}"):
                    with OutputSet(folder, name, marker=MARKER) as output:
                        for file in NAMES:
                            output.write(file, str(number).encode())
                        output.publish()
            except Exception as error:
                faults.append(error)

        threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not faults
    assert sorted(os.listdir(tmp_path / "out")) == ["P", *(f"P{number}" for number in range(8))]
    assert contents(tmp_path / "out/P3") == dict.fromkeys(NAMES, "3")


def test_waits_for_another_process_but_not_for_ever(tmp_path):
    # An flock on a descriptor of its own is to us as another process's.
    with Roots().open_output_folder(str(tmp_path)) as folder:
        holder = os.open(tmp_path, os.O_RDONLY)
        fcntl.flock(holder, fcntl.LOCK_EX)
        with OutputSet(folder, "P", marker=MARKER, lock_timeout_seconds=0.1) as output:
            output.write(MARKER, b"{}")
            with pytest.raises(OutputFailed, match="timed out"):
                output.publish()
        os.close(holder)
        with OutputSet(folder, "P", marker=MARKER, lock_timeout_seconds=0.1) as output:
            output.write(MARKER, b"{}")
            output.publish()
    assert os.listdir(tmp_path) == ["P"]


def test_a_thread_does_not_wait_for_ever_for_another(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    with (
        publishing_in(fd, timeout_seconds=1),
        pytest.raises(TimeoutError),
        publishing_in(fd, timeout_seconds=0.05),
    ):
        pass
    os.close(fd)


def test_leaves_no_descriptor_open(tmp_path, publish, open_fds):
    before = open_fds()
    publish(tmp_path / "out", "one")
    publish(tmp_path / "out", "two")
    (tmp_path / "out/P/notes.txt").touch()
    publish(tmp_path / "out", "three")
    assert open_fds() == before
