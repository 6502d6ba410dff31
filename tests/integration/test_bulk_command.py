"""`radgate bulk` with an instance of its own, and with one that runs."""

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.integration.bulk_sets import assert_every_set_is_complete, assert_manifest_agrees, make_films
from tests.integration.instances import ROOT
from tests.integration.processes import wait_until


@pytest.fixture
def command(tmp_path):
    """Start it; the settings are those of a machine of its own."""

    def start(*arguments, **settings):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RADGATE_")}
        given = {"data_dir": str(tmp_path / "data"), "chest_xray_gate": "0", "admin_port": "9", **settings}
        ours = {f"RADGATE_{name.upper()}": value for name, value in given.items()}
        return subprocess.Popen(
            [sys.executable, "-m", "tools.__main__", "bulk", *map(str, arguments)],
            env={**kept, **ours, "PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
        )

    return start


def test_ctrl_c_cancels_and_resume_goes_on(command, tmp_path):
    films, output = tmp_path / "films", tmp_path / "out"
    make_films(films, 40)
    first = command(films, output, "--json")
    wait_until(
        lambda: output.is_dir() and len(list(output.glob("P*"))) >= 5, 60, "films are done", every=0.02
    )
    first.send_signal(signal.SIGINT)
    status = json.loads(first.communicate(timeout=60)[0])
    assert (first.returncode, status["state"]) == (130, "cancelled")
    done = {path.name: path.stat().st_ino for path in output.glob("P*")}
    assert len(done) == status["done"] < 40
    second = command(films, output, "--resume", "--manifest", "--json")
    status = json.loads(second.communicate(timeout=120)[0])
    assert (second.returncode, status["done"]) == (0, 40)
    assert {name: (output / name).stat().st_ino for name in done} == done
    assert_every_set_is_complete(films, output)
    assert_manifest_agrees(films, output)


def test_takes_the_instance_that_runs(command, instance, tmp_path):
    films, output = tmp_path / "films", tmp_path / "out"
    make_films(films, 5)
    ports = {"admin_port": str(instance.admin_port), "chest_xray_port": str(instance.chest_xray_port)}
    process = command(films, output, "--json", data_dir=str(instance.data_dir), **ports)
    assert json.loads(process.communicate(timeout=60)[0])["done"] == 5
    assert_every_set_is_complete(films, output)
    assert not (instance.data_dir / "bulk").exists()
