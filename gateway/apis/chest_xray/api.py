"""The chest X-ray API, put together from the settings."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

from gateway.accounts.secrets import secret_from
from gateway.accounts.tokens import TokenVerifier
from gateway.apis.api import Api, Instance, Routes, in_background
from gateway.apis.chest_xray.bulk import KIND, QUEUE, Bulk
from gateway.apis.chest_xray.bulk_job import BulkWork
from gateway.apis.chest_xray.reports import ReportWorkers
from gateway.apis.chest_xray.routes import bulk_routes, routes
from gateway.apis.chest_xray.schema import bulk_error_answer, error_answer
from gateway.apis.chest_xray.service import API, MODEL, ChestXray
from gateway.files.roots import Roots
from gateway.jobs.dbos_engine import dbos_job_engine
from gateway.settings import Settings
from gateway.triton.client import TritonClient

OPENAPI = Path(__file__).with_name("openapi.json")
"""This API's OpenAPI 3.1 document, kept by hand: the contract is not ours to generate."""


@contextlib.asynccontextmanager
async def chest_xray(instance: Instance) -> AsyncIterator[Api]:
    """Start the report workers and the jobs; those that do not end in time go on at the next start."""
    settings = instance.settings
    reports = ReportWorkers(settings.report_workers)
    try:
        service = _service(settings, instance.triton, reports)
        instance.canary.watch(MODEL, service.canary)
        service.on_failure = lambda: instance.canary.doubt(MODEL)
        async with in_background(reports.warm_up()), _bulk(instance, service) as bulk:
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


def token_verifier(settings: Settings) -> TokenVerifier:
    """Build the verifier of the secret in force, and of the previous one during a rotation."""
    secrets = [secret_from(settings.jwt_secret.get_secret_value() or None, settings.secret_file)]
    if previous := settings.jwt_previous_secret.get_secret_value():
        secrets.append(previous)
    return TokenVerifier(secrets, settings.jwt_denied_file)


def _service(settings: Settings, triton: TritonClient, reports: ReportWorkers) -> ChestXray:
    return ChestXray(
        triton,
        reports,
        input_roots=Roots(settings.input_roots),
        output_roots=Roots(settings.output_roots),
        in_flight=settings.chest_xray_in_flight,
        timeout_seconds=settings.chest_xray_timeout_seconds,
        gate=settings.chest_xray_gate,
        site=settings.site,
    )


@contextlib.asynccontextmanager
async def _bulk(instance: Instance, service: ChestXray) -> AsyncIterator[Bulk]:
    settings = instance.settings
    roots = {"input_roots": Roots(settings.input_roots), "output_roots": Roots(settings.output_roots)}
    work = BulkWork(service, **roots, in_flight=settings.chest_xray_bulk_in_flight)
    engine = dbos_job_engine(
        instance.database,
        kinds={KIND: work.run},
        queues={QUEUE: settings.chest_xray_bulk_jobs},
        executor_id=settings.executor,
        retention=timedelta(days=settings.job_retention_days),
        dead_after=timedelta(seconds=settings.executor_timeout_seconds),
    )
    await engine.start()
    try:
        yield Bulk(
            engine,
            **roots,
            studies=settings.chest_xray_bulk_layout == "studies",
            manifest=settings.chest_xray_bulk_manifest,
        )
    finally:
        await engine.close()
