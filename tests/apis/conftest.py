"""Bulk inference over a real job engine, and the VHS API over real accounts, on SQLite."""

import contextlib
import json
import shutil
from io import BytesIO

import pytest
from aiohttp import web

from gateway.accounts.keys import ApiKeys
from gateway.accounts.ledger import Ledger
from gateway.accounts.register import Accounts, Terms
from gateway.apis import vhs
from gateway.apis.api import Instance
from gateway.apis.chest_xray.bulk import KIND, QUEUE, Bulk
from gateway.apis.chest_xray.bulk_job import BulkWork
from gateway.apis.vhs.api import parts_of, pop_parts_of
from gateway.apis.vhs.charges import Charges
from gateway.apis.vhs.inference import Pipeline
from gateway.apis.vhs.session_store import SessionStore
from gateway.app import public_applications
from gateway.errors import Conflict
from gateway.files.roots import Roots
from gateway.jobs.dbos_engine import dbos_job_engine
from gateway.settings import Settings
from gateway.storage.engine import database_url as parse
from gateway.storage.engine import open_database
from gateway.storage.migrate import upgrade
from gateway.triton.admission import Admissions
from gateway.triton.canary import Canary
from tests.accounts.conftest import Clock
from tests.apis.bulk_callers import Caller
from tests.apis.screen_callers import FakeScreens
from tests.apis.vhs_callers import FakePipeline
from tests.conftest import NoJobs
from tests.fakes.triton import FakeTriton


@pytest.fixture
async def start_bulk(service, tmp_path):
    """Start the engine and bulk inference over it; one at a time, a second start is a restart."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(service=service, roots=None, **options):
            await stack.aclose()
            given = {"input_roots": roots or Roots(), "output_roots": roots or Roots()}
            work = BulkWork(service, **given, in_flight=options.pop("in_flight", 4))
            database = await open_database(f"sqlite:///{tmp_path / 'jobs.db'}")
            stack.push_async_callback(database.close)
            engine = dbos_job_engine(
                database, kinds={KIND: work.run}, queues={QUEUE: options.pop("jobs", 2)}, executor_id="one"
            )
            stack.push_async_callback(engine.close)
            await engine.start()
            return Bulk(engine, **given, **options)

        yield start


@pytest.fixture
async def bulk_client(serve_service, service, start_bulk):
    return await serve_service(service, bulk=await start_bulk())


@pytest.fixture
def folders(input_folder, output_folder):
    return {"input_folder_path": str(input_folder), "output_folder_path": str(output_folder)}


@pytest.fixture
def caller(bulk_client, folders):
    return Caller(bulk_client, folders)


@pytest.fixture
def write_films(write_film, input_folder):
    """Write films of patients of their own, in folders of three."""

    def write(count, start=0):
        for number in range(start, start + count):
            (input_folder / f"d{number // 3}").mkdir(exist_ok=True)
            write_film(
                f"d{number // 3}/f{number:03}.dcm",
                PatientID=f"P{number:03}",
                SOPInstanceUID=f"1.2.3.{number}",
            )

    return write


@pytest.fixture
def sets(output_folder):
    """Give what stands in the output folder: folder to the SOP instance of its complete set."""

    def take() -> dict[str, str]:
        found = {}
        for folder in sorted(each for each in output_folder.iterdir() if not each.name.startswith(".")):
            if folder.is_dir():
                names = {path.name for path in folder.iterdir()}
                (marker,) = [name for name in names if name.endswith("_predictions.json")]
                stem = marker.removesuffix("_predictions.json")
                assert names == {
                    f"{stem}_{suffix}"
                    for suffix in ("predictions.json", "heatmap.png", "source_image.png", "report.pdf")
                }
                found[folder.name] = json.loads((folder / marker).read_text())["metadata"]["sop_instance_uid"]
        return found

    return take


@pytest.fixture
def manifest(output_folder):
    """Read the manifest."""

    def read() -> list[dict]:
        return [json.loads(line) for line in (output_folder / "bulk_manifest.jsonl").read_text().splitlines()]

    return read


@pytest.fixture
def inferred(triton):
    """Give how many films Triton was sent."""
    return lambda: len(triton.calls)


# The VHS API, with real accounts on SQLite


@pytest.fixture
def pipeline():
    """The fake pipeline behind the VHS API."""
    return FakePipeline()


@pytest.fixture
def screens():
    """The fake pipeline that looks for screens."""
    return FakeScreens()


@pytest.fixture
def vhs_triton(pipeline, screens):
    fake = FakeTriton({"vhs": pipeline, "screen": screens})
    yield fake
    assert not fake.broken


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """A database file with all tables, to be copied: making them takes a while."""
    path = tmp_path_factory.mktemp("database") / "app.db"
    upgrade(parse(f"sqlite:///{path}"))
    return path


@pytest.fixture
def database_url(tmp_path, empty_database):
    shutil.copy(empty_database, tmp_path / "app.db")
    return f"sqlite:///{tmp_path / 'app.db'}"


@pytest.fixture
def new_key(database):
    """Open an account, unless it is there, and make a key of it."""

    async def make(account: str = "Clinic", **terms) -> str:
        with contextlib.suppress(Conflict):
            await Accounts(database).create(account, Terms(**terms))
        return (await ApiKeys(database).create(account)).raw

    return make


@pytest.fixture
async def key(new_key):
    """A key of the account Clinic, which pays as it goes."""
    return await new_key()


@pytest.fixture
async def ledger(database, clock, tmp_path):
    return Ledger(database, tmp_path / "voids", clock=clock)


@pytest.fixture
async def canary():
    """The watch of the pipelines, which are ready."""
    watch = Canary({"vhs": _passes, "screen": _passes}, None)
    await watch.tick()
    return watch


@pytest.fixture
def vhs_api(vhs_triton, database, ledger, clock, canary, no_environment, tmp_path):
    """Put the VHS API together, as `gateway.apis.vhs.api` does, with settings."""
    made = []

    def make(heartbeat_seconds=15.0, **changes):
        settings = Settings(data_dir=tmp_path, **changes)
        instance = Instance(settings, vhs_triton, database, canary, NoJobs(), Admissions())
        charges = Charges(ledger, model_version=settings.vhs_model_version)
        admission = instance.admissions.of("vhs", in_flight=settings.vhs_in_flight)
        service = Pipeline(vhs_triton, admission, takes_photos=settings.vhs_pop)
        service.on_failure = lambda: canary.doubt("vhs")
        pop = None
        if settings.vhs_pop:
            store = SessionStore(database, clock=clock, most_open=settings.vhs_pop_sessions)
            pop = pop_parts_of(instance, service, charges, store)
            made.append(pop.rectifier)
        parts = parts_of(instance, service, ledger, charges, pop)
        return settings, vhs.api_of(settings, parts._replace(heartbeat_seconds=heartbeat_seconds))

    yield make
    for rectifier in made:
        rectifier.close()


@pytest.fixture
def serve_vhs(aiohttp_client, vhs_api):
    """Serve the VHS API over HTTP on the port of all APIs; gives a client."""

    async def serve(**changes):
        settings, api = vhs_api(**changes)
        return await aiohttp_client(public_applications(settings, [api])[settings.port])

    return serve


@pytest.fixture
async def listen_vhs(vhs_api):
    """Listen as an instance does, which does not cancel what a caller leaves; aiohttp's test server does.

    Gives the URL, and what stops it.
    """
    async with contextlib.AsyncExitStack() as stack:

        async def listen(**changes):
            settings, api = vhs_api(**changes)
            app = public_applications(settings, [api])[settings.port]
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0]
            return f"http://{host}:{port}", runner.cleanup

        yield listen


@pytest.fixture
def usage(database, ledger, key):
    """Give what the account of the key has used this month."""

    async def look():
        caller = await ApiKeys(database).caller(key)
        return await ledger.usage(caller.account)

    return look


@pytest.fixture
async def vhs_client(serve_vhs):
    return await serve_vhs()


@pytest.fixture
def post(vhs_client, key):
    """POST fields with the key; gives the status and the body."""

    async def post(path="/v3/predict", headers=(), **fields):
        sent = {"x-api-key": key, "Content-Type": "application/json", **dict(headers)}
        response = await vhs_client.post(path, data=BytesIO(json.dumps(fields).encode()), headers=sent)
        assert response.content_type == "application/json"
        return response.status, await response.json()

    return post


async def _passes():
    """Come back, as a canary."""
