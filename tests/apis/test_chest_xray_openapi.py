import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.accounts.tokens import TokenVerifier
from gateway.apis import chest_xray
from gateway.apis.chest_xray import schema
from gateway.errors import GatewayError
from gateway.imaging.chest_xray import ABNORMAL, FINDINGS, NORMAL, TB_PRESUMPTIVE

SECRET = "a secret for tests that is long enough"
DOCUMENT = json.loads((Path(chest_xray.__file__).parent / "openapi.json").read_text(encoding="utf-8"))
OPERATION = DOCUMENT["paths"]["/single_inference"]["post"]
BODY = OPERATION["requestBody"]["content"]["application/json"]


def validator(part):
    """Check against a schema of the document, with the document's components at hand."""
    return Draft202012Validator({**part, "components": DOCUMENT["components"]})


def contents():
    """Give every body of the document that has a schema, with its place."""
    for path, method, operation in operations():
        if "requestBody" in operation:
            yield f"{method} {path}", operation["requestBody"]["content"]["application/json"]
        for status, answer in operation["responses"].items():
            ((_, content),) = answer["content"].items()
            yield f"{method} {path} {status}", content


def operations():
    for path, methods in DOCUMENT["paths"].items():
        for method in sorted(methods.keys() - {"parameters"}):
            yield path, method, methods[method]


EXAMPLES = [
    pytest.param(content["schema"], example["value"], id=f"{place} {name}")
    for place, content in contents()
    for name, example in content["examples"].items()
]


def schema_of(status):
    return OPERATION["responses"][str(status)]["content"]["application/json"]["schema"]


def message(status, name):
    return OPERATION["responses"][str(status)]["content"]["application/json"]["examples"][name]["value"][
        "Message"
    ]


def test_document_is_valid_openapi_3_1():
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_every_schema_is_valid_and_used():
    text = json.dumps(DOCUMENT)
    for name, part in DOCUMENT["components"]["schemas"].items():
        Draft202012Validator.check_schema(part)
        assert f'"#/components/schemas/{name}"' in text


def test_routes_and_paths_are_the_same():
    tokens = TokenVerifier([SECRET])
    routes = [*chest_xray.routes(None, tokens), *chest_xray.bulk_routes(None, tokens)]
    served = {(route.method, route.path) for route in routes}
    documented = {(method.upper(), path) for path, method, _ in operations()}
    assert served == documented


@pytest.mark.parametrize(("part", "value"), EXAMPLES)
def test_every_example_fits_its_schema(part, value):
    validator(part).validate(value)


def test_every_answer_has_an_example():
    assert all(content["examples"] for _, content in contents())
    assert set(OPERATION["responses"]) == {"200", "400", "401", "408", "413", "415", "500"}


def test_names_and_results_are_the_code_s():
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["Finding"]["properties"]["name"]["enum"] == list(FINDINGS)
    assert schemas["Prediction"]["properties"]["result"]["enum"] == [TB_PRESUMPTIVE, ABNORMAL, NORMAL]
    assert schemas["PatientId"]["maxLength"] == schema.MAX_PATIENT_ID_CHARACTERS


@pytest.mark.parametrize("name", BODY["examples"])
def test_the_server_understands_the_documented_bodies(name):
    value = BODY["examples"][name]["value"]
    asked = schema.parse_single_inference("application/json", json.dumps(value).encode())
    assert asked.input_image_path == value["input_image_path"]
    assert asked.returns_data == ("save_to_disk" in value)


BULK = DOCUMENT["paths"]["/bulk_inference"]["post"]["requestBody"]["content"]["application/json"]


@pytest.mark.parametrize("name", BULK["examples"])
def test_the_server_understands_the_documented_bulk_bodies(name):
    value = BULK["examples"][name]["value"]
    asked = schema.parse_bulk_inference("application/json", json.dumps(value).encode())
    assert (asked.manifest, asked.resume) == (value.get("manifest"), value.get("resume", False))


async def test_live_bulk_answers_fit_the_document(caller, write_films):
    def check(path, method, status, body):
        answers = DOCUMENT["paths"][path][method]["responses"]
        validator(answers[str(status)]["content"]["application/json"]["schema"]).validate(body)

    write_films(2)
    for fields in ({}, {"input_folder_path": "x"}, {"output_folder_path": "x"}, {"resume": 1}):
        status, _, body = await caller.post(**fields)
        check("/bulk_inference", "post", status, body)
    status, headers, body = await caller.post(background=True)
    check("/bulk_inference", "post", status, body)
    for method in ("get", "delete"):
        check("/bulk_inference/{id}", method, *await caller.ask(method, headers["Location"]))
    check("/bulk_inference/{id}", "get", *await caller.ask("get", "/bulk_inference/x"))
    last = await caller.until(headers["Location"], lambda data: data["finished_at"])
    validator(DOCUMENT["components"]["schemas"]["BulkStatus"]).validate(last)


IMAGE, FOLDER = "/in/film.dcm", "/out"
REFUSED = {
    "missing_input": {"output_folder_path": FOLDER},
    "missing_output": {"input_image_path": IMAGE},
    "missing_output_when_saving": {"input_image_path": IMAGE, "save_to_disk": True},
    "save_to_disk": {"input_image_path": IMAGE, "output_folder_path": FOLDER, "save_to_disk": "yes"},
    "patient_id": {"input_image_path": IMAGE, "output_folder_path": FOLDER, "patient_id": " "},
}


@pytest.mark.parametrize(("name", "body"), REFUSED.items())
def test_what_the_server_refuses_does_not_fit_and_the_message_is_documented(name, body):
    assert not validator(BODY["schema"]).is_valid(body)
    with pytest.raises(GatewayError) as refused:
        schema.parse_single_inference("application/json", json.dumps(body).encode())
    assert refused.value.message == message(400, name)


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({}, True),
        ({"unknown": 1}, True),
        ({"save_to_disk": True}, True),
        ({"save_to_disk": False, "output_folder_path": 5}, True),
        ({"save_to_disk": None}, False),
        ({"save_to_disk": 1}, False),
        ({"input_image_path": None}, False),
        ({"input_image_path": " \t"}, False),
        ({"input_image_path": 5}, False),
        ({"output_folder_path": ""}, False),
        ({"output_folder_path": ["/out"]}, False),
        ({"patient_id": None}, True),
        ({"patient_id": "Müller 7/ü"}, True),
        ({"patient_id": "x" * 64}, True),
        ({"patient_id": "x" * 65}, False),
        ({"patient_id": ""}, False),
        ({"patient_id": "a\nb"}, False),
        ({"patient_id": "a\u00a0b"}, False),
        ({"patient_id": "\u3000"}, False),
        ({"patient_id": 7}, False),
    ],
)
def test_document_and_server_agree_on_what_a_body_may_be(changes, fits):
    body = {"input_image_path": IMAGE, "output_folder_path": FOLDER, **changes}
    assert validator(BODY["schema"]).is_valid(body) == fits
    try:
        schema.parse_single_inference("application/json", json.dumps(body).encode())
        understood = True
    except GatewayError:
        understood = False
    assert understood == fits


async def test_live_answers_fit_the_document(client, token):
    async def post(**arguments):
        response = await client.post("/single_inference", **arguments)
        value = await response.json()
        validator(schema_of(response.status)).validate(value)
        return response.status, value["Message"]

    headers = {"Authorization": token}
    assert await post(json={}) == (401, message(401, "missing"))
    assert await post(json={}, headers={"Authorization": "x"}) == (401, message(401, "invalid"))
    assert await post(data=b"{", headers=headers) == (415, message(415, "not_json"))
    assert await post(data=b" " * 65537, headers=headers) == (413, message(413, "long"))
    assert await post(json={}, headers=headers) == (400, message(400, "missing_input"))
    missing = BODY["examples"]["first_generation"]["value"]
    assert await post(json=missing, headers=headers) == (400, message(400, "no_such_file"))
    pong = await client.get("/ping")
    assert await pong.json() == {"status": "ok"}
