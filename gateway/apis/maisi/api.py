"""The MAISI API, put together from the settings."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

from gateway.accounts.secrets import secret_from
from gateway.accounts.vault import Vault
from gateway.apis.api import Api, Instance, Routes, in_background
from gateway.apis.callers import Account, account_of
from gateway.apis.maisi.answers import KIND, error_answer
from gateway.apis.maisi.folders import MaisiFolder, MaisiFolders
from gateway.apis.maisi.receiving import MODEL
from gateway.apis.maisi.routes import HEALTH, LICENSE, MAISI, job_routes, open_routes, routes
from gateway.apis.maisi.service import API, QUEUE, Maisi
from gateway.apis.maisi.workflow import Parts, Workflow
from gateway.apis.peers import outbound_of
from gateway.errors import ModelUnavailable
from gateway.files.roots import Roots
from gateway.outbound.upload import Uploads
from gateway.settings import Settings
from gateway.triton.canary import Canary
from gateway.triton.client import TritonClient

OPENAPI = Path(__file__).with_name("openapi.json")
"""This API's OpenAPI 3.1 document, kept by hand: the contract is not ours to generate."""
MAISI_MODELS = ("maisi", "maisi_mask", "maisi_latent", "maisi_decode")


@contextlib.asynccontextmanager
async def maisi(instance: Instance) -> AsyncIterator[Api]:
    """Offer the work of generation, and keep what it needs until the end."""
    settings = instance.settings
    folders = MaisiFolders(settings.maisi_folder, MaisiFolder)
    keep = timedelta(hours=settings.maisi_result_hours)
    async with outbound_of(settings) as outbound, in_background(folders.sweep(instance.jobs, keep=keep)):
        uploads = Uploads(outbound, public=settings.maisi_public_uploads)
        vault = Vault(secret_from(settings.acr_secret.get_secret_value() or None, settings.acr_key_file))
        instance.canary.watch(MODEL, lambda: require_models(instance.triton))
        parts = parts_of(instance, vault, uploads, folders)
        instance.jobs.offer(KIND, Workflow(parts).run, queues={QUEUE: settings.maisi_jobs})
        service = Maisi(
            instance.jobs,
            vault,
            uploads,
            parts.output_roots,
            folders,
            max_samples=settings.maisi_max_samples,
            is_ready=lambda: instance.canary.ready[MODEL],
        )
        yield api_of(settings, service, account_of(settings.maisi_auth, settings, instance.database))


def parts_of(instance: Instance, vault: Vault, uploads: Uploads, folders: MaisiFolders) -> Parts:
    """Put together what the workflow works with."""
    settings = instance.settings
    return Parts(
        instance.triton,
        instance.admissions.of(MODEL, in_flight=settings.maisi_in_flight),
        vault,
        uploads,
        Roots(settings.output_roots),
        folders,
        in_flight=settings.maisi_in_flight,
        timeout_seconds=settings.maisi_timeout_seconds,
        quality_tries=settings.maisi_quality_tries,
        voxel_type=settings.maisi_voxel_type,
        dcm_layout=settings.maisi_dcm_layout,
        on_failure=lambda: _doubt(instance.canary),
    )


def api_of(settings: Settings, service: Maisi, account: Account) -> Api:
    """Describe the API to the application."""
    groups = (open_routes(service), routes(service, account), job_routes(service, account))
    return Api(
        name=API,
        groups=[Routes(each, error_answer) for each in groups],
        openapi=OPENAPI,
        below={HEALTH: error_answer, LICENSE: error_answer, MAISI: error_answer},
        port=settings.maisi_port,
        stopping=service.stop_waiting,
    )


async def require_models(triton: TritonClient) -> None:
    """Look that all models are loaded: a volume takes too long to make one every few seconds.

    Dead stubs of the embedded Triton are noticed apart from this.

    Raises
    ------
    ModelUnavailable
    """
    for model in MAISI_MODELS:
        if not await triton.ready(model):
            raise ModelUnavailable(f"{model} is not available")


def _doubt(canary: Canary) -> None:
    if MODEL in canary.ready:
        canary.doubt(MODEL)
