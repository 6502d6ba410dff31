"""Instances come, go and live side by side."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.instances import INTERNAL_ERROR, Instance, timed
from tests.integration.processes import pss_bytes, wait_until, wait_until_gone


def in_flight(instance: Instance) -> int:
    """How many films Triton holds, by the gateway's own count."""
    from urllib.request import ProxyHandler, build_opener

    opener = build_opener(ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{instance.admin_port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return sum(
        int(float(line.split()[-1])) for line in lines if line.startswith("radgate_admission_in_flight{")
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_answers_what_is_in_flight_and_leaves_nothing(new_instance, film, number):
    instance = new_instance()
    instance.start()
    print(f"\nready {instance.wait_ready():.1f} s after its start")
    everything = instance.processes()
    print(f"memory at rest {pss_bytes(everything) / 1e6:.0f} MB in {len(everything)} processes")
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(instance.single_inference, film, None, save_to_disk=False) for _ in range(8)]
        wait_until(lambda: in_flight(instance) > 0, 10, "a film is in flight", every=0.005)
        os.kill(instance.pid, number)
        code, seconds = timed(instance.wait_ended, 40)
        statuses = [answer.result().status for answer in answers]
    print(f"ended {seconds:.1f} s after the signal")
    assert statuses == [200] * 8
    assert code == 0, instance.output[-2000:]
    wait_until_gone(everything, 5)
    assert instance.shared_memory() == set()
    assert "Traceback" not in instance.output


def test_a_second_instance_on_the_same_data_is_refused_in_a_sentence(instance, new_instance, film):
    second = new_instance(data_dir=str(instance.data_dir))
    second.start()
    assert second.wait_ended(30) == 2
    folder = instance.data_dir.resolve()
    sentence = f"another RadGate runs on {folder}; give this one its own RADGATE_DATA_DIR"
    assert second.output.strip() == f"radgate: {sentence}"
    instance.predict(film)


def test_an_instance_whose_port_is_taken_is_refused_in_a_sentence(instance, new_instance, film):
    second = new_instance(port=str(instance.port))
    second.start()
    assert second.wait_ended(40) == 2
    assert "address already in use" in second.output and str(instance.port) in second.output
    assert "Traceback" not in second.output
    assert second.shared_memory() == set()
    instance.predict(film)


@pytest.mark.parametrize("name", ["triton_grpc_port", "triton_metrics_port"])
def test_an_instance_never_talks_to_another_ones_triton(instance, new_instance, name):
    port = instance.grpc_port if name == "triton_grpc_port" else instance.metrics_port
    second = new_instance(**{name: str(port)})
    second.start()
    assert second.wait_ended(30) == 2
    sentence = f"another program listens on port {port}; set RADGATE_{name.upper()} to a free one"
    assert second.output.strip() == f"radgate: {sentence}"


def test_two_instances_run_side_by_side(instance, new_instance, film):
    second = new_instance()
    second.start()
    second.wait_ready()
    assert second.predict(film) == instance.predict(film)
    second.stop()
    assert instance.is_ready()
    instance.predict(film)


def test_an_external_triton_may_die_and_come_back(new_instance, film, tmp_path):
    owner = new_instance("owner")
    owner.start()
    owner.wait_ready()
    guest = new_instance("guest", triton_url=owner.triton_url)
    guest.start()
    guest.wait_ready()
    assert [each for each in guest.processes() if "triton" in each.command] == []
    assert guest.predict(film) == owner.predict(film)

    owner.gateway().kill(signal.SIGSTOP)  # else it heals its Triton at once
    owner.triton().kill()
    try:
        assert guest.single_inference(film, tmp_path / "out") == (500, INTERNAL_ERROR)
        assert not Path(tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []
        wait_until(lambda: not guest.is_ready(), 15, "the guest notices")
        assert guest.get("/live", port=guest.admin_port).status == 200
    finally:
        owner.gateway().kill(signal.SIGCONT)
    print(f"\nguest ready {guest.wait_ready():.1f} s after its Triton's owner went on")
    assert guest.predict(film) == owner.predict(film)
