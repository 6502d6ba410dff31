"""The API of inference requests, put together from the settings."""

import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from gateway.accounts.secrets import secret_from
from gateway.accounts.vault import Vault
from gateway.apis.api import Api, Instance, Routes, in_background
from gateway.apis.callers import Account, account_of
from gateway.apis.inference_requests.algorithms import Algorithms
from gateway.apis.inference_requests.answers import KIND, error_answer, post_error_answer
from gateway.apis.inference_requests.assessing import Assessor, new_workers
from gateway.apis.inference_requests.folders import RequestFolder, RequestFolders
from gateway.apis.inference_requests.routes import REQUESTS, post_routes, status_routes
from gateway.apis.inference_requests.service import API, IMMEDIATE_QUEUE, QUEUE, InferenceRequests
from gateway.apis.inference_requests.workflow import Parts, Workflow
from gateway.apis.peers import outbound_of
from gateway.settings import Settings

logger = logging.getLogger(__name__)

OPENAPI = Path(__file__).with_name("openapi.json")
"""This API's OpenAPI 3.1 document, kept by hand: the contract is not ours to generate."""


@contextlib.asynccontextmanager
async def inference_requests(instance: Instance) -> AsyncIterator[Api]:
    """Offer the work of inference requests, and keep what it needs until the end."""
    settings = instance.settings
    vault = Vault(secret_from(settings.acr_secret.get_secret_value() or None, settings.acr_key_file))
    algorithms = Algorithms(instance.triton)
    folders = RequestFolders(settings.data_dir / "inference_requests", RequestFolder)
    with _assessor(instance) as assessor:
        async with outbound_of(settings) as outbound, in_background(folders.sweep(instance.jobs)):
            parts = Parts(
                outbound,
                algorithms,
                assessor,
                vault,
                folders,
                min_free_bytes=settings.acr_min_free_bytes,
                in_flight=settings.acr_in_flight,
            )
            queues = {QUEUE: settings.acr_jobs, IMMEDIATE_QUEUE: settings.acr_immediate_jobs}
            instance.jobs.offer(KIND, Workflow(parts).run, queues=queues)
            service = InferenceRequests(instance.jobs, algorithms, vault, duplicates=settings.acr_duplicates)
            yield api_of(settings, service, account_of(settings.acr_auth, settings, instance.database))


def api_of(settings: Settings, service: InferenceRequests, account: Account) -> Api:
    """Describe the API to the application."""
    return Api(
        name=API,
        groups=[
            Routes(status_routes(service, account), error_answer),
            Routes(post_routes(service, account), post_error_answer),
        ],
        openapi=OPENAPI,
        below={REQUESTS: error_answer},
        port=settings.acr_port,
    )


@contextlib.contextmanager
def _assessor(instance: Instance) -> Iterator[Assessor]:
    settings, canary = instance.settings, instance.canary
    workers = new_workers(settings.acr_in_flight)
    assessor = Assessor(
        instance.triton,
        workers,
        instance.admissions,
        timeout_seconds=settings.acr_timeout_seconds,
        gate=settings.chest_xray_gate,
        vhs_version=settings.vhs_model_version,
    )

    def doubt(model: str) -> None:
        if model in canary.ready:
            canary.doubt(model)

    assessor.on_failure = doubt
    with contextlib.ExitStack() as stack:
        for worker in workers:
            stack.callback(worker.close)
        yield stack.enter_context(contextlib.closing(assessor))
