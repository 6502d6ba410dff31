"""Where the parts meet, and nowhere else."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Coroutine
from datetime import timedelta
from typing import Any

from aiohttp import web

from gateway.accounts.secrets import secret_from
from gateway.accounts.tokens import TokenVerifier
from gateway.apis import chest_xray
from gateway.apis.chest_xray.bulk import KIND, QUEUE, Bulk
from gateway.apis.chest_xray.bulk_job import BulkWork
from gateway.apis.chest_xray.reports import ReportWorkers
from gateway.apis.chest_xray.service import ChestXray
from gateway.files.roots import Roots
from gateway.jobs.dbos_engine import dbos_job_engine
from gateway.settings import Settings
from gateway.storage.engine import open_database
from gateway.triton.canary import Canary
from gateway.triton.client import TritonClient
from gateway.triton.embedded import EmbeddedTriton
from gateway.web.docs import docs_routes
from gateway.web.health import admin_application
from gateway.web.mount import application, mount
from gateway.web.problem import problem_answer

logger = logging.getLogger(__name__)

KEEPALIVE_SECONDS = 15.0
"""How long an idle or dripping connection stays open; aiohttp's own default is an hour."""


async def serve(settings: Settings) -> None:
    """Run one instance until it is told to stop."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with running(settings):
        await stopped.wait()
        logger.info("stopping: running requests may take %.0f s", settings.shutdown_timeout_seconds)


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Canary]:
    """Start everything, in order; stop it in the opposite order."""
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with contextlib.AsyncExitStack() as stack:
        server = await _embedded(settings, stack)
        triton = TritonClient(server.url if server else settings.triton_url)
        stack.push_async_callback(triton.close)
        reports = ReportWorkers(settings.report_workers)
        stack.callback(reports.close)
        service = _chest_xray(settings, triton, reports)
        bulk = await stack.enter_async_context(_bulk(settings, service))
        canary = Canary({"chest_xray": service.canary}, server)
        service.on_failure = lambda: canary.doubt("chest_xray")
        await stack.enter_async_context(_listening(settings, service, bulk, canary))
        await stack.enter_async_context(_in_background(canary.run()))
        await stack.enter_async_context(_in_background(reports.warm_up()))
        yield canary


async def _embedded(settings: Settings, stack: contextlib.AsyncExitStack) -> EmbeddedTriton | None:
    if settings.triton_url:
        return None
    server = EmbeddedTriton(
        model_repository=settings.model_repository,
        state_dir=settings.data_dir / "triton",
        grpc_port=settings.triton_grpc_port,
        metrics_port=settings.triton_metrics_port,
        model_config_name=settings.triton_model_config_name,
    )
    stack.push_async_callback(server.stop)
    await server.start()
    return server


def _chest_xray(settings: Settings, triton: TritonClient, reports: ReportWorkers) -> ChestXray:
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
async def _bulk(settings: Settings, service: ChestXray) -> AsyncIterator[Bulk]:
    """Open the database and run jobs; those that do not end in time go on at the next start."""
    roots = {"input_roots": Roots(settings.input_roots), "output_roots": Roots(settings.output_roots)}
    work = BulkWork(service, **roots, in_flight=settings.chest_xray_bulk_in_flight)
    database = await open_database(settings.database, pool_size=settings.database_pool_size)
    try:
        engine = dbos_job_engine(
            database,
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
    finally:
        await database.close()


def token_verifier(settings: Settings) -> TokenVerifier:
    """Build the verifier of the secret in force, and of the previous one during a rotation."""
    secrets = [secret_from(settings.jwt_secret.get_secret_value() or None, settings.secret_file)]
    if previous := settings.jwt_previous_secret.get_secret_value():
        secrets.append(previous)
    return TokenVerifier(secrets, settings.jwt_denied_file)


def public_applications(
    settings: Settings, service: ChestXray, bulk: Bulk, tokens: TokenVerifier
) -> dict[int, web.Application]:
    """Build the applications by port: all APIs on one, and each alone on its contract's port."""
    everything = application(problem_answer)
    alone = application(chest_xray.error_answer)
    for app in (everything, alone):
        mount(app, chest_xray.routes(service, tokens), chest_xray.error_answer, api="chest_xray")
        mount(app, chest_xray.bulk_routes(bulk, tokens), chest_xray.bulk_error_answer, api="chest_xray")
        app.on_shutdown.append(lambda _: bulk.stop_waiting())
        mount(app, docs_routes({"chest_xray": chest_xray.OPENAPI}), problem_answer, api="docs")
    return {settings.port: everything, settings.chest_xray_port: alone}


@contextlib.asynccontextmanager
async def _listening(
    settings: Settings, service: ChestXray, bulk: Bulk, canary: Canary
) -> AsyncIterator[None]:
    sites = [
        (settings.host, port, app)
        for port, app in public_applications(settings, service, bulk, token_verifier(settings)).items()
    ]
    sites.append((settings.admin_host, settings.admin_port, admin_application(lambda: canary.ready)))
    runners = [await _listen(*site, settings.shutdown_timeout_seconds) for site in sites]
    try:
        yield
    finally:
        await asyncio.gather(*(runner.cleanup() for runner in runners))


async def _listen(
    host: str, port: int, app: web.Application, shutdown_timeout_seconds: float
) -> web.AppRunner:
    runner = web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=KEEPALIVE_SECONDS,
        shutdown_timeout=shutdown_timeout_seconds,
    )
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    logger.info("listening on http://%s:%s", host, port)
    return runner


@contextlib.asynccontextmanager
async def _in_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
