"""The VHS API, put together from the settings."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from gateway.accounts.keys import ApiKeys
from gateway.accounts.ledger import Ledger
from gateway.apis.api import Api, Instance, Routes, in_background
from gateway.apis.vhs.charges import Charges
from gateway.apis.vhs.health import Health
from gateway.apis.vhs.inference import MODEL, Pipeline
from gateway.apis.vhs.routes import Parts, routes
from gateway.apis.vhs.schema import error_answer
from gateway.apis.vhs.service import Vhs
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
    pipeline = Pipeline(instance.triton, in_flight=settings.vhs_in_flight)
    instance.canary.watch(MODEL, pipeline.canary)
    pipeline.on_failure = lambda: instance.canary.doubt(MODEL)
    ledger = Ledger(instance.database, settings.data_dir / "voids")
    charges = Charges(ledger, model_version=settings.vhs_model_version)
    async with in_background(ledger.run()):
        try:
            yield api_of(settings, parts_of(instance, pipeline, ledger, charges))
        finally:
            await charges.settled()


def parts_of(instance: Instance, pipeline: Pipeline, ledger: Ledger, charges: Charges) -> Parts:
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
