import json
import re

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.apis import vhs
from gateway.apis.vhs import schema
from gateway.errors import GatewayError
from gateway.imaging.vhs.landmarks import LANDMARKS
from gateway.imaging.vhs.result import DESCRIPTIONS, REJECTED, TIERS
from tests.apis import vhs_callers
from tests.apis.event_stream import messages
from tests.apis.vhs_callers import VALID, b64, broken_png, png

DOCUMENT = json.loads(vhs.OPENAPI.read_text(encoding="utf-8"))
SCHEMAS = DOCUMENT["components"]["schemas"]
PHOTO = b64(png(1))
EVENTS = {
    "processing_started": "ProcessingStarted",
    "photo": "PhotoEvent",
    "error": "ErrorEvent",
    "summary": "SummaryEvent",
}


def validator(part):
    """Check against a schema of the document, with the document's components at hand."""
    return Draft202012Validator({**part, "components": DOCUMENT["components"]})


def operations():
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def contents():
    """Give every body of the document, with its place."""
    for path, method, operation in operations():
        if "requestBody" in operation:
            yield f"{method} {path}", operation["requestBody"]["content"]["application/json"]
        for status, answer in operation["responses"].items():
            ((_, content),) = answer["content"].items()
            yield f"{method} {path} {status}", content


EXAMPLES = [
    pytest.param(content["schema"], example["value"], id=f"{place} {name}")
    for place, content in contents()
    for name, example in content["examples"].items()
    if name != "stream"  # the schema is of one event
]


def answers(path, method, status):
    return DOCUMENT["paths"][path][method]["responses"][str(status)]["content"]["application/json"]


def texts(path, status):
    examples = answers(path, "post", status)["examples"].values()
    return {example["value"]["error"] for example in examples}


def test_document_is_valid_openapi_3_1():
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_every_schema_is_valid_and_used():
    text = json.dumps(DOCUMENT)
    for name, part in SCHEMAS.items():
        Draft202012Validator.check_schema(part)
        assert f'"#/components/schemas/{name}"' in text


def test_routes_and_paths_are_the_same():
    served = {(route.method, route.path) for route in vhs.routes(None)}
    assert served == {(method.upper(), path) for path, method, _ in operations()}


def test_the_other_base_path_has_the_same_routes():
    served = {(route.method, route.path) for route in vhs.routes(None, prefix="/vhs")}
    assert served == {(method.upper(), f"/vhs{path}") for path, method, _ in operations()}


@pytest.mark.parametrize(("part", "value"), EXAMPLES)
def test_every_example_fits_its_schema(part, value):
    validator(part).validate(value)


def test_every_answer_has_an_example():
    assert all(content["examples"] for _, content in contents())


def test_the_example_stream_fits_its_schemas():
    operation = DOCUMENT["paths"]["/v3/predict/stream"]["post"]
    content = operation["responses"]["200"]["content"]["text/event-stream"]
    found = messages(content["examples"]["stream"]["value"].encode())
    assert [message.event for message in found] == list(EVENTS)
    for message in found:
        validator(content["schema"]).validate({"event": message.event, "data": message.data})
        validator(SCHEMAS[EVENTS[message.event]]).validate(message.json)
    contents_of_data = {
        kind["properties"]["event"]["const"]: kind["properties"]["data"]["contentSchema"]["$ref"]
        for kind in SCHEMAS["Event"]["oneOf"]
    }
    assert contents_of_data == {event: f"#/components/schemas/{name}" for event, name in EVENTS.items()}


def test_names_and_limits_are_the_code_s():
    single = SCHEMAS["Single"]["properties"]
    assert SCHEMAS["Landmark"]["properties"]["class"]["enum"] == list(LANDMARKS)
    assert single["model_confidence"]["enum"] == list(TIERS)
    codes = {code: text for code, text in DESCRIPTIONS.items() if code != REJECTED}
    assert set(single["result_code"]["enum"]) == set(codes)
    assert set(single["result_description"]["enum"]) == set(codes.values())
    assert SCHEMAS["Rejection"]["properties"]["result_description"]["const"] == DESCRIPTIONS[REJECTED]
    batch = SCHEMAS["BatchRequest"]["properties"]
    assert batch["images"]["maxItems"] == schema.MAX_PHOTOS
    assert batch["uuid"]["maxLength"] == schema.MAX_UUID_CHARACTERS


BODIES = [
    ({"image": PHOTO}, True),
    ({"image": PHOTO, "images": None, "uuid": None, "unknown": 1}, True),
    ({"image": PHOTO, "uuid": "", "render": False}, True),
    ({"image": f"data:image/png;base64,\n{PHOTO}\r\n"}, True),
    ({"images": [PHOTO]}, True),
    ({"images": [PHOTO] * 10, "image": ""}, True),
    ({"images": [PHOTO], "image": None}, True),
    ({}, False),
    ({"image": ""}, False),
    ({"image": None}, False),
    ({"image": 5}, False),
    ({"image": "no base64!"}, False),
    ({"image": "QUJD==="}, False),
    ({"image": "data:text/plain;base64,QUJD"}, False),
    ({"image": PHOTO, "images": [PHOTO]}, False),
    ({"image": PHOTO, "images": []}, False),
    ({"image": PHOTO, "images": ""}, False),
    ({"images": []}, False),
    ({"images": [PHOTO] * 11}, False),
    ({"images": PHOTO}, False),
    ({"images": [PHOTO, None]}, False),
    ({"image": PHOTO, "uuid": 5}, False),
    ({"image": PHOTO, "uuid": "x" * 129}, False),
    ({"image": PHOTO, "uuid": "🐕" * 128}, True),
    ({"image": PHOTO, "render": None}, False),
    ({"image": PHOTO, "render": 1}, False),
]


@pytest.mark.parametrize(("body", "fits"), BODIES)
def test_document_and_server_agree_on_what_a_body_may_be(body, fits):
    assert validator(SCHEMAS["PredictRequest"]).is_valid(body) == fits
    try:
        schema.parse_predict(bytearray(json.dumps(body).encode()))
        understood = True
    except GatewayError as error:
        understood = False
        assert re.sub(r"images\[\d\] ", "image ", error.message) in texts("/v3/predict", 400)
    assert understood == fits


@pytest.mark.parametrize(("body", "fits"), BODIES)
def test_document_and_server_agree_on_what_a_stream_may_be_of(body, fits):
    fits = fits and "images" in body and body["images"] is not None
    assert validator(SCHEMAS["BatchRequest"]).is_valid(body) == fits
    try:
        schema.parse_predict(bytearray(json.dumps(body).encode()), only_batch=True)
        understood = True
    except GatewayError:
        understood = False
    assert understood == fits


ASSESSMENTS = [
    VALID,
    vhs_callers.NO_VLAS,
    vhs_callers.NOT_MEASURABLE,
    vhs_callers.REJECTED,
    vhs_callers.ABNORMAL,
    vhs_callers.NO_RECTIFICATION,
]


async def test_live_answers_fit_the_document(vhs_client, key, pipeline):
    async def check(path, method, **arguments):
        response = await vhs_client.request(method, path, headers={"x-api-key": key}, **arguments)
        validator(answers(path, method, response.status)["schema"]).validate(await response.json())
        return response.status

    pictures = [png(level) for level in range(len(ASSESSMENTS))]
    pipeline.assessments = dict(zip(pictures, ASSESSMENTS, strict=True))
    images = [b64(picture) for picture in pictures] + [b64(broken_png())]
    for image in images:
        for fields in ({}, {"uuid": "Rex", "render": True}):
            body = {"image": image, **fields}
            assert await check("/v3/predict", "post", json=body) in (200, 400)
    for fields in ({}, {"uuid": "Rex", "render": True}):
        assert await check("/v3/predict", "post", json={"images": images, **fields}) == 200
        assert await check("/v3/predict", "post", json={"images": images[2:], **fields}) == 200
    assert await check("/v3/predict", "post", json={}) == 400
    assert await check("/v3/predict/stream", "post", json={}) == 400
    assert await check("/v3/usage", "get") == 200
    assert await check("/v3/usage", "get", params={"period": "2026-13"}) == 400
    assert await check("/v3/health", "get") == 200
    response = await vhs_client.post(
        "/v3/predict/stream", json={"images": images}, headers={"x-api-key": key}
    )
    found = messages(await response.read())
    assert len(found) == len(images) + 2
    for message in found:
        validator(SCHEMAS[EVENTS[message.event]]).validate(message.json)
