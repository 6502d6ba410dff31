"""The MAISI API over a real job engine on SQLite, and a Triton that streams drawn volumes."""

import asyncio
import contextlib
import gzip
import io
import json
import zipfile

import nibabel
import numpy as np
import pytest

from gateway.accounts.vault import Vault
from gateway.apis.api import Instance
from gateway.apis.callers import account_of
from gateway.apis.maisi.answers import KIND
from gateway.apis.maisi.api import api_of, parts_of, require_models
from gateway.apis.maisi.folders import MaisiFolder, MaisiFolders
from gateway.apis.maisi.service import QUEUE, Maisi
from gateway.apis.maisi.workflow import Workflow
from gateway.app import public_applications
from gateway.imaging.maisi.labels import LABELS
from gateway.jobs.dbos_engine import dbos_job_engine
from gateway.outbound.client import Outbound
from gateway.outbound.upload import Uploads
from gateway.settings import Settings
from gateway.storage.engine import open_database
from gateway.triton.admission import Admissions
from gateway.triton.canary import Canary
from tests.fakes.triton import FakeTriton

SIZE, SPACING = [256, 256, 128], [1.5, 1.5, 1.5]
BODY = {
    "num_output_samples": 1,
    "body_region": ["abdomen"],
    "anatomy_list": ["spleen", "liver"],
    "output_size": SIZE,
    "spacing": SPACING,
}


class FakeMaisi:
    """The model: a block of each organ, in HU that tell seed and organ.

    Attributes
    ----------
    fails
        Raised before the answer, one each call, until there are no more.
    bad_seeds
        Volumes of these do not pass quality control.
    gate
        The first volume's progress is sent, and then this is waited for.
    """

    def __init__(self):
        self.fails = []
        self.bad_seeds = set()
        self.gate = None
        self.began = asyncio.Event()
        self.asked = []

    async def __call__(self, inputs, parameters):
        asked = json.loads(inputs["request"][0])
        self.asked.append(asked)
        if self.fails:
            raise self.fails.pop(0)
        for step in (1, 2):
            yield part({"event": "progress", "stage": "latent", "step": step, "steps": 2})
        self.began.set()
        if self.gate is not None:
            await self.gate.wait()
        image, labels = volume(asked["seed"], asked["output_size"])
        for z in range(0, image.shape[2], 32):
            yield part({"event": "slab", "z": z}, image[:, :, z : z + 32], labels[:, :, z : z + 32])
        quality = {"passed": asked["seed"] not in self.bad_seeds, "groups": []}
        model = {"name": "maisi", "version": "0.1"}
        yield part({"event": "done", "seed": asked["seed"], "quality": quality, "model": model})


def volume(seed, size):
    """Draw one: liver to the right (small x), spleen to the left, both low in the body."""
    image, labels = np.full(size, -1000, np.int16), np.zeros(size, np.uint8)
    labels[40:216, 60:200] = 200
    labels[50:120, 80:160, 20:70] = LABELS["liver"].index
    labels[160:200, 100:150, 30:60] = LABELS["spleen"].index
    image[labels > 0] = seed % 100
    image[labels == LABELS["liver"].index] = 60
    return image, labels


def part(event, image=None, labels=None):
    empty = np.empty((0, 0, 0))
    return {
        "event": np.array([json.dumps(event).encode()], np.object_),
        "image_hu": empty.astype(np.int16) if image is None else np.ascontiguousarray(image),
        "labels": empty.astype(np.uint8) if labels is None else np.ascontiguousarray(labels),
    }


@pytest.fixture
def model():
    return FakeMaisi()


@pytest.fixture
def maisi_triton(model):
    fake = FakeTriton(dict.fromkeys(("maisi", "maisi_mask", "maisi_latent", "maisi_decode"), model))
    yield fake
    assert not fake.broken


@pytest.fixture
def folders(tmp_path):
    return MaisiFolders(tmp_path / "maisi", MaisiFolder)


@pytest.fixture
async def serve(aiohttp_client, maisi_triton, folders, no_environment, tmp_path):
    """Serve the API over HTTP on its own port, as an instance does; gives a client."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(*, peers=(), ready=True, resolver=None, **changes):
            await stack.aclose()  # one engine at a time
            settings = Settings(data_dir=tmp_path, **changes)
            database = await open_database(f"sqlite:///{tmp_path / 'app.db'}")
            stack.push_async_callback(database.close)
            canary = Canary({"maisi": lambda: require_models(maisi_triton)}, None)
            if ready:
                await canary.tick()
            engine = dbos_job_engine(database, kinds={}, queues={}, executor_id="one")
            stack.push_async_callback(engine.close)
            instance = Instance(settings, maisi_triton, database, canary, engine, Admissions())
            outbound = await stack.enter_async_context(Outbound(peers, sleep=_at_once, resolver=resolver))
            uploads = Uploads(outbound, public=settings.maisi_public_uploads)
            vault = Vault("a secret of the tests, thirty-two bytes long or more")
            parts = parts_of(instance, vault, uploads, folders)
            engine.offer(KIND, Workflow(parts).run, queues={QUEUE: 2})
            await engine.start()
            service = Maisi(
                engine,
                vault,
                uploads,
                parts.output_roots,
                folders,
                max_samples=settings.maisi_max_samples,
                is_ready=lambda: canary.ready["maisi"],
            )
            api = api_of(settings, service, account_of(settings.maisi_auth, settings, database))
            app = public_applications(settings, [api])[settings.maisi_port]
            return await aiohttp_client(app)

        yield start


@pytest.fixture
async def client(serve):
    return await serve()


@pytest.fixture
def run(client):
    """POST fields to /v1/maisi/run; gives the response and its body."""

    async def run(path="/v1/maisi/run", headers=(), client=client, **fields):
        response = await client.post(path, json={**BODY, **fields}, headers=dict(headers))
        return response, await response.read()

    return run


async def emptied(folders):
    """Wait until nothing is left; a folder goes when its caller has read all."""
    for _ in range(200):
        if not list(folders.root.iterdir()):
            return
        await asyncio.sleep(0.05)
    raise AssertionError([str(path) for path in folders.root.rglob("*")])


def members(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def nifti(file: bytes) -> nibabel.Nifti1Image:
    return nibabel.Nifti1Image.from_bytes(gzip.decompress(file))


async def _at_once(_: float) -> None:
    """Wait for nothing."""
