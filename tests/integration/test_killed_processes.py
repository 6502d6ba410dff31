"""What is killed comes back by itself, and whoever waited gets the documented answer."""

import http.client
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tritonclient.utils import InferenceServerException

from tests.integration.instances import INTERNAL_ERROR, Answer, Instance, infer
from tests.integration.processes import wait_until, wait_until_gone

HEALED_SECONDS = 30.0
"""Twice what a machine with nothing else to do may take."""


@pytest.fixture(scope="module")
def victim(tmp_path_factory) -> Iterator[Instance]:
    """An instance whose processes may be killed; it heals between the tests."""
    running = Instance(tmp_path_factory.mktemp("victim"), chest_xray_gate="0")
    running.start()
    try:
        print(f"\nready {running.wait_ready():.1f} s after its start")
        yield running
    finally:
        running.stop()


@pytest.fixture(autouse=True)
def _healed_before(victim):
    victim.wait_ready()


class Load:
    """Four callers, one request after the other each, for as long as a block runs."""

    def __init__(self, instance: Instance, film: Path, folder: Path | None = None) -> None:
        self._instance = instance
        self._asked = (film, folder)
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(4)]
        self.answers: list[tuple[float, Answer]] = []
        self.faults: list[Exception] = []

    def _ask(self) -> None:
        while not self._over.is_set():
            started = time.monotonic()
            try:
                fields = {} if self._asked[1] else {"save_to_disk": False}
                answer = self._instance.single_inference(*self._asked, **fields)
            except Exception as error:
                self.faults.append(error)
                return
            self.answers.append((time.monotonic() - started, answer))
            time.sleep(0.05 if answer.status == 200 else 0.2)

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        wait_until(lambda: len(self.answers) >= 4 or self.faults, 60, "the first films are answered")
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def assert_each_was_answered_as_documented(self) -> None:
        assert self.faults == []
        failed = [answer for _, answer in self.answers if answer.status != 200]
        assert [answer for answer in failed if answer != (500, INTERNAL_ERROR)] == []
        slowest = max(seconds for seconds, _ in self.answers)
        print(f"{len(self.answers)} answers, {len(failed)} failed, slowest {slowest:.1f} s")


def heals_from(victim: Instance, kill: Callable[[], None]) -> float:
    """Kill; gives the seconds until it is ready again, after it said that it was not."""
    started = time.monotonic()
    kill()
    unready = wait_until(lambda: not victim.is_ready(), 10, "it notices", every=0.01)
    wait_until(victim.is_ready, HEALED_SECONDS, "it heals")
    seconds = time.monotonic() - started
    print(f"\nnot ready after {unready:.1f} s, ready again after {seconds:.1f} s")
    return seconds


def assert_is_whole(victim: Instance, stubs: int) -> None:
    """Nothing is missing and nothing is left over: each stub names its region in its arguments."""
    assert len(victim.stubs()) == stubs
    named = {word for stub in victim.stubs() for word in stub.command.split() if word.startswith("radgate_")}
    assert victim.shared_memory() == named


@pytest.mark.parametrize(
    "model", ["chest_xray_preprocess", "chest_xray_classifier", "chest_xray_postprocess"]
)
def test_a_killed_stub_is_healed_under_load(victim, film, model):
    gateway, stubs = victim.gateway(), victim.stubs()
    with Load(victim, film) as load:
        seconds = heals_from(victim, victim.stubs(model)[0].kill)
        answered = len(load.answers)
        wait_until(lambda: len(load.answers) >= answered + 8 or load.faults, 180, "films go on")
    load.assert_each_was_answered_as_documented()
    assert seconds < HEALED_SECONDS
    for _ in range(4):
        victim.predict(film)
    assert not any(stub.is_alive for stub in stubs)
    assert_is_whole(victim, len(stubs))
    assert victim.gateway() == gateway


def test_a_killed_triton_is_healed_under_load(victim, film):
    gateway, stubs, triton = victim.gateway(), victim.stubs(), victim.triton()
    with Load(victim, film) as load:
        heals_from(victim, triton.kill)
        answered = len(load.answers)
        wait_until(lambda: len(load.answers) >= answered + 8 or load.faults, 180, "films go on")
    load.assert_each_was_answered_as_documented()
    victim.predict(film)
    assert not any(each.is_alive for each in (triton, *stubs))
    assert_is_whole(victim, len(stubs))
    assert victim.gateway() == gateway


def test_a_stub_that_hangs_is_healed(victim, film):
    """It is not dead, so only the canary can tell."""
    stubs = victim.stubs()
    (stub,) = victim.stubs("chest_xray_classifier")
    with Load(victim, film) as load:
        heals_from(victim, lambda: stub.kill(signal.SIGSTOP))
    load.assert_each_was_answered_as_documented()
    victim.predict(film)
    assert not stub.is_alive
    assert_is_whole(victim, len(stubs))


def test_callers_who_hang_up_cost_nothing(victim, film):
    """Triton is known to break on cancelled calls; see specs/triton.md 2.5."""
    before = (victim.gateway(), victim.triton(), victim.stubs())
    expected = victim.predict(film)

    def hang_up(attempt: int) -> None:
        with victim.grpc() as client, pytest.raises(InferenceServerException, match="Deadline"):
            infer(client, film.read_bytes(), seconds=(0.001, 0.003, 0.01)[attempt % 3])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(hang_up, range(100)))
    assert victim.predict(film) == expected
    assert (victim.gateway(), victim.triton(), victim.stubs()) == before


def test_a_killed_isolation_worker_is_replaced_without_a_restart(victim, film):
    before = (victim.gateway(), victim.triton(), victim.stubs())
    workers = victim.isolation_workers()
    with Load(victim, film) as load:
        for worker in workers:
            worker.kill()
        answered = len(load.answers)
        wait_until(lambda: len(load.answers) >= answered + 8 or load.faults, 180, "films go on")
    load.assert_each_was_answered_as_documented()
    for _ in range(4):
        victim.predict(film)
    victim.wait_ready()
    assert (victim.gateway(), victim.triton(), victim.stubs()) == before
    assert not any(worker.is_alive for worker in workers)
    # Each is replaced when its stub is next asked; nobody but the canary asked for a dog.
    assert len(victim.stubs("chest_xray_preprocess")) <= len(victim.isolation_workers()) <= len(workers)


def test_a_killed_report_worker_costs_no_answer(victim, film, tmp_path):
    before = (victim.gateway(), victim.triton(), victim.stubs())
    with Load(victim, film, tmp_path / "out") as load:
        for worker in victim.report_workers():
            worker.kill()
        answered = len(load.answers)
        wait_until(lambda: len(load.answers) >= answered + 8 or load.faults, 180, "films go on")
    load.assert_each_was_answered_as_documented()
    assert [answer.status for _, answer in load.answers if answer.status != 200] == []
    assert (victim.gateway(), victim.triton(), victim.stubs()) == before


def test_a_killed_gateway_leaves_nothing_behind_and_starts_again_at_once(new_instance, film):
    instance = new_instance()
    instance.start()
    instance.wait_ready()
    everything, stubs = instance.processes(), len(instance.stubs())
    assert len(everything) > 8
    with Load(instance, film) as load:
        instance.gateway().kill()
    assert {type(fault) for fault in load.faults} <= {
        http.client.RemoteDisconnected,
        ConnectionRefusedError,
        ConnectionResetError,
    }
    assert load.faults
    seconds = wait_until_gone(everything, 10)
    print(f"\nall ended {seconds:.1f} s after the gateway; left in /dev/shm: {len(instance.shared_memory())}")
    instance.wait_ended(5)
    instance.start()
    print(f"ready {instance.wait_ready():.1f} s after the second start")
    instance.predict(film)
    assert_is_whole(instance, stubs)
