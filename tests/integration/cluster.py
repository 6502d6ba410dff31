"""A cluster on one machine: two gateways, two workers, two Tritons and a PostgreSQL, and its callers.

All share this machine's disk, as they would share storage; everything else goes over a network of their own.
"""

import asyncio
import base64
import contextlib
import heapq
import http.client
import io
import itertools
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from gateway.accounts.keys import ApiKeys
from gateway.accounts.register import Accounts, Terms
from gateway.accounts.tokens import issue
from gateway.settings import ROOT as INSTALLED
from gateway.storage.engine import open_database
from tests.accounts import invariants
from tests.integration.bulk_sets import make_films
from tests.integration.nodes import GRPC_PORT, GatewayNode, Network, Node, PostgresNode, TritonNode
from tools.phantoms.canine_thorax import canine_thorax

ACCOUNT = "Clinic"
JWT_SECRET = "the same for all nodes, of more than thirty-two bytes"
ANSWER_SECONDS = 10.0
"""A caller asks another gateway after so long."""
CALLERS = 4
OPEN_JOBS = 6
FILMS = 5
TICK_SECONDS = 0.25


class Cluster:
    """The nodes, by their names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.network = Network()
        self.network.open()
        self.nodes: list[Node] = []
        try:
            self._make(folder)
        except BaseException:
            self.close()
            raise

    def _make(self, folder: Path) -> None:
        repository = folder / "models"
        repository.mkdir()
        for config in (INSTALLED / "model_repository").glob("*/config.pbtxt"):
            if not config.parent.name.startswith("maisi"):  # a volume takes both cores for too long
                (repository / config.parent.name).symlink_to(config.parent)
        (folder / "films").mkdir()
        (folder / "results").mkdir()
        self.tritons = [
            TritonNode(folder / name, repository, self.network.link()) for name in ("triton-1", "triton-2")
        ]
        self.postgres = PostgresNode(folder / "postgres", self.network.link())
        settings = {
            "database_url": self.postgres.url,
            "triton_url": ",".join(f"{each.address}:{GRPC_PORT}" for each in self.tritons),
            "input_roots": str(folder / "films"),
            "output_roots": str(folder / "results"),
            "model_repository": str(repository),
            "jwt_secret": JWT_SECRET,
            "acr_secret": JWT_SECRET,
            "acr_auth": "jwt",
            "maisi": "0",
            "chest_xray_gate": "0",
            "report_workers": "1",
        }
        self.gateways, self.workers = (
            [
                GatewayNode(folder / f"{role}-{number}", self.network.link(), role=role, **settings)
                for number in (1, 2)
            ]
            for role in ("gateway", "worker")
        )
        self.nodes = [*self.tritons, self.postgres, *self.gateways, *self.workers]

    def start(self) -> None:
        """Start every node, and wait until all serve."""
        for node in (self.postgres, *self.tritons):
            node.start()
        self.postgres.wait_ready()
        for node in (*self.gateways, *self.workers):
            node.start()
        for node in self.nodes:
            node.wait_ready()

    def is_well(self) -> bool:
        """Whether every node serves and every gateway and worker sends calls to both Tritons."""
        try:
            return all(node.is_ready() for node in self.nodes) and all(
                each.metric('radgate_triton_servers{state="available"}') == 2
                for each in (*self.gateways, *self.workers)
            )
        except (OSError, http.client.HTTPException):
            return False

    def close(self) -> None:
        """Stop every node and remove the network."""
        for node in reversed(self.nodes):
            with contextlib.suppress(Exception):
                node.stop()
        self.network.close()

    def new_key(self) -> str:
        """Open the account of the callers; gives its API key."""
        return asyncio.run(self._new_key())

    async def _new_key(self) -> str:
        database = await open_database(self.postgres.url)
        try:
            await Accounts(database).create(ACCOUNT, Terms())
            return (await ApiKeys(database).create(ACCOUNT)).raw
        finally:
            await database.close()

    def charged(self) -> int:
        """Count what the account is told that it owes; checks the ledger's invariants."""
        return asyncio.run(self._charged())

    async def _charged(self) -> int:
        database = await open_database(self.postgres.url)
        try:
            return sum(n - voided for n, voided, _ in (await invariants.check(database)).values())
        finally:
            await database.close()


class Answer(NamedTuple):
    """What came over HTTP."""

    status: int
    body: Any
    retry_after_seconds: float


class Callers:
    """Who asks the gateways, one or the other, until a block ends; whoever is not answered asks again.

    Attributes
    ----------
    answered
        Call to whether its answer says that it is charged.
    accepted
        Jobs by id: the folders of their films and of their results.
    done
        When a call was answered or a set of results was there, in seconds of `time.monotonic`, by kind.
    """

    def __init__(self, gateways: list[GatewayNode], folder: Path, key: str) -> None:
        self._gateways = gateways
        self._folder = folder
        self._headers = {
            "x-api-key": key,
            "Authorization": issue("cluster tests", secret=JWT_SECRET, days=1),
            "Content-Type": "application/json",
        }
        self._body = {"image": _radiograph()}
        self._ready = list(gateways)
        self._turn = itertools.count()
        self._put_off: list[tuple[float, str]] = []
        self._over = threading.Event()
        self.faults: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._safely, args=(work,), daemon=True)
            for work in (*[self._call_on] * CALLERS, self._submit_on, self._look_on, self._probe_on)
        ]
        self.answered: dict[str, bool] = {}
        self.accepted: dict[str, tuple[Path, Path]] = {}
        self.ended: set[str] = set()
        self.refused: list[Answer] = []
        self.done: dict[str, list[float]] = {"calls": [], "films": []}
        self._sets: Counter[str] = Counter()

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(120)
        assert self.faults == []

    def during(self, kind: str, started: float, ended: float) -> int:
        """Count what was done in a stretch of time."""
        return sum(started <= each < ended for each in self.done[kind])

    def _safely(self, work: Any) -> None:
        try:
            work()
        except BaseException as error:
            self.faults.append(error)
            raise

    def _call_on(self) -> None:
        while not self._over.is_set() or self._put_off:
            self._call(self._next_call())

    def _next_call(self) -> str:
        """Give a call that is due again, else a new one."""
        with contextlib.suppress(IndexError):
            due, call = heapq.heappop(self._put_off)
            if due <= time.monotonic():
                return call
            heapq.heappush(self._put_off, (due, call))
            if self._over.is_set():
                time.sleep(TICK_SECONDS)
        return "" if self._over.is_set() else uuid.uuid4().hex

    def _call(self, call: str) -> None:
        if not call:
            return
        answer = self._ask("vhs_port", "POST", "/v3/predict", self._body, {"Idempotency-Key": call})
        if answer is not None and answer.status == 200:
            self.answered[call] = answer.body["billing"]["billable"]
            self.done["calls"].append(time.monotonic())
            return
        if answer is not None:
            self.refused.append(answer)
            assert answer.status in (409, 500, 503, 504), answer
        pause = 0.2 if answer is None else answer.retry_after_seconds
        heapq.heappush(self._put_off, (time.monotonic() + pause, call))

    def _submit_on(self) -> None:
        for number in itertools.count():
            films = self._folder / "films" / f"{number:04}"
            make_films(films, FILMS)
            while len(self.accepted) - len(self.ended) >= OPEN_JOBS and not self._over.is_set():
                time.sleep(TICK_SECONDS)
            if self._over.is_set():
                return
            self._submit(films, self._folder / "results" / films.name)

    def _submit(self, films: Path, results: Path) -> None:
        body = {"input_folder_path": str(films), "output_folder_path": str(results), "manifest": True}
        while True:
            answer = self._ask(
                "chest_xray_port", "POST", "/bulk_inference", body, {"Prefer": "respond-async"}
            )
            if answer is not None and answer.status == 202:
                self.accepted[answer.body["Data"]["id"]] = (films, results)
                return
            if answer is not None:
                self.refused.append(answer)
                assert answer.status in (500, 503), answer
            time.sleep(TICK_SECONDS)

    def _look_on(self) -> None:
        """Notice each set of results that appears, and each job that ends."""
        while not self._over.wait(TICK_SECONDS):
            self.look()

    def look(self) -> None:
        """Look at every job that is not known to have ended."""
        for job, (_, results) in list(self.accepted.items()):
            if job in self.ended:
                continue
            answer = self.status(job)
            self._count_sets(job, results)
            if answer is not None and answer.status == 200 and answer.body["Data"]["finished_at"]:
                self.ended.add(job)

    def _count_sets(self, job: str, results: Path) -> None:
        sets = sum(1 for _ in results.glob("[!.]*/*_predictions.json"))
        self.done["films"] += [time.monotonic()] * (sets - self._sets[job])
        self._sets[job] = sets

    def status(self, job: str) -> Answer | None:
        """Ask about a job."""
        return self._ask("chest_xray_port", "GET", f"/bulk_inference/{job}", None, {})

    def _ask(self, port: str, method: str, path: str, body: object, headers: dict[str, str]) -> Answer | None:
        """Ask a gateway; None where no answer came."""
        gateway = self._gateway()
        connection = http.client.HTTPConnection(
            gateway.address, getattr(gateway, port), timeout=ANSWER_SECONDS
        )
        try:
            text = json.dumps(body) if body is not None else None
            connection.request(method, path, text, {**self._headers, **headers})
            response = connection.getresponse()
            pause = float(response.headers.get("Retry-After", "0.2"))
            return Answer(response.status, json.loads(response.read()), pause)
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _gateway(self) -> GatewayNode:
        """Take those in turn that are ready, or any where none is."""
        among = self._ready or self._gateways
        return among[next(self._turn) % len(among)]

    def _probe_on(self) -> None:
        """Ask the gateways whether they are ready, as a load balancer does."""
        while not self._over.wait(TICK_SECONDS):
            self._ready = [gateway for gateway in self._gateways if gateway.is_ready()]


def _radiograph() -> str:
    picture = Image.fromarray(canine_thorax(np.random.default_rng(1), long_side_px=500).picture)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return base64.b64encode(file.getvalue()).decode()


@contextlib.contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """Run a cluster; skips the test where that is not possible."""
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()
