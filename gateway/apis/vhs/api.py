"""The VHS API, put together from the settings."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from gateway.accounts.keys import ApiKeys
from gateway.accounts.ledger import Ledger
from gateway.apis.api import Api, Instance, Routes, in_background
from gateway.apis.vhs.calls import Parts, PopParts
from gateway.apis.vhs.charges import Charges
from gateway.apis.vhs.health import Health
from gateway.apis.vhs.inference import MODEL, Pipeline
from gateway.apis.vhs.routes import routes
from gateway.apis.vhs.schema import error_answer
from gateway.apis.vhs.screens import MODEL as SCREEN
from gateway.apis.vhs.screens import Rectifier, Screens
from gateway.apis.vhs.service import Vhs
from gateway.apis.vhs.session_store import SessionStore
from gateway.apis.vhs.sessions import Sessions
from gateway.settings import Settings
from gateway.web.budget import ByteBudget, Places

OPENAPI = Path(__file__).with_name("openapi.json")
"""This API's OpenAPI 3.1 document, kept by hand: the contract is not ours to generate."""
API = "vhs"
ALIAS = "/vhs"


@contextlib.asynccontextmanager
async def vhs(instance: Instance) -> AsyncIterator[Api]:
    """Keep the ledger tidy while the API is served, and bring settlements to their end after it."""
    settings = instance.settings
    admission = instance.admissions.of(MODEL, in_flight=settings.vhs_in_flight)
    pipeline = Pipeline(instance.triton, admission, takes_photos=settings.vhs_pop)
    instance.canary.watch(MODEL, pipeline.canary)
    pipeline.on_failure = lambda: instance.canary.doubt(MODEL)
    ledger = Ledger(instance.database, settings.data_dir / "voids")
    charges = Charges(ledger, model_version=settings.vhs_model_version)
    async with contextlib.AsyncExitStack() as stack:
        pop = None
        if settings.vhs_pop:
            store = SessionStore(instance.database, most_open=settings.vhs_pop_sessions)
            pop = pop_parts_of(instance, pipeline, charges, store)
            instance.canary.watch(SCREEN, pop.screens.canary)
            stack.callback(pop.rectifier.close)
            await stack.enter_async_context(in_background(pop.sessions.store.run()))
        await stack.enter_async_context(in_background(ledger.run()))
        stack.push_async_callback(charges.settled)
        yield api_of(settings, parts_of(instance, pipeline, ledger, charges, pop))


def pop_parts_of(instance: Instance, pipeline: Pipeline, charges: Charges, store: SessionStore) -> PopParts:
    """Gather what the routes for photos of screens need."""
    settings = instance.settings
    admission = instance.admissions.of(SCREEN, in_flight=settings.vhs_in_flight)
    screens = Screens(instance.triton, admission)
    screens.on_failure = lambda: instance.canary.doubt(SCREEN)
    rectifier = Rectifier(settings.vhs_rectify_workers)
    sessions = Sessions(
        store, pipeline, screens, rectifier, charges, model_version=settings.vhs_model_version
    )
    return PopParts(screens, rectifier, sessions)


def parts_of(
    instance: Instance, pipeline: Pipeline, ledger: Ledger, charges: Charges, pop: PopParts | None = None
) -> Parts:
    """Gather what the routes need."""
    settings = instance.settings
    return Parts(
        service=Vhs(pipeline, charges, model_version=settings.vhs_model_version),
        keys=ApiKeys(instance.database),
        ledger=ledger,
        health=Health(
            lambda: instance.canary.ready,
            model_version=settings.vhs_model_version,
            models=settings.vhs_models,
            pop_models=settings.vhs_pop_models,
            pop_enabled=settings.vhs_pop,
        ),
        budget=ByteBudget(settings.body_budget_bytes),
        places=Places(settings.vhs_in_flight_per_key),
        timeout_seconds=settings.vhs_timeout_seconds,
        pop=pop,
    )


def api_of(settings: Settings, parts: Parts) -> Api:
    """Describe the API to the application."""
    prefixes = ["", ALIAS] if settings.vhs_alias else [""]
    return Api(
        name=API,
        groups=[Routes(routes(parts, prefix=prefix), error_answer) for prefix in prefixes],
        openapi=OPENAPI,
        below={f"{prefix}/v3/": error_answer for prefix in prefixes},
    )
