"""Inference requests whose gateways are killed, again and again, as if the power went.

RADGATE_TEST_REQUESTS and RADGATE_TEST_REQUEST_KILLS make the run as long as one likes, such as 40 requests
and 30 kills. Requests are sent between the kills; one whose answer is not seen is sent again.
"""

import contextlib
import http.client
import io
import itertools
import json
import os
import random
import threading
import time
from collections import Counter

import psycopg
import pydicom
import pytest

from tests.integration.acr_callers import allow, ask, ended, film, films, request
from tests.integration.instances import Instance
from tests.outbound.conftest import orthanc, orthanc_server  # noqa: F401
from tests.peers.orthanc import AUTH_ID, PASSWORD, Orthanc
from tests.storage.databases import empty_database

REQUESTS = int(os.environ.get("RADGATE_TEST_REQUESTS", "6"))
KILLS = int(os.environ.get("RADGATE_TEST_REQUEST_KILLS", "3"))
SEED = int(os.environ.get("RADGATE_TEST_SEED", "0"))
RESULT_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.88.33",  # Comprehensive SR
    "1.2.840.10008.5.1.4.1.1.7",  # Secondary Capture
    "1.2.840.10008.5.1.4.1.1.104.1",  # Encapsulated PDF
}


def study_of(number: int) -> str:
    return f"2.25.7000{number}"


@pytest.fixture
def studies(orthanc) -> Orthanc:  # noqa: F811
    """An Orthanc with one film for each request."""
    drawn = [film(seed) for seed in range(1, 4)]
    for number in range(REQUESTS):
        orthanc.add(films(1, study_of(number), drawn=drawn[number % len(drawn) :]))
    return orthanc


class Sender(threading.Thread):
    """Sends all requests, one after the other, to whichever gateway takes them; goes on after refusals."""

    def __init__(self, gateways: list[Instance], pacs: Orthanc, seconds: float) -> None:
        super().__init__(daemon=True)
        self._gateways = itertools.cycle(gateways)
        self._pacs = pacs
        self._seconds = seconds
        self.jobs: dict[str, str] = {}
        self.refused: list[object] = []

    def run(self) -> None:
        for number in range(REQUESTS):
            transaction = f"TX-{number}"
            body = request(self._pacs, study_of(number), transaction=transaction)
            self._send(transaction, {**body, "priority": 255 if number % 5 == 4 else 128})
            time.sleep(self._seconds / REQUESTS)

    def _send(self, transaction: str, body: object) -> None:
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException, json.JSONDecodeError):
                code, answer = ask(next(self._gateways), "", body)
                if code == 200:
                    self.jobs[transaction] = answer["jobId"]
                    return
                self.refused.append((code, answer))  # such as: its Triton is not back yet
            time.sleep(0.2)


def results_by_study(pacs: Orthanc) -> dict[str, Counter[str]]:
    """Give how many instances of which classes each study holds beside its films."""
    found: dict[str, Counter[str]] = {}
    for uid in pacs.sop_instance_uids():
        dataset = pydicom.dcmread(io.BytesIO(pacs.file(uid)), stop_before_pixels=True)
        if dataset.SOPClassUID in RESULT_CLASSES:
            found.setdefault(dataset.StudyInstanceUID, Counter())[dataset.SOPClassUID] += 1
    return found


def require_honest_ends(gateway: Instance, sender: Sender, pacs: Orthanc) -> None:
    """Each request is over, and what it says of its end is what the peer holds."""
    assert len(sender.jobs) == REQUESTS
    found = {transaction: ended(gateway, job) for transaction, job in sender.jobs.items()}
    by_transaction = {transaction: ask(gateway, f"/status/{transaction}")[1] for transaction in found}
    assert {t: s["platform"]["jobId"] for t, s in by_transaction.items()} == sender.jobs, "one job each"
    failed = {t for t, status in found.items() if status["platform"]["status"] != "Healthy"}
    # The peers were there all along: only who was killed again and again without getting on may fail.
    assert all("the process that ran it died" in found[each]["message"] for each in failed), found
    held = results_by_study(pacs)
    for number in range(REQUESTS):
        if f"TX-{number}" not in failed:
            assert held[study_of(number)] == dict.fromkeys(RESULT_CLASSES, 1), found[f"TX-{number}"]
    assert all(set(each.values()) == {1} for each in held.values()), "no result is there twice"
    print(f"{REQUESTS} requests: {REQUESTS - len(failed)} succeeded, {len(failed)} failed with a reason")
    assert len(failed) < REQUESTS / 2


def kill_at_random(gateways: list[Instance], sender: Sender) -> None:
    chance = random.Random(SEED)
    sender.start()
    for number in range(KILLS):
        victim = gateways[chance.randrange(len(gateways))]
        time.sleep(chance.uniform(0.0, 8.0))
        victim.kill_everything()
        print(f"kill {number}: {victim.data_dir.parent.name}, {len(sender.jobs)} requests accepted")
        victim.start()
        # Now and then the next kill finds it while it starts.
        if chance.random() < 0.8:
            victim.wait_ready(180)
    for gateway in gateways:
        gateway.wait_ready(180)
    sender.join(300)


SECRETS = [AUTH_ID.encode(), PASSWORD.encode(), AUTH_ID.encode().hex().encode()]


def test_sqlite_loses_nothing_and_keeps_no_secret(new_instance, studies, tmp_path):
    (tmp_path / "peers.json").write_text(json.dumps(allow(studies)))
    gateway = new_instance(peers_file=str(tmp_path / "peers.json"))
    gateway.start()
    gateway.wait_ready(180)
    sender = Sender([gateway], studies, seconds=4.0 * KILLS)
    kill_at_random([gateway], sender)
    require_honest_ends(gateway, sender, studies)
    gateway.stop()
    for file in gateway.data_dir.rglob("*"):
        if file.is_file():
            kept = file.read_bytes()
            assert not any(secret in kept for secret in SECRETS), file
    assert not any(secret.decode() in gateway.output for secret in SECRETS)


def test_postgresql_with_two_gateways_loses_nothing_and_keeps_no_secret(new_instance, studies, tmp_path):
    (tmp_path / "peers.json").write_text(json.dumps(allow(studies)))
    with empty_database("postgresql", tmp_path) as url:
        shared = {
            "database_url": url,
            "executor_timeout_seconds": "3",
            "peers_file": str(tmp_path / "peers.json"),
            "acr_secret": "the same for both gateways, of thirty-two bytes",
        }
        gateways = [new_instance(name, executor_id=name, **shared) for name in ("one", "two")]
        for gateway in gateways:
            gateway.start()
        for gateway in gateways:
            gateway.wait_ready(180)
        sender = Sender(gateways, studies, seconds=4.0 * KILLS)
        kill_at_random(gateways, sender)
        require_honest_ends(gateways[0], sender, studies)
        for gateway in gateways:
            gateway.stop()  # before their database goes
            assert not any(secret.decode() in gateway.output for secret in SECRETS)
        kept = everything_in(url)
        assert not any(secret in kept for secret in SECRETS)
        assert sender.jobs["TX-0"].encode() in kept.replace(b"-", b""), "the rows were read"


def everything_in(url: str) -> bytes:
    """Give every row of every table of a database as text; bytes stand there in hexadecimal digits."""
    tables = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname !~ '^(pg_|information_schema)'"
    with psycopg.connect(url) as connection:
        kept = [
            str(row)
            for schema, table in connection.execute(tables).fetchall()
            for row in connection.execute(f'SELECT t::text FROM "{schema}"."{table}" t').fetchall()
        ]
    return "\n".join(kept).encode()
