"""What the admin port and /ping say."""

import pytest

from gateway.web.health import admin_application


@pytest.fixture
def admin(aiohttp_client):
    async def serve(pipelines):
        return await aiohttp_client(admin_application(lambda: pipelines))

    return serve


async def test_ping_needs_no_token_and_no_envelope(client, main_client):
    for each in (client, main_client):
        response = await each.get("/ping")
        assert (response.status, await response.read()) == (200, b'{"status": "ok"}')
        assert response.content_type == "application/json"


async def test_ping_does_not_wait_for_triton(client, triton):
    triton.answers.clear()
    assert (await client.get("/ping")).status == 200
    assert not triton.calls


@pytest.mark.parametrize(
    ("pipelines", "status"),
    [
        ({"chest_xray": True}, 200),
        ({"chest_xray": True, "other": True}, 200),
        ({"chest_xray": False}, 503),
        ({"chest_xray": True, "other": False}, 503),  # one is enough
        ({}, 503),  # nothing to serve is not ready either
    ],
)
async def test_is_ready_when_every_canary_came_back(admin, pipelines, status):
    response = await (await admin(pipelines)).get("/ready")
    assert response.status == status
    assert (await response.json())["pipelines"] == pipelines


async def test_is_alive_whatever_triton_does(admin):
    response = await (await admin({"chest_xray": False})).get("/live")
    assert (response.status, await response.json()) == (200, {"status": "live"})


async def test_names_no_versions(admin):
    for path in ("/live", "/ready", "/metrics", "/absent"):
        assert "Server" not in (await (await admin({})).get(path)).headers


async def test_counts_requests_by_route_and_never_by_path(admin, client):
    await client.get("/ping")
    await client.get("/Doe/John.dcm")
    text = await (await (await admin({})).get("/metrics")).text()
    assert 'route="/ping",status="200"' in text
    assert 'route="none",status="404"' in text
    assert "Doe" not in text


async def test_any_method_at_all_makes_no_label_of_its_own(admin, client):
    for method in ("BREW", "PAT001", "GET"):
        await client.request(method, "/absent")
    text = await (await (await admin({})).get("/metrics")).text()
    assert "PAT001" not in text


async def test_the_public_ports_have_no_metrics(client, main_client):
    for each in (client, main_client):
        for path in ("/metrics", "/live", "/ready"):
            assert (await each.get(path)).status == 404
