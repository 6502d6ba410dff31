"""A bulk job whose whole instance is killed, again and again, as if the power went.

RADGATE_TEST_BULK_FILMS and RADGATE_TEST_BULK_KILLS make the run as long as one likes, such as 500 films
and 20 kills. A set that was written again shows by its inode, an inference of a film whose set was
complete by the log of every inference.
"""

import os
import random
import re
import time
import urllib.request
from pathlib import Path

import pytest

from tests.integration.bulk_sets import assert_every_set_is_complete, assert_manifest_agrees, make_films
from tests.integration.instances import Instance
from tests.integration.processes import wait_until
from tests.storage.databases import empty_database

FILMS = int(os.environ.get("RADGATE_TEST_BULK_FILMS", "80"))
KILLS = int(os.environ.get("RADGATE_TEST_BULK_KILLS", "5"))
SEED = int(os.environ.get("RADGATE_TEST_SEED", "0"))


@pytest.fixture
def films(tmp_path):
    folder = tmp_path / "films"
    make_films(folder, FILMS)
    return folder


def status(instance: Instance, job: str) -> dict:
    return instance.bulk("GET", f"/{job}").body["Data"]


def begin(instance: Instance, films: Path, output: Path) -> str:
    answer = instance.bulk(
        "POST", input_folder_path=str(films), output_folder_path=str(output), manifest=True
    )
    assert answer.status == 202, answer
    return answer.body["Data"]["id"]


def is_at_work(instance: Instance) -> bool:
    with urllib.request.urlopen(f"http://127.0.0.1:{instance.admin_port}/metrics") as answer:
        return b'radgate_jobs_running{kind="chest_xray_bulk"} 1.0' in answer.read()


def complete_sets(output: Path) -> dict[str, int]:
    """Give the inode of the predictions of each set: another one means that it was written again."""
    found = {}
    for folder in output.glob("[!.]*"):
        marker = folder / f"{folder.name}_predictions.json"
        if marker.exists():
            found[folder.name] = marker.stat().st_ino
    return found


def inferred(log: str) -> set[str]:
    """Give the patients whose films went to Triton; films are numbered in their order from 0."""
    return {f"P{int(number):04}" for number in re.findall(r"\[film-(\d+)\] infer chest_xray\b", log)}


def test_nothing_is_lost_and_nothing_is_done_again(new_instance, films, tmp_path):
    output = tmp_path / "out"
    chance = random.Random(SEED)
    instance = new_instance(log_level="DEBUG")
    instance.start()
    instance.wait_ready()
    job = begin(instance, films, output)
    written: dict[str, int] = {}
    seen = 0
    for kill in range(KILLS):
        before = len(complete_sets(output))
        # Some films into this life, and then at any moment of the next ones.
        goal = min(before + chance.randrange(1, max(2, 2 * FILMS // (KILLS + 1))), FILMS - 1)
        wait_until(lambda goal=goal: len(complete_sets(output)) >= goal, 60, "films are done", every=0.01)
        time.sleep(chance.uniform(0, 0.2))
        instance.kill_everything()
        now = complete_sets(output)
        assert {name: now.get(name) for name in written} == written, "a complete set was written again"
        life = inferred(instance.output[seen:])
        assert not life & set(written), "a film was assessed after its set was complete"
        assert set(now) - set(written) <= life, "the log shows every inference"
        written, seen = now, len(instance.output)
        print(f"kill {kill}: {len(now)} of {FILMS}, {len(life)} went to Triton")
        instance.start()
    instance.wait_ready()
    wait_until(lambda: status(instance, job)["finished_at"], 300, "the job ends")
    last = status(instance, job)
    assert (last["state"], last["found"], last["done"]) == ("succeeded", FILMS, FILMS), last
    now = complete_sets(output)
    assert {name: now[name] for name in written} == written, "a complete set was written again"
    assert inferred(instance.output[seen:]) == set(now) - set(written), "each other film, and no more"
    assert_every_set_is_complete(films, output)
    assert_manifest_agrees(films, output)


def test_another_gateway_finishes_what_a_dead_one_left(new_instance, films, tmp_path):
    output = tmp_path / "out"
    with empty_database("postgresql", tmp_path) as url:
        shared = {"database_url": url, "executor_timeout_seconds": "3", "log_level": "DEBUG"}
        gateways = [new_instance(name, executor_id=name, **shared) for name in ("one", "two")]
        for gateway in gateways:
            gateway.start()
        for gateway in gateways:
            gateway.wait_ready()
        jobs = {begin(gateway, films, output) for gateway in gateways}
        assert len(jobs) == 1, "both are asked, one works"
        wait_until(lambda: len(complete_sets(output)) >= 5, 60, "films are done", every=0.01)
        (victim,) = [gateway for gateway in gateways if is_at_work(gateway)]
        (other,) = [gateway for gateway in gateways if gateway is not victim]
        victim.kill_everything()
        written = complete_sets(output)
        assert len(written) < FILMS
        assert inferred(victim.output) >= set(written)
        (job,) = jobs
        wait_until(lambda: status(other, job)["finished_at"], 300, "the other ends it")
        last = status(other, job)
        assert (last["state"], last["done"]) == ("succeeded", FILMS), last
        now = complete_sets(output)
        assert {name: now[name] for name in written} == written, "a complete set was written again"
        assert inferred(other.output) == set(now) - set(written), "each other film, and no more"
        assert_every_set_is_complete(films, output)
        assert_manifest_agrees(films, output)
        other.stop()  # before its database goes
