"""Sessions whose frames come to two gateways at once: one completion and one charge, on both databases."""

import asyncio
import contextlib

import pytest

from gateway.accounts.keys import ApiKeys
from gateway.accounts.ledger import Ledger
from gateway.accounts.register import Accounts, Terms
from gateway.apis import vhs
from gateway.apis.api import Instance
from gateway.apis.vhs.api import parts_of, pop_parts_of
from gateway.apis.vhs.charges import Charges
from gateway.apis.vhs.inference import Pipeline
from gateway.apis.vhs.session_store import SessionStore
from gateway.app import public_applications
from gateway.settings import Settings
from gateway.storage.engine import open_database
from gateway.triton.admission import Admissions
from tests.accounts import invariants
from tests.apis.screen_callers import GOOD, photo
from tests.apis.vhs_callers import NOT_MEASURABLE, b64
from tests.conftest import NoJobs
from tests.storage.databases import KINDS, empty_database

FRAMES = [photo(level) for level in range(100, 110)]
PARALLEL = 10
MOST_OPEN = 3


@pytest.fixture(params=KINDS)
async def databases(request, tmp_path):
    """Two connections to one database."""
    with empty_database(request.param, tmp_path) as url:
        opened = [await open_database(url) for _ in range(2)]
        yield opened
        for database in opened:
            await database.close()


@pytest.fixture
async def gateways(databases, vhs_triton, canary, no_environment, tmp_path, aiohttp_client):
    """Two gateways on one database, by the database's own clock; gives their clients."""
    with contextlib.ExitStack() as stack:
        clients = []
        for number, database in enumerate(databases):
            settings = Settings(data_dir=tmp_path / str(number))
            instance = Instance(settings, vhs_triton, database, canary, NoJobs(), Admissions())
            pipeline = Pipeline(vhs_triton, instance.admissions.of("vhs", in_flight=4))
            ledger = Ledger(database, settings.data_dir / "voids")
            charges = Charges(ledger, model_version=settings.vhs_model_version)
            pop = pop_parts_of(instance, pipeline, charges, SessionStore(database, most_open=MOST_OPEN))
            stack.callback(pop.rectifier.close)
            api = vhs.api_of(settings, parts_of(instance, pipeline, ledger, charges, pop))
            clients.append(await aiohttp_client(public_applications(settings, [api])[settings.port]))
        yield clients


@pytest.fixture
async def key(databases):
    await Accounts(databases[0]).create("Clinic", Terms())
    return (await ApiKeys(databases[0]).create("Clinic")).raw


@pytest.fixture
async def session(gateways, key):
    """Start a session at the first gateway; gives what sends so many frames at once to both."""
    headers = {"x-api-key": key}
    response = await gateways[0].post("/v3/pop-session/start", json={}, headers=headers)
    session_id = (await response.json())["session_id"]

    async def send(number):
        fields = {"image": b64(FRAMES[number]), "session_id": session_id, "uuid": "Rex"}
        response = await gateways[number % 2].post("/v3/pop-session", json=fields, headers=headers)
        return response.status, await response.json()

    async def wave(count=PARALLEL):
        return await asyncio.gather(*(send(number) for number in range(count)))

    return wave


async def counted(databases):
    """Give the ledger's reasons, once its invariants hold."""
    await invariants.check(databases[0])
    return [event.reason for event in await invariants.events(databases[0])]


async def test_ten_frames_at_once_complete_a_session_once(session, databases, pipeline):
    pipeline.assessments = dict.fromkeys(FRAMES, GOOD)
    for _ in range(2):  # one frame is taken at a time
        assert (await session(1))[0][1]["session_status"] == "continue"
    answers = await session()
    complete = [body for status, body in answers if status == 200]
    assert complete and all(body == complete[0] for body in complete)
    assert complete[0]["session_status"] == "complete"
    assert {status for status, _ in answers} <= {200, 409}
    assert complete[0]["billing"]["monthly_usage"] == 1
    assert await counted(databases) == ["valid_vhs"]
    assert all(answer == (200, complete[0]) for answer in await session())
    assert await counted(databases) == ["valid_vhs"]


async def test_waves_of_frames_count_one_at_a_time(session, databases, pipeline):
    pipeline.assessments = dict.fromkeys(FRAMES, GOOD)
    indices, answers = [], []
    while not any(body.get("session_status") == "complete" for _, body in answers):
        answers = await session()
        indices += [body["frame_index"] for _, body in answers if body.get("session_status") == "continue"]
    assert indices == [0, 1]
    assert await counted(databases) == ["valid_vhs"]


async def test_ten_frames_at_once_fail_a_session_once(session, databases, pipeline):
    pipeline.assessments = dict.fromkeys(FRAMES, NOT_MEASURABLE)
    for _ in range(4):
        assert (await session(1))[0][1]["session_status"] == "continue"
    answers = await session()
    failed = [body for status, body in answers if status == 200]
    assert failed and all(body == failed[0] for body in failed)
    assert failed[0]["error"] == "max_consecutive_failures_exceeded"
    assert (failed[0]["frame_index"], failed[0]["billing"]["billable"]) == (5, False)
    assert await counted(databases) == ["no_valid_vhs"]


async def test_starts_at_once_at_both_gateways_open_no_more_than_an_account_may(gateways, key):
    headers = {"x-api-key": key}

    async def start(number):
        response = await gateways[number % 2].post("/v3/pop-session/start", json={}, headers=headers)
        return response.status

    statuses = await asyncio.gather(*(start(number) for number in range(PARALLEL)))
    assert sorted(statuses) == [200] * MOST_OPEN + [429] * (PARALLEL - MOST_OPEN)
