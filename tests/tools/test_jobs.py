"""`radgate jobs`, on the database of an instance that does not run."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from gateway.settings import Settings
from gateway.storage import jobs
from gateway.storage.engine import open_database
from gateway.storage.rows import Counts, Ending, NewJob
from tools.__main__ import app

pytestmark = pytest.mark.usefixtures("no_environment")
FIRST, SECOND = ("00000000-0000-5000-8000-00000000000" + each for each in "12")


@pytest.fixture
def radgate(tmp_path, monkeypatch):
    """Run a command where one job waits and another has failed."""
    monkeypatch.setenv("RADGATE_DATA_DIR", str(tmp_path))
    asyncio.run(_two_jobs())
    return lambda *arguments: CliRunner().invoke(app, ["jobs", *arguments])


async def _two_jobs():
    database = await open_database(Settings().database)
    for id, name in ((FIRST, "TX-1"), (SECOND, "TX-[red]2\x1fabc")):
        async with database.write() as connection:
            job = NewJob(
                id=id, api="inference_requests", account="a", external_id=name, body_sha256="0", kind="k",
                queue="acr", priority=1, request='{"secret": 1}', secret=b"sealed",
            )  # fmt: skip
            await jobs.add(connection, job)
    async with database.write() as connection:
        await jobs.start(connection, SECOND, "one")
        counts = Counts("exporting", 2, 1, 3, '{"messages": ["half"]}')
        ending = Ending(state="failed", error_code="peer_failed", error="Output 1 was away")
        await jobs.finish(connection, SECOND, 1, ending, counts)
    await database.close()


def test_lists_the_newest_first(radgate):
    found = json.loads(radgate("list", "--json").stdout)
    assert {each["id"] for each in found} == {FIRST, SECOND}
    assert "sealed" not in json.dumps(found)
    assert "secret" not in json.dumps(found)
    lines = radgate("list").stdout
    assert FIRST in lines
    assert "TX-[red]2\n" in lines


def test_lists_those_of_a_state(radgate):
    found = json.loads(radgate("list", "--state", "failed", "--json").stdout)
    assert [each["id"] for each in found] == [SECOND]
    assert json.loads(radgate("list", "--api", "chest_xray", "--json").stdout) == []
    assert len(json.loads(radgate("list", "--limit", "1", "--json").stdout)) == 1


def test_shows_one_by_either_spelling_of_its_id(radgate):
    for id in (SECOND, SECOND.replace("-", "")):
        found = json.loads(radgate("show", id, "--json").stdout)
        assert found | {"created_at": 0, "started_at": 0, "finished_at": 0} == {
            "id": SECOND,
            "api": "inference_requests",
            "kind": "k",
            "account": "a",
            "name": "TX-[red]2",
            "state": "failed",
            "cancel_requested": False,
            "phase": "exporting",
            "done": 2,
            "failed": 1,
            "total": 3,
            "messages": ["half"],
            "error_code": "peer_failed",
            "error": "Output 1 was away",
            "created_at": 0,
            "started_at": 0,
            "finished_at": 0,
        }
    assert "Output 1 was away" in radgate("show", SECOND).stdout


def test_cancels_one_that_waits_and_leaves_one_that_has_ended(radgate):
    assert radgate("cancel", FIRST).stdout == f"{FIRST} is cancelled\n"
    assert radgate("cancel", SECOND).stdout == f"{SECOND} is failed\n"
    assert radgate("watch", FIRST).exit_code == 130


def test_watches_to_the_end(radgate):
    result = radgate("watch", SECOND)
    assert result.exit_code == 1
    assert f"{SECOND} failed: Output 1 was away" in result.stdout
    assert json.loads(radgate("watch", SECOND, "--json").stdout)["state"] == "failed"


@pytest.mark.parametrize("id", ["x", "00000000-0000-5000-8000-000000000009"])
def test_says_that_there_is_no_such_job(radgate, id):
    result = radgate("show", id)
    assert result.exit_code == 2
    assert result.stderr == f"radgate: there is no job {id}\n"
