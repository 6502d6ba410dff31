import hashlib
import json
import re

import pytest

from gateway.web import docs
from gateway.web.docs import docs_routes
from gateway.web.mount import application, mount
from gateway.web.problem import problem_answer

DOCUMENT = {"openapi": "3.1.0", "info": {"title": "An API", "version": "1"}, "paths": {}}


@pytest.fixture
async def client(aiohttp_client, tmp_path):
    paths = {}
    for name, title in (("an_api", "An API"), ("another", "Zweite Schnittstelle – Übersicht")):
        paths[name] = tmp_path / f"{name}.json"
        paths[name].write_text(json.dumps({**DOCUMENT, "info": {"title": title, "version": "1"}}))
    app = application(problem_answer)
    mount(app, docs_routes(paths), problem_answer, api="docs")
    return await aiohttp_client(app)


async def test_each_document_is_served_as_it_lies_on_disk(client):
    response = await client.get("/openapi/an_api.json")
    assert response.status == 200
    assert response.content_type == "application/json"
    assert await response.json() == DOCUMENT


async def test_there_is_no_other_document(client):
    response = await client.get("/openapi/none.json")
    assert response.status == 404


async def test_the_page_names_every_document(client):
    page = await (await client.get("/docs")).text()
    script = await (await client.get("/docs/start.js")).text()
    for name in ("an_api", "another"):
        assert f'href="/openapi/{name}.json"' in page
        assert f'"/openapi/{name}.json"' in script
    assert "Zweite Schnittstelle – Übersicht" in page


async def test_the_page_may_load_from_this_host_alone(client):
    response = await client.get("/docs")
    policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    sources = {source for value in policy.values() for source in value.split()}
    assert sources == {"'none'", "'self'", "'unsafe-inline'", "data:"}


async def test_all_that_the_page_refers_to_is_there(client):
    page = await (await client.get("/docs")).text()
    references = re.findall(r'(?:src|href)="([^"]+)"', page)
    own = [reference for reference in references if not reference.startswith("data:")]
    assert all(reference.startswith("/") for reference in own)
    types = {}
    for reference in own:
        response = await client.get(reference)
        assert response.status == 200
        types[reference] = response.content_type
    assert types["/docs/scalar.js"] == types["/docs/start.js"] == "text/javascript"
    assert types["/docs/style.css"] == "text/css"


async def test_the_bundle_arrives_whole(client):
    response = await client.get("/docs/scalar.js")
    assert hashlib.sha256(await response.read()).hexdigest() == docs.SCALAR_SHA256


async def test_what_would_call_other_hosts_is_off(client):
    script = await (await client.get("/docs/start.js")).text()
    configuration = json.loads(re.fullmatch(r'Scalar\.createApiReference\("#app", (.*)\);\n', script)[1])
    assert configuration["withDefaultFonts"] is False
    assert configuration["telemetry"] is False
    assert configuration["agent"] == {"disabled": True}
    assert "proxyUrl" not in configuration


def test_the_bundle_has_its_licences_and_names_its_version():
    version = re.search(r"scalar-([\d.]+)\.js", docs.SCALAR.name)[1]
    assert f"@scalar/api-reference {version}" in docs.SCALAR.read_text(encoding="utf-8")[:1000]
    assert "MIT License" in (docs.STATIC / "LICENSE").read_text()
    assert docs.SCALAR.name in (docs.STATIC / "LICENSE-third-party.txt").read_text(encoding="utf-8")
