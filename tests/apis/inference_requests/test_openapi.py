"""The API's document: valid, and what comes over HTTP keeps to it."""

import json

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.apis import inference_requests
from gateway.apis.inference_requests.routes import REQUESTS, STATUS
from gateway.apis.inference_requests.schema import parse
from gateway.apis.inference_requests.validation import faults_of
from tests.apis.inference_requests.conftest import algorithm, body, dicom_web

DOCUMENT = json.loads(inference_requests.OPENAPI.read_text(encoding="utf-8"))
POST = DOCUMENT["paths"][REQUESTS]["post"]
GET = DOCUMENT["paths"][STATUS]["get"]


def validator(part):
    return Draft202012Validator({**part, "components": DOCUMENT["components"]})


def contents():
    yield "POST", POST["requestBody"]["content"]["application/json"]
    for name, operation in (("POST", POST), ("GET", GET)):
        for status, answer in operation["responses"].items():
            ((_, content),) = answer["content"].items()
            yield f"{name} {status}", content


EXAMPLES = [
    pytest.param(content["schema"], example["value"], id=f"{place} {name}")
    for place, content in contents()
    for name, example in content["examples"].items()
]
REQUEST_EXAMPLES = list(POST["requestBody"]["content"]["application/json"]["examples"].values())


def test_is_valid_openapi_3_1():
    OpenAPIV31SpecValidator(DOCUMENT).validate()


@pytest.mark.parametrize(("schema", "value"), EXAMPLES)
def test_examples_keep_to_their_schemas(schema, value):
    validator(schema).validate(value)


@pytest.mark.parametrize("example", REQUEST_EXAMPLES, ids=lambda each: each["summary"])
def test_examples_of_requests_are_accepted(example):
    assert faults_of(parse(json.dumps(example["value"]).encode(), "utf-8")) == []


async def test_answers_keep_to_the_document(serve_requests):
    caller = await serve_requests()
    sent = [
        (body(), 200),
        (b"", 400),
        (body(priority=256), 400),
        (body(priority=7), 409),
        (b" " * 2**21, 413),
        ({}, 422),
        (body(transactionID="2", inputResources=[algorithm("x"), dicom_web("http://h/")]), 500),
    ]
    for request, status in sent:
        code, answer = await caller.post(request)
        assert code == status
        ((_, content),) = POST["responses"][str(status)]["content"].items()
        validator(content["schema"]).validate(answer)
    await caller.ended("TX-1")
    for id, status in (("TX-1", 200), ("none", 404)):
        code, answer = await caller.status(id)
        assert code == status
        ((_, content),) = GET["responses"][str(status)]["content"].items()
        validator(content["schema"]).validate(answer)
