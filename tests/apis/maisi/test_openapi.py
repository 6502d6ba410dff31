"""The API's document: valid, complete, and what comes over HTTP keeps to it."""

import json
import re

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.apis import maisi
from gateway.apis.maisi import routes
from gateway.apis.maisi.rules import faults_of
from gateway.apis.maisi.schema import Run, parse
from gateway.imaging.maisi.labels import BODY_REGIONS, CONTROLLABLE, LABELS
from tests.apis.maisi.conftest import BODY

DOCUMENT = json.loads(maisi.OPENAPI.read_text(encoding="utf-8"))
PATHS = DOCUMENT["paths"]
RUN = DOCUMENT["components"]["schemas"]["Run"]


def validator(schema):
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def test_is_valid_openapi_3_1():
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_has_every_route_and_no_other():
    groups = (routes.open_routes(None), routes.routes(None, None), routes.job_routes(None, None))
    served = {(each.method.lower(), each.path) for group in groups for each in group}
    documented = {
        (method, path)
        for path, item in PATHS.items()
        for method in item
        if method in ("get", "post", "delete")
    }
    assert served == documented


def test_has_every_field_with_its_default():
    assert list(RUN["properties"]) == list(Run.model_fields)
    for name, field in Run.model_fields.items():
        assert (name in RUN["required"]) == field.is_required()
        if "default" in RUN["properties"][name]:
            assert RUN["properties"][name]["default"] == field.default


def test_has_every_name():
    fields = RUN["properties"]
    assert fields["body_region"]["items"]["enum"] == list(BODY_REGIONS)
    assert fields["anatomy_list"]["items"]["enum"] == list(LABELS)
    sizes = fields["controllable_anatomy_size"]["items"]["prefixItems"]
    assert sizes[0]["enum"] == list(CONTROLLABLE)


def test_the_example_is_accepted():
    example = PATHS["/v1/maisi/run"]["post"]["requestBody"]["content"]["application/json"]["example"]
    validator(RUN).validate(example)
    assert faults_of(parse(json.dumps(example).encode()), max_samples=1) == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/health/live", None, 200),
        ("GET", "/v1/health/ready", None, 200),
        ("GET", "/v1/license", None, 200),
        ("GET", "/v1/maisi/info", None, 200),
        ("POST", "/v1/maisi/validate", BODY, 200),
        ("POST", "/v1/maisi/validate", {}, 422),
        ("POST", "/v1/maisi/run", {**BODY, "spacing": [1, 1]}, 422),
        ("GET", "/v1/maisi/jobs/x", None, 404),
    ],
)
async def test_answers_keep_to_the_document(client, method, path, body, status):
    answer = await client.request(method, path, json=body)
    assert answer.status == status
    documented = next(each for each in PATHS if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", each), path))
    response = PATHS[documented][method.lower()]["responses"][str(status)]
    validator(response["content"]["application/json"]["schema"]).validate(await answer.json())


async def test_the_status_of_a_job_keeps_to_the_document(client, run):
    answer, _ = await run(headers={"Prefer": "respond-async"})
    schema = PATHS["/v1/maisi/jobs/{id}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    validator(schema).validate(await answer.json())
    events = await client.get(answer.headers["Location"] + "/events")
    for line in (await events.text()).splitlines():
        if line.startswith("data: "):
            validator(schema).validate(json.loads(line.removeprefix("data: ")))
