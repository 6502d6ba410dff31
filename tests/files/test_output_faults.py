"""Disks that are full, closed or dying: the caller hears of it and finds no half-written set."""

import errno
import os
import subprocess
import sys

import pytest

from gateway.errors import OutputFailed
from gateway.files import rename
from gateway.files.output_set import OutputSet
from gateway.files.roots import Roots

MARKER = "P_predictions.json"
NAMES = ("P_source.png", "P_heatmap.png", MARKER, "P_report.pdf")


def test_a_full_disk_leaves_the_old_set_and_nothing_else(mount, publish, contents):
    disk = mount("size=64k")
    publish(disk, "one")
    for size in (100_000, 15_000):  # full within a file, full between files
        with pytest.raises(OutputFailed, match="No space left") as caught:
            publish(disk, "x" * size)
        assert "P" not in caught.value.message.split()
        assert contents(disk / "P") == dict.fromkeys(NAMES, "one")
        assert os.listdir(disk) == ["P"]


def test_a_disk_without_free_inodes_fails_cleanly(mount, publish):
    disk = mount("size=64k,nr_inodes=4")
    with pytest.raises(OutputFailed, match="No space left"):
        publish(disk / "out", "one")
    assert os.listdir(disk) == []


def test_a_limit_on_file_size_fails_cleanly(tmp_path):
    program = (
        "import sys, resource\n"
        "from gateway.errors import OutputFailed\n"
        "from gateway.files.output_set import OutputSet\n"
        "from gateway.files.roots import Roots\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "try:\n"
        "    with Roots().open_output_folder(sys.argv[1]) as folder:\n"
        "        with OutputSet(folder, 'P', marker='m') as output:\n"
        "            output.write('m', b'x' * 4000)\n"
        "            output.write('x', b'x' * 6000)\n"
        "except OutputFailed as error:\n"
        "    print(error.message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "out")], check=True, capture_output=True, text=True
    )
    assert done.stdout == "The results could not be written: File too large\n"
    assert os.listdir(tmp_path) == []


def test_a_read_only_filesystem_fails_cleanly(mount, publish, contents):
    disk = mount("size=64k")
    publish(disk, "one")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(OutputFailed, match="Read-only"):
        publish(disk, "two")
    assert contents(disk / "P") == dict.fromkeys(NAMES, "one")


def test_a_folder_we_may_not_write_fails_cleanly(public_path, as_nobody, publish):
    (public_path / "out").mkdir(mode=0o755)
    (public_path / "out").chmod(0o555)
    with as_nobody(), pytest.raises(OutputFailed, match="Permission denied"):
        publish(public_path / "out", "one")


def test_a_patient_folder_we_may_not_write_fails_cleanly(public_path, as_nobody, publish):
    (public_path / "P").mkdir()
    (public_path / "P/notes.txt").touch()
    (public_path / "P").chmod(0o555)
    public_path.chmod(0o777)
    with as_nobody(), pytest.raises(OutputFailed, match="Permission denied"):
        publish(public_path, "one")
    assert os.listdir(public_path) == ["P"]
    assert os.listdir(public_path / "P") == ["notes.txt"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_set_that_cannot_be_removed_afterwards_is_said_in_the_log(public_path, as_nobody, publish, caplog):
    # Root's set, closed to us, in a folder that is ours: the exchange works, the removal does not.
    (public_path / "P").mkdir()
    (public_path / "P" / MARKER).touch()
    public_path.chmod(0o777)
    with as_nobody():
        publish(public_path, "two")
    assert (public_path / "P" / MARKER).read_text() == "two"
    assert [record.message for record in caplog.records] == [
        "An old set of results could not be removed: Permission denied"
    ]


FAILING = ("open", "mkdir", "write", "fsync", "rename", "unlink", "scandir", "fstat", "stat")


@pytest.mark.parametrize("case", ["new", "exchange", "foreign", "no_renameat2"])
def test_whichever_call_fails_no_reader_sees_a_mixed_set(tmp_path, publish, open_fds, monkeypatch, case):
    # A fake, because no filesystem here fails on order: the k-th call of the set fails, for every k.
    if case == "no_renameat2":
        monkeypatch.setattr(rename, "_renameat2", None)
    before = open_fds()
    for k in range(200):
        out = tmp_path / str(k)
        if case != "new":
            publish(out, "old")
        if case == "foreign":
            (out / "P/notes.txt").write_text("theirs")
        calls = _publish_with_fault(out, k, (errno.EIO, errno.EDQUOT)[k % 2])
        _require_whole(out, merged=case in ("foreign", "no_renameat2"))
        assert open_fds() == before
        if calls <= k:
            return
    raise AssertionError("never got through")


def _publish_with_fault(out, k, number):
    """Publish "new" with the k-th system call failing; give how many calls there were."""
    calls = 0

    def failing(real):
        def call(*arguments, **keywords):
            nonlocal calls
            calls += 1
            if calls == k + 1:
                raise OSError(number, os.strerror(number))
            return real(*arguments, **keywords)

        return call

    out.mkdir(exist_ok=True)
    with Roots().open_output_folder(str(out)) as folder, pytest.MonkeyPatch.context() as patch:
        for name in FAILING:
            patch.setattr(os, name, failing(getattr(os, name)))
        patch.setattr(rename, "_call", failing(rename._call))
        try:
            with OutputSet(folder, "P", marker=MARKER) as output:
                for file in NAMES:
                    output.write(file, b"new")
                output.publish()
        except OutputFailed as error:
            assert "P" not in error.message
    return calls


def _require_whole(out, *, merged):
    left = [name for name in os.listdir(out) if name != "P"]
    assert len(left) <= 1  # only when the one failing call was the one that removes
    if not (out / "P").exists():
        return
    files = {file.name: file.read_text() for file in (out / "P").iterdir()}
    files.pop("notes.txt", None)
    if merged and MARKER not in files:
        return
    assert set(files) == set(NAMES)
    assert len(set(files.values())) == 1
