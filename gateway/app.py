"""Where the parts meet, and nowhere else."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta

from aiohttp import web

from gateway.apis.api import Api, Builder, Instance, in_background
from gateway.apis.chest_xray import chest_xray
from gateway.apis.inference_requests import inference_requests
from gateway.apis.maisi import maisi
from gateway.apis.vhs import vhs
from gateway.jobs.dbos_engine import dbos_job_engine
from gateway.jobs.durable import DurableJobEngine
from gateway.settings import Settings
from gateway.storage.engine import Database, open_database
from gateway.triton.admission import Admissions
from gateway.triton.canary import Canary
from gateway.triton.client import TritonClient
from gateway.triton.embedded import EmbeddedTriton
from gateway.web.docs import docs_routes
from gateway.web.health import admin_application
from gateway.web.mount import application, mount
from gateway.web.problem import problem_answer

logger = logging.getLogger(__name__)

APIS: Sequence[Builder] = (chest_xray, vhs, inference_requests, maisi)
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
        await stack.enter_async_context(in_background(triton.watch()))
        database = await open_database(settings.database, pool_size=settings.database_pool_size)
        stack.push_async_callback(database.close)
        canary = Canary({}, server)
        jobs = _job_engine(settings, database)
        instance = Instance(settings, triton, database, canary, jobs, Admissions())
        apis = [await stack.enter_async_context(api(instance)) for api in _wanted(settings)]
        stack.push_async_callback(instance.jobs.close)
        await instance.jobs.start()
        await stack.enter_async_context(_listening(settings, apis, canary))
        await stack.enter_async_context(in_background(canary.run()))
        yield canary


def _wanted(settings: Settings) -> Sequence[Builder]:
    """Leave out the API that takes cores and memory which not every site wants to give to it."""
    return [api for api in APIS if settings.maisi or api is not maisi]


def _job_engine(settings: Settings, database: Database) -> DurableJobEngine:
    """Build the engine that all APIs share; jobs that do not end in time go on at the next start."""
    return dbos_job_engine(
        database,
        kinds={},
        queues={},
        executor_id=settings.executor,
        runs_jobs=settings.role != "gateway",
        retention=timedelta(days=settings.job_retention_days),
        dead_after=timedelta(seconds=settings.executor_timeout_seconds),
    )


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


def public_applications(settings: Settings, apis: Sequence[Api]) -> dict[int, web.Application]:
    """Build the applications by port: all APIs on one, and an API alone where its contract has a port."""
    below = {path: answer for api in apis for path, answer in api.below.items()}
    applications = {settings.port: (application(problem_answer, below), apis)}
    for api in apis:
        if api.port is not None:
            applications[api.port] = (application(api.error_answer), [api])
    for app, its_apis in applications.values():
        _mount_all(app, its_apis)
    return {port: app for port, (app, _) in applications.items()}


def _mount_all(app: web.Application, apis: Sequence[Api]) -> None:
    for api in apis:
        for group in api.groups:
            mount(app, group.routes, group.error_answer, api=api.name)
        if api.stopping is not None:
            app.on_shutdown.append(_when_stopping(api.stopping))
    mount(app, docs_routes({api.name: api.openapi for api in apis}), problem_answer, api="docs")


def _when_stopping(call: Callable[[], Awaitable[None]]) -> Callable[[web.Application], Awaitable[None]]:
    async def stopping(_: web.Application) -> None:
        await call()

    return stopping


@contextlib.asynccontextmanager
async def _listening(settings: Settings, apis: Sequence[Api], canary: Canary) -> AsyncIterator[None]:
    public = {} if settings.role == "worker" else public_applications(settings, apis)
    sites = [(settings.host, port, app) for port, app in public.items()]
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
