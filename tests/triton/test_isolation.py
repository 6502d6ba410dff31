import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from gateway.imaging.errors import ImageError, WrongContent
from gateway.triton.isolation import Isolated, find_python

# What the workers run; they import this module by its name.


def echo(value):
    return value


def double(pixels, *, _unused=None):
    return {"pixels": pixels * 2, "size": pixels.shape, "kind": type(pixels).__name__}


def length(data):
    return type(data).__name__, len(data), os.getpid()


def hang(value):
    time.sleep(value)
    return os.getpid()


def devour(mebibytes):
    return len(bytearray(mebibytes << 20))


def crash(how):
    if how == "bug":
        raise KeyError(how)
    os.kill(os.getpid(), {"abort": signal.SIGABRT, "segfault": signal.SIGSEGV, "kill": signal.SIGKILL}[how])


def fail_over(name):
    try:
        {}[name]
    except KeyError as error:
        raise KeyError(f"no such patient: {name}") from error


def refuse(sentence):
    raise WrongContent(sentence)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_dead(pid):
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not alive(pid)


def test_arrays_go_and_come_back():
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 4)[:, ::-1]
    with Isolated(double) as isolated:
        answer = isolated(pixels)
    np.testing.assert_array_equal(answer["pixels"], pixels * 2)
    assert (answer["size"], answer["kind"]) == ((3, 4), "ndarray")
    answer["pixels"] += 1  # ours, and still there after the worker is gone


def test_bytes_arrive_as_bytes_and_one_worker_serves_all_calls():
    with Isolated(length) as isolated:
        answers = [isolated(bytes(size)) for size in (0, 1, 5_000_000)]
    assert [answer[:2] for answer in answers] == [("bytes", 0), ("bytes", 1), ("bytes", 5_000_000)]
    assert len({pid for *_, pid in answers}) == 1


def test_an_image_error_keeps_its_class_and_its_sentence():
    with Isolated(refuse) as isolated:
        for _ in range(2):
            with pytest.raises(WrongContent, match=r"^a hand, not a chest$"):
                isolated("a hand, not a chest")


def test_a_call_that_takes_too_long_is_ended():
    with Isolated(hang, seconds=0.3) as isolated:
        first = isolated(0)
        started = time.monotonic()
        with pytest.raises(ImageError, match=r"within 0\.3 s"):
            isolated(60)
        assert time.monotonic() - started < 3
        assert not alive(first)
        assert isolated(0) != first


def test_a_call_has_a_memory_budget():
    with Isolated(devour, memory_bytes=256 << 20) as isolated:
        assert isolated(100) == 100 << 20
        with pytest.raises(ImageError, match="memory budget"):
            isolated(400)
        assert isolated(100) == 100 << 20


@pytest.mark.parametrize("how", ["bug", "abort", "segfault", "kill"])
def test_a_crash_is_an_image_error_and_the_next_call_finds_a_new_worker(how):
    with Isolated(crash) as isolated:
        for _ in range(2):
            with pytest.raises(ImageError, match="its decoder failed"):
                isolated(how)


def test_a_bug_is_reported_by_type_and_place_without_its_text(capfd):
    with Isolated(fail_over) as isolated, pytest.raises(ImageError):
        isolated("Doe^John")
    reported = capfd.readouterr().err
    assert "KeyError" in reported
    assert "in fail_over" in reported
    assert "Doe" not in reported


def test_a_worker_that_died_between_calls_is_replaced_unnoticed():
    with Isolated(hang) as isolated:
        pid = isolated(0)
        os.kill(pid, signal.SIGKILL)
        assert wait_until_dead(pid)
        assert isolated(0) != pid


def test_a_worker_that_cannot_start_is_not_the_images_fault(tmp_path):
    with Isolated(echo, python="/bin/false") as isolated, pytest.raises(RuntimeError, match="does not start"):
        isolated(1)


def test_calls_from_several_threads_take_turns():
    with Isolated(echo) as isolated:
        answers = {}
        threads = [
            threading.Thread(target=lambda n=n: answers.__setitem__(n, isolated(np.full(1000, n)).sum()))
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == {n: 1000 * n for n in range(8)}
        assert isolated(5) == 5  # the worker outlives the thread that started it


def test_closing_ends_the_worker():
    with Isolated(hang) as isolated:
        pid = isolated(0)
    assert not alive(pid)


PARENT = """
import sys
from gateway.triton.isolation import Isolated
from tests.triton.test_isolation import hang
isolated = Isolated(hang)
print(isolated(0), flush=True)
if sys.argv[1] == "busy":
    isolated(60)
sys.stdin.read()
"""


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_the_worker_dies_with_its_parent_and_leaves_no_shared_memory(state):
    root = Path(__file__).parents[2]
    before = set(os.listdir("/dev/shm"))
    command = [sys.executable, "-c", PARENT, state]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    assert wait_until_dead(pid)
    assert set(os.listdir("/dev/shm")) <= before


def test_a_large_result_is_mapped_where_the_worker_wrote_it():
    """It is neither pickled nor copied on this side, which would cost more than most of its work."""
    pixels = np.zeros((2000, 2000), np.uint8)
    with Isolated(echo) as isolated:
        owner = isolated(pixels)
    while isinstance(owner, np.ndarray):
        owner = owner.base
    assert isinstance(memoryview(owner).obj, mmap.mmap)


def test_the_interpreter_is_the_one_of_our_version(monkeypatch):
    monkeypatch.setattr(sys, "executable", "")
    answer = subprocess.run([find_python(), "--version"], capture_output=True, text=True, check=True)
    assert answer.stdout.split()[1].startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
