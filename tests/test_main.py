"""How an instance starts, and how it says that it cannot."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tools.at_hand import free_ports

ROOT = Path(__file__).parents[1]
SECRET = "not to be seen " * 4


@pytest.fixture
def environment(tmp_path):
    """An environment in which an instance would start, without a Triton of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RADGATE_")}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "RADGATE_DATA_DIR": str(tmp_path / "data"),
        "RADGATE_TRITON_URL": "127.0.0.1:9",
        "RADGATE_REPORT_WORKERS": "1",
        "RADGATE_JWT_SECRET": SECRET,
    }


@pytest.fixture
def start(environment, tmp_path):
    def run(**changes):
        settings = {f"RADGATE_{name}": value for name, value in changes.items()}
        return subprocess.run(
            [sys.executable, "-m", "gateway"],
            env={**environment, **settings},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return run


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"PORT": "http"}, "RADGATE_PORT: "),
        ({"HOST": "0.0.0.0"}, "reachable from other machines"),
        ({"PEERS_FILE": "/dev/null"}, "RADGATE_PEERS_FILE: "),
        ({"INPUT_ROOTS": "/absent"}, "/absent must be the absolute path of a folder that exists"),
        ({"JWT_SECRET": "tiny and secret"}, "shorter than 32 bytes"),
        ({"JWT_PREVIOUS_SECRET": "tiny and secret"}, "shorter than 32 bytes"),
        ({"DATA_DIR": "/proc/radgate"}, "/proc/radgate"),
    ],
    ids=str,
)
def test_says_in_one_line_why_it_does_not_start(start, settings, words):
    done = start(**settings)
    lines = [line for line in done.stderr.splitlines() if line.startswith("radgate: ")]
    assert (done.returncode, done.stdout, len(lines)) == (2, "", 1)
    assert words in lines[0]
    assert "Traceback" not in done.stderr
    assert "tiny" not in done.stderr
    assert SECRET.strip() not in done.stderr


def test_says_that_a_port_is_taken(start):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = start(PORT=str(port))
    assert done.returncode == 2
    assert "address already in use" in done.stderr
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr


def test_serves_and_stops_when_told_to(environment, tmp_path):
    ports = free_ports(5)
    names = [f"RADGATE_{each}PORT" for each in ("", "CHEST_XRAY_", "ADMIN_", "ACR_", "MAISI_")]
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway"],
        env={**environment, **dict(zip(names, map(str, ports), strict=True))},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _wait_for(f"http://127.0.0.1:{ports[2]}/live")
        assert _status(f"http://127.0.0.1:{ports[0]}/ping") == 200
        assert _status(f"http://127.0.0.1:{ports[1]}/ping") == 200
        assert _status(f"http://127.0.0.1:{ports[3]}/api/inference/status/none") == 404
        assert _status(f"http://127.0.0.1:{ports[2]}/ready") == 503  # there is no Triton
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "Traceback" not in log


def _status(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def _wait_for(url):
    deadline = time.monotonic() + 20
    while True:
        try:
            return _status(url)
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
