"""Inference requests over a real job engine, real peers and the fake Triton."""

import asyncio
import contextlib
import copy
import json
import shutil
from io import BytesIO

import pytest

from gateway.accounts.vault import Vault
from gateway.apis import inference_requests
from gateway.apis.callers import account_of
from gateway.apis.inference_requests.algorithms import Algorithms
from gateway.apis.inference_requests.answers import KIND
from gateway.apis.inference_requests.assessing import Assessor, new_workers
from gateway.apis.inference_requests.folders import RequestFolder, RequestFolders
from gateway.apis.inference_requests.service import IMMEDIATE_QUEUE, QUEUE, InferenceRequests
from gateway.apis.inference_requests.workflow import Parts, Workflow
from gateway.app import public_applications
from gateway.jobs.dbos_engine import dbos_job_engine
from gateway.outbound.client import Outbound
from gateway.outbound.limits import Limits
from gateway.settings import Settings
from gateway.storage.engine import open_database
from gateway.triton.admission import Admissions
from tests.outbound.conftest import (  # noqa: F401
    fault_peer,
    fhirsnake,
    instance,
    orthanc,
    orthanc_server,
    rule,
)
from tests.peers.orthanc import AUTH_ID

VAULT_SECRET = "a secret of the tests that is thirty-two bytes long"
ENDED = ("Stopped",)


@pytest.fixture(scope="session")
def workers():
    """Two real ones for all tests: their start costs seconds."""
    made = new_workers(2)
    yield made
    for each in made:
        each.close()


@pytest.fixture
async def service_over(tmp_path, empty_database, triton, workers):
    """Start an engine with the API's service over it; a second start is a restart.

    Gives the service; `sleep` notes pauses and makes none.
    """
    async with contextlib.AsyncExitStack() as stack:

        async def start(
            *peers,
            duplicates="idempotent",
            sleep=None,
            min_free_bytes=0,
            jobs=4,
            resolver=None,
            admissions=None,
            **limits,
        ):
            await stack.aclose()
            if not (tmp_path / "app.db").exists():
                shutil.copy(empty_database, tmp_path / "app.db")
            database = await open_database(f"sqlite:///{tmp_path / 'app.db'}")
            stack.push_async_callback(database.close)
            outbound = Outbound(peers, limits=Limits(**limits), resolver=resolver, sleep=sleep or _no_pause)
            stack.push_async_callback(outbound.close)
            assessor = Assessor(triton, workers, admissions or Admissions(), timeout_seconds=30.0)
            stack.callback(assessor.close)
            vault, algorithms = Vault(VAULT_SECRET), Algorithms(triton)
            folders = RequestFolders(tmp_path / "requests", RequestFolder)
            parts = Parts(
                outbound, algorithms, assessor, vault, folders, min_free_bytes, sleep=sleep or _no_pause
            )
            engine = dbos_job_engine(
                database,
                kinds={KIND: Workflow(parts).run},
                queues={QUEUE: jobs, IMMEDIATE_QUEUE: 1},
                executor_id="one",
            )
            stack.push_async_callback(engine.close)
            await engine.start()
            service = InferenceRequests(engine, algorithms, vault, duplicates=duplicates)
            service.engine, service.database, service.folders = engine, database, folders
            service.outbound = outbound
            return service

        yield start


@pytest.fixture
def serve_requests(aiohttp_client, service_over, no_environment):
    """Serve the API over HTTP; gives a `Caller`."""

    async def serve(*peers, all_apis=False, auth="open", account=None, **options):
        service = await service_over(*peers, **options)
        settings = Settings(acr_auth=auth)
        who = account or account_of(settings.acr_auth, settings, service.database)
        api = inference_requests.api_of(settings, service, who)
        apps = public_applications(settings, [api])
        client = await aiohttp_client(apps[settings.port if all_apis else settings.acr_port])
        return Caller(client, service)

    return serve


class Caller:
    """Speaks the API over HTTP."""

    def __init__(self, client, service):
        self.client = client
        self.service = service

    async def post(self, body, path="/api/inference", **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **headers}
        response = await self.client.post(path, data=BytesIO(data), headers=sent)
        text = await response.text()
        return response.status, json.loads(text) if text else None

    async def status(self, id, **headers):
        response = await self.client.get(f"/api/inference/status/{id}", headers=headers)
        text = await response.text()
        return response.status, json.loads(text) if text else None

    async def ended(self, id, seconds=240.0):
        """Wait for a request's end."""
        async with asyncio.timeout(seconds):
            while True:
                code, body = await self.status(id)
                assert code == 200, body
                if body["platform"]["state"] == "Stopped":
                    return body
                await asyncio.sleep(0.05)

    async def done(self, body, seconds=240.0):
        """Send a request and wait for its end."""
        code, answer = await self.post(body)
        assert code == 200, answer
        return await self.ended(answer["jobId"], seconds)


BODY = {
    "transactionID": "TX-1",
    "inputMetadata": {"details": {"type": "DICOM_UID", "studies": [{"StudyInstanceUID": "1.2.3"}]}},
    "inputResources": [
        {"interface": "Algorithm", "connectionDetails": {"name": "tb", "id": "chest_xray"}},
        {"interface": "DICOMweb", "connectionDetails": {"uri": "http://127.0.0.1:9/dicom-web/"}},
    ],
    "outputResources": [],
}


def body(**changes):
    """Give a valid request; a change of None takes a member away."""
    made = {**copy.deepcopy(BODY), **changes}
    return {name: value for name, value in made.items() if value is not None}


def algorithm(id="chest_xray", **more):
    return {"interface": "Algorithm", "connectionDetails": {"name": "tb", "id": id, **more}}


def dicom_web(uri, **more):
    return {"interface": "DICOMweb", "connectionDetails": {"uri": uri, **more}}


def to(orthanc):  # noqa: F811
    """Describe an Orthanc as a resource."""
    return dicom_web(orthanc.uri, authType="Basic", authID=AUTH_ID)


def details(type, **members):
    return {"details": {"type": type, **members}}


def studies(*uids):
    return details("DICOM_UID", studies=[{"StudyInstanceUID": uid} for uid in uids])


async def _no_pause(seconds):
    await asyncio.sleep(0)
