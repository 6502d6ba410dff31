"""kill -9 while publishing: what a reader then finds."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from gateway.files.temporary import sweep

MARKER = "P_predictions.json"
NAMES = ("P_source.png", "P_heatmap.png", MARKER, "P_report.pdf")
KILLS = 12  # for each kind of filesystem

PROGRAM = f"""
import itertools, os, sys
from gateway.files.output_set import OutputSet
from gateway.files.roots import Roots

out, start, *names = sys.argv[1], int(sys.argv[2]), *sys.argv[3:]
for turn in itertools.count(start):
    for name in names or (f"new{{turn}}", "same", "foreign"):
        with Roots().open_output_folder(out) as folder, OutputSet(folder, name, marker={MARKER!r}) as output:
            for file in {NAMES!r}:
                output.write(file, str(turn).encode() * 5000)
            output.publish()
    print(turn, flush=True)
"""


@pytest.fixture(params=["disk", "memory"])
def out(request, tmp_path):
    # In memory fsync costs nothing, so that more of the kills hit the renames.
    if request.param == "disk":
        yield tmp_path / "out"
        return
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no /dev/shm")
    path = Path(tempfile.mkdtemp(dir="/dev/shm"))
    yield path / "out"
    shutil.rmtree(path)


def test_a_kill_never_leaves_a_mixed_set(out):
    (out / "foreign").mkdir(parents=True)
    (out / "foreign/notes.txt").write_text("theirs")
    chance = random.Random(7)
    for kill in range(KILLS):
        _publish_until_killed(out, kill * 100_000, after_seconds=chance.uniform(0, 0.03))
        _require_whole_sets(out)
    assert any(name.startswith(".radgate-") for name in os.listdir(out))  # some hit the middle of one
    fd = os.open(out, os.O_RDONLY)
    sweep(fd, 0)
    os.close(fd)
    assert not [name for name in os.listdir(out) if name.startswith(".")]
    _require_whole_sets(out)


def test_processes_publishing_the_same_patient_never_mix(out):
    (out / "foreign").mkdir(parents=True)
    (out / "foreign/notes.txt").write_text("theirs")
    processes = [_start(out, number * 100_000, "foreign") for number in range(3)]
    for process in processes:
        process.stdout.readline()
    try:
        for _ in range(50):
            time.sleep(0.01)
            _require_whole_while_stopped(out, processes)
    finally:
        for process in processes:
            with process:
                process.kill()


def _require_whole_while_stopped(out, processes):
    for process in processes:
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)  # the signal alone may take a moment
    _require_whole_sets(out)
    for process in processes:
        process.send_signal(signal.SIGCONT)


def _start(out, start, *names):
    arguments = [sys.executable, "-c", PROGRAM, str(out), str(start), *names]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE)


def _publish_until_killed(out, start, *, after_seconds):
    with _start(out, start) as process:
        process.stdout.readline()  # the first round is through
        time.sleep(after_seconds)
        process.send_signal(signal.SIGKILL)


def _require_whole_sets(out):
    for path in out.iterdir():
        if path.name.startswith(".radgate-"):
            continue
        files = {file.name: file.read_bytes() for file in path.iterdir()}
        if path.name == "foreign":
            assert files.pop("notes.txt") == b"theirs"
            if MARKER not in files:
                continue
        assert set(files) == set(NAMES)
        assert len(set(files.values())) == 1, path.name
