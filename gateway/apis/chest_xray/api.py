"""The chest X-ray API, put together from the settings."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from gateway.accounts.tokens import TokenVerifier
from gateway.apis.api import Api, Instance, Routes, in_background, token_verifier
from gateway.apis.chest_xray.bulk import KIND, QUEUE, Bulk
from gateway.apis.chest_xray.bulk_job import BulkWork
from gateway.apis.chest_xray.reports import ReportWorkers
from gateway.apis.chest_xray.routes import bulk_routes, routes
from gateway.apis.chest_xray.schema import bulk_error_answer, error_answer
from gateway.apis.chest_xray.service import API, MODEL, ChestXray
from gateway.files.roots import Roots
from gateway.settings import Settings

OPENAPI = Path(__file__).with_name("openapi.json")
"""This API's OpenAPI 3.1 document, kept by hand: the contract is not ours to generate."""


@contextlib.asynccontextmanager
async def chest_xray(instance: Instance) -> AsyncIterator[Api]:
    """Start the report workers, and offer the work of bulk jobs."""
    settings = instance.settings
    reports = ReportWorkers(settings.report_workers)
    try:
        service = _service(instance, reports)
        instance.canary.watch(MODEL, service.canary)
        service.on_failure = lambda: instance.canary.doubt(MODEL)
        bulk = _bulk(instance, service)
        async with in_background(reports.warm_up()):
            yield api_of(settings, service, bulk, token_verifier(settings))
    finally:
        reports.close()


def api_of(settings: Settings, service: ChestXray, bulk: Bulk, tokens: TokenVerifier) -> Api:
    """Describe the API to the application."""
    return Api(
        name=API,
        groups=[
            Routes(routes(service, tokens), error_answer),
            Routes(bulk_routes(bulk, tokens), bulk_error_answer),
        ],
        openapi=OPENAPI,
        port=settings.chest_xray_port,
        stopping=bulk.stop_waiting,
    )


def _service(instance: Instance, reports: ReportWorkers) -> ChestXray:
    settings = instance.settings
    return ChestXray(
        instance.triton,
        reports,
        instance.admissions.of(MODEL, in_flight=settings.chest_xray_in_flight),
        input_roots=Roots(settings.input_roots),
        output_roots=Roots(settings.output_roots),
        timeout_seconds=settings.chest_xray_timeout_seconds,
        gate=settings.chest_xray_gate,
        site=settings.site,
    )


def _bulk(instance: Instance, service: ChestXray) -> Bulk:
    settings = instance.settings
    roots = {"input_roots": Roots(settings.input_roots), "output_roots": Roots(settings.output_roots)}
    work = BulkWork(service, **roots, in_flight=settings.chest_xray_bulk_in_flight)
    instance.jobs.offer(KIND, work.run, queues={QUEUE: settings.chest_xray_bulk_jobs})
    return Bulk(
        instance.jobs,
        **roots,
        studies=settings.chest_xray_bulk_layout == "studies",
        manifest=settings.chest_xray_bulk_manifest,
    )
