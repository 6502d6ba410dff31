"""Nodes that die and nodes that are cut off, under load: nothing is lost, nothing billed twice, work goes on.

RADGATE_TEST_NODE_FAULTS=all kills and cuts off each node in turn, for a quarter of an hour, and holds the
cluster to its 15 seconds, on a machine that does nothing else. Without it a worker is killed while a Triton
is cut off.
"""

import os
import time
from pathlib import Path

import pytest

from tests.integration.bulk_sets import assert_every_set_is_complete, assert_manifest_agrees
from tests.integration.cluster import FILMS, Callers, Cluster, running_cluster
from tests.integration.nodes import Node
from tests.integration.processes import wait_until

ALL = os.environ.get("RADGATE_TEST_NODE_FAULTS") == "all"
BACK_SECONDS = 15.0
BEFORE_SECONDS = 15.0 if ALL else 5.0
FAULT_SECONDS = 30.0 if ALL else 14.0
WINDOW_SECONDS = 10.0
SHARE = 1 / 4
"""Of the work of before. With one node of two gone half is to be expected, and this is told from the noise
even where a machine does one film in a second."""
WELL_SECONDS = 240.0
END_SECONDS = 300.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with running_cluster(tmp_path_factory.mktemp("cluster")) as running:
        wait_until(running.is_well, WELL_SECONDS, "every node serves")
        yield running


class Fault:
    """What is done to a node, and how it ends."""

    def __init__(self, node: Node, way: str) -> None:
        self.node = node
        self.name = f"{node.name} {way}"
        self._is_cut = way == "cut off"

    def begin(self) -> None:
        if self._is_cut:
            assert self.node.link is not None
            self.node.link.cut()
        else:
            self.node.kill()

    def end(self) -> None:
        if self._is_cut:
            assert self.node.link is not None
            self.node.link.heal()
        else:
            self.node.start()


def rounds(cluster: Cluster) -> list[list[Fault]]:
    """Give what happens at a time."""
    if not ALL:
        return [[Fault(cluster.workers[0], "killed"), Fault(cluster.tritons[0], "cut off")]]
    return [[Fault(node, way)] for node in cluster.nodes for way in ("killed", "cut off")]


def seconds_until_back(callers: Callers, kind: str, start: float, end: float, before: float) -> float:
    """Give the seconds after which every window held its share of the work of before.

    Parameters
    ----------
    before
        Of a window before the fault, in pieces of work.
    """
    back, at = 0.0, 0.0
    while start + at + WINDOW_SECONDS <= end:
        is_low = callers.during(kind, start + at, start + at + WINDOW_SECONDS) < SHARE * before
        at += 0.5
        back = at if is_low else back
    return back


def course(callers: Callers, kind: str, start: float, end: float) -> str:
    """Say how much was done in each second."""
    done = [callers.during(kind, start + second, start + second + 1) for second in range(int(end - start))]
    return f"{kind} {' '.join(map(str, done))}"


def test_nothing_is_lost_or_billed_twice(cluster):
    late: list[str] = []
    with Callers(cluster.gateways, cluster.folder, cluster.new_key()) as callers:
        for kind in callers.done:
            wait_until(lambda kind=kind: callers.done[kind] or callers.faults, 60, f"the first {kind}")
        for faults in rounds(cluster):
            late += happen(cluster, callers, faults)
    wait_until(lambda: callers.look() or len(callers.ended) == len(callers.accepted), END_SECONDS, "jobs end")
    wait_until(lambda: cluster.charged() == sum(callers.answered.values()), WELL_SECONDS, "voids are booked")
    refused = len(callers.refused)
    print(f"{len(callers.answered)} calls and {len(callers.accepted)} jobs; {refused} refusals on the way")
    assert sum(callers.answered.values()) > 0.9 * len(callers.answered)
    for number, (job, folders) in enumerate(callers.accepted.items()):
        # Reading every PDF of the long run would take as long as the run.
        require_done_once(callers.status(job).body["Data"], *folders, opened=not ALL or number % 10 == 0)
    assert not ALL or late == []


def happen(cluster: Cluster, callers: Callers, faults: list[Fault]) -> list[str]:
    """Let faults begin and end, and wait until all is well; gives what was not back in time."""
    name = ", ".join(fault.name for fault in faults)
    start = time.monotonic() + BEFORE_SECONDS
    time.sleep(BEFORE_SECONDS)
    before = {
        kind: callers.during(kind, start - BEFORE_SECONDS, start) / BEFORE_SECONDS * WINDOW_SECONDS
        for kind in callers.done
    }
    # Without the database nobody works: what counts is how soon they do once it is back.
    is_only_one = any(fault.node is cluster.postgres for fault in faults)
    for fault in faults:
        fault.begin()
    time.sleep(FAULT_SECONDS if not is_only_one else FAULT_SECONDS / 2)
    ended = time.monotonic()
    for fault in faults:
        fault.end()
    if is_only_one:
        start = ended
        time.sleep(FAULT_SECONDS)
        ended = time.monotonic()
    back = {kind: seconds_until_back(callers, kind, start, ended, before[kind]) for kind in callers.done}
    well = wait_until(cluster.is_well, WELL_SECONDS, f"all is well after: {name}", every=0.2)
    assert callers.faults == []
    told = ", ".join(f"{kind} back after {back[kind]:.1f} s" for kind in back)
    rates = ", ".join(f"{before[kind] / WINDOW_SECONDS:.1f} {kind}/s" for kind in before)
    print(f"{name}: {told}; all well {well:.1f} s after its end; before {rates}")
    print("   " + "; ".join(course(callers, kind, start, ended) for kind in back))
    return [f"{name}: {kind}, {back[kind]:.1f} s" for kind in back if back[kind] > BACK_SECONDS]


def require_done_once(job: dict, films: Path, results: Path, *, opened: bool) -> None:
    assert (job["state"], job["found"], job["done"], job["failed"]) == ("succeeded", FILMS, FILMS, 0), job
    assert_manifest_agrees(films, results)
    if opened:
        assert_every_set_is_complete(films, results)
