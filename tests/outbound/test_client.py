import asyncio
import gzip
import logging
import ssl
import time

import pytest
import trustme
from aiohttp import web

from gateway.errors import PeerFailed, PeerRefused, PeerUnavailable
from gateway.outbound.client import Ask, Outbound
from gateway.outbound.connection import Connection
from tests.outbound.conftest import rule
from tests.peers import faults
from tests.peers.names import Resolver
from tools.at_hand import free_ports

QUERY = "?00100020=PAT-SECRET"
SECRET = "c2VjcmV0LWNyZWRlbnRpYWw"


async def get(outbound, uri, *, path="x", **options):
    async with outbound.open(
        Connection(uri, "Bearer", SECRET), Ask("test", "GET", path, **options)
    ) as answer:
        return await answer.document(1000)


def outbound_to(uri, *, resolver=None, **changes):
    return Outbound([rule(uri, **changes)], resolver=resolver)


async def test_an_allowed_peer_is_asked_with_the_credential(fault_peer, make_outbound):
    fault_peer.answers(faults.text("yes", "text/plain"))
    assert (
        await get(make_outbound(rule(fault_peer.uri)), fault_peer.uri.rstrip("/"), path="a%20b?c=%26")
        == b"yes"
    )
    asked = fault_peer.asked[0]
    assert asked.target == "/dicom-web/a%20b?c=%26"
    assert asked.headers["Authorization"] == f"Bearer {SECRET}"
    assert asked.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "169.254.169.254"])
async def test_a_name_that_leads_inside_is_refused_at_the_socket(fault_peer, address):
    fault_peer.answers(faults.status(200))
    uri = fault_peer.uri.replace("127.0.0.1", "pacs.example.org")
    outbound = outbound_to(uri, networks=["10.0.0.0/8", "0.0.0.0/0", "::/0"], resolver=Resolver([address]))
    async with outbound:
        with pytest.raises(PeerRefused, match="rule pacs") as refused:
            await get(outbound, uri)
    assert address not in refused.value.message
    assert not fault_peer.asked


async def test_a_literal_address_passes_the_same_check(fault_peer, monkeypatch):
    # aiohttp asks no resolver for a literal; the rule itself is refused with one outside its networks,
    # so that check is taken away here.
    monkeypatch.setattr("gateway.outbound.peers.Peer._literal_is_open", lambda _: True)
    fault_peer.answers(faults.status(200))
    for host in ("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"):
        uri = fault_peer.uri.replace("127.0.0.1", host)
        async with outbound_to(uri, networks=["10.0.0.0/8"]) as outbound:
            with pytest.raises(PeerRefused):
                await get(outbound, uri)
    assert not fault_peer.asked


async def test_a_name_that_is_led_elsewhere_later_is_refused_later(fault_peer):
    fault_peer.answers(faults.status(200, Connection="close"))
    uri = fault_peer.uri.replace("127.0.0.1", "pacs.example.org")
    resolver = Resolver(["127.0.0.1"], ["127.0.0.2"])
    outbound = outbound_to(uri, networks=["127.0.0.1/32"], resolver=resolver)
    async with outbound:
        await get(outbound, uri)
        with pytest.raises(PeerRefused):
            for _ in range(50):
                outbound._session(outbound.peer(Connection(uri))).connector.clear_dns_cache()
                await get(outbound, uri)
    assert resolver.asked == 2
    assert len(fault_peer.asked) == 1


async def test_an_allowed_address_among_others_is_taken(fault_peer):
    fault_peer.answers(faults.text("yes", "text/plain"))
    uri = fault_peer.uri.replace("127.0.0.1", "pacs.example.org")
    outbound = outbound_to(
        uri, networks=["127.0.0.1/32"], resolver=Resolver(["127.0.0.2", "::1", "127.0.0.1"])
    )
    async with outbound:
        assert await get(outbound, uri) == b"yes"


async def test_a_redirect_is_not_followed(fault_peer, make_outbound):
    fault_peer.answers(faults.status(302, Location="/dicom-web/elsewhere"), faults.text("no", "text/plain"))
    with pytest.raises(PeerFailed, match="redirects are not followed") as failed:
        await get(make_outbound(rule(fault_peer.uri)), fault_peer.uri)
    assert failed.value.answered == 302
    assert len(fault_peer.asked) == 1


async def test_the_environment_names_no_proxy(fault_peer, make_outbound, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_ports(1)[0]}")
    fault_peer.answers(faults.text("yes", "text/plain"))
    assert await get(make_outbound(rule(fault_peer.uri)), fault_peer.uri) == b"yes"


async def test_no_cookie_is_kept_for_the_next_caller(fault_peer):
    fault_peer.answers(faults.status(200, Set_Cookie="session=first"), faults.status(200))
    uri = fault_peer.uri.replace("127.0.0.1", "pacs.example.org")  # aiohttp keeps none of an address
    async with outbound_to(uri, resolver=Resolver(["127.0.0.1"])) as outbound:
        await get(outbound, uri)
        await get(outbound, uri)
    assert "Cookie" not in fault_peer.asked[1].headers


async def test_an_answer_compressed_unasked_is_not_expanded(fault_peer, make_outbound):
    fault_peer.answers(faults.text(gzip.compress(bytes(10**7)), "text/plain", Content_Encoding="gzip"))
    with pytest.raises(PeerFailed, match="compressed"):
        await get(make_outbound(rule(fault_peer.uri)), fault_peer.uri)


async def test_an_endless_document_is_cut(fault_peer, make_outbound):
    fault_peer.answers(faults.endless(bytes(10_000), "text/plain"))
    with pytest.raises(PeerFailed, match="more than 1000 bytes"):
        await get(make_outbound(rule(fault_peer.uri)), fault_peer.uri)


@pytest.mark.parametrize("reply", [faults.slow(0.05, b"x", "text/plain"), faults.slow(0.05)])
async def test_a_slow_peer_is_left_at_the_deadline(fault_peer, make_outbound, reply):
    fault_peer.answers(reply)
    began = time.monotonic()
    with pytest.raises(PeerFailed, match="in time"):
        await get(make_outbound(rule(fault_peer.uri)), fault_peer.uri, seconds=0.4)
    assert time.monotonic() - began < 5


async def test_a_silent_peer_is_left_sooner(fault_peer, make_outbound):
    fault_peer.answers(faults.slow(30))
    with pytest.raises(PeerUnavailable, match="broke off"):
        await get(make_outbound(rule(fault_peer.uri), idle_seconds=0.2), fault_peer.uri)


async def test_one_peer_that_hangs_stands_in_nobody_elses_way(fault_peer, make_outbound, aiohttp_server):
    fault_peer.answers(faults.slow(30))
    other = faults.FaultPeer()
    other.answers(faults.text("yes", "text/plain"))
    server = await aiohttp_server(other.application())
    uri = f"http://127.0.0.1:{server.port}/"
    outbound = make_outbound(rule(fault_peer.uri, connections=1), rule(uri, name="other", connections=1))
    hanging = [asyncio.create_task(get(outbound, fault_peer.uri)) for _ in range(3)]
    assert await asyncio.wait_for(get(outbound, uri), 5) == b"yes"
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
async def test_some_statuses_may_pass(fault_peer, make_outbound, slept, code):
    fault_peer.answers(faults.status(code), faults.status(code), faults.text("yes", "text/plain"))
    outbound = make_outbound(rule(fault_peer.uri))
    assert await outbound.retried("test", lambda: get(outbound, fault_peer.uri)) == b"yes"
    assert slept == [0.25, 0.5]


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 409, 410, 415, 501, 204, 301])
async def test_others_do_not(fault_peer, make_outbound, slept, code):
    fault_peer.answers(faults.status(code), faults.text("yes", "text/plain"))
    outbound = make_outbound(rule(fault_peer.uri))
    with pytest.raises(PeerFailed) as failed:
        await outbound.retried("test", lambda: get(outbound, fault_peer.uri))
    assert failed.value.answered == code
    assert (len(fault_peer.asked), slept) == (1, [])


async def test_four_attempts_are_made(fault_peer, make_outbound, slept):
    fault_peer.answers(faults.status(503))
    outbound = make_outbound(rule(fault_peer.uri))
    with pytest.raises(PeerUnavailable, match="answered 503"):
        await outbound.retried("test", lambda: get(outbound, fault_peer.uri))
    assert (len(fault_peer.asked), slept) == (4, [0.25, 0.5, 1.0])


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), ("0", 0.25), ("86400", 30.0), ("Fri, 31 Dec 1999 23:59:59 GMT", 0.25)]
)
async def test_a_peer_may_ask_for_a_longer_pause(fault_peer, make_outbound, slept, value, seconds):
    fault_peer.answers(faults.status(503, Retry_After=value), faults.text("yes", "text/plain"))
    outbound = make_outbound(rule(fault_peer.uri))
    await outbound.retried("test", lambda: get(outbound, fault_peer.uri))
    assert slept == [seconds]


async def test_nobody_there_is_tried_again(make_outbound, slept):
    uri = f"http://127.0.0.1:{free_ports(1)[0]}/"
    outbound = make_outbound(rule(uri))
    with pytest.raises(PeerUnavailable, match="not reached") as unavailable:
        await outbound.retried("test", lambda: get(outbound, uri))
    assert len(slept) == 3
    assert "127.0.0.1" not in unavailable.value.message


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture
def ca_file(authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
async def tls_server(authority, aiohttp_server):
    async def start(*, wants_certificate=False):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
        if wants_certificate:
            context.verify_mode = ssl.CERT_REQUIRED
            authority.configure_trust(context)
        app = web.Application()
        app.router.add_get("/x", _yes)
        server = await aiohttp_server(app, ssl=context)
        return f"https://127.0.0.1:{server.port}/"

    return start


async def _yes(_):
    return web.Response(text="yes")


async def test_a_certificate_of_the_rules_authority_is_trusted(tls_server, ca_file):
    uri = await tls_server()
    async with outbound_to(uri, ca_file=ca_file) as outbound:
        assert await get(outbound, uri) == b"yes"


@pytest.mark.filterwarnings("default::ResourceWarning")
async def test_any_other_certificate_is_not(tls_server):
    uri = await tls_server()
    async with outbound_to(uri) as outbound:
        with pytest.raises(PeerFailed, match="not trusted"):
            await get(outbound, uri)


async def test_a_certificate_for_another_name_is_not(tls_server, ca_file):
    uri = (await tls_server()).replace("127.0.0.1", "pacs.example.org")
    async with outbound_to(uri, ca_file=ca_file, resolver=Resolver(["127.0.0.1"])) as outbound:
        with pytest.raises(PeerFailed, match="not trusted"):
            await get(outbound, uri)


async def test_a_peer_that_wants_a_certificate_is_shown_ours(tls_server, ca_file, authority, tmp_path):
    ours = authority.issue_cert("radgate.example.org")
    ours.private_key_and_cert_chain_pem.write_to_path(tmp_path / "ours.pem")
    uri = await tls_server(wants_certificate=True)
    shown = outbound_to(uri, ca_file=ca_file, client_certificate_file=tmp_path / "ours.pem")
    async with shown as outbound:
        assert await get(outbound, uri) == b"yes"
    async with outbound_to(uri, ca_file=ca_file) as outbound:
        with pytest.raises((PeerUnavailable, PeerFailed)):
            await get(outbound, uri)


async def test_nothing_secret_is_logged_or_raised(fault_peer, make_outbound, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(logging.getLogger("aiohttp.access"), "disabled", True)  # the test peer's own
    outbound = make_outbound(rule(fault_peer.uri))
    garbage = faults.text(b"x", "text/plain", X_Echo=SECRET)
    nobody = f"http://127.0.0.1:{free_ports(1)[0]}/"
    other = make_outbound(rule(nobody))
    for client, uri, reply in (
        (outbound, fault_peer.uri, garbage),
        (outbound, fault_peer.uri, faults.status(503)),
        (outbound, fault_peer.uri, faults.status(401)),
        (outbound, fault_peer.uri, faults.broken_off(b"x")),
        (other, nobody, garbage),
    ):
        fault_peer.answers(reply)
        try:
            await client.retried("test", lambda c=client, u=uri: get(c, u, path=QUERY))
        except (PeerUnavailable, PeerFailed) as error:
            logging.getLogger("tests").exception("as a job would log it: %r", error)
    assert "as a job would log it" in caplog.text
    for secret in (SECRET, "PAT-SECRET", "127.0.0.1", "aiohttp.client_exceptions"):
        assert secret not in caplog.text


async def test_a_peer_that_speaks_no_http_fails(make_outbound):
    async def speak(reader, writer):
        await reader.read(100)
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n" * 3)
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1")
    uri = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server:
        with pytest.raises(PeerFailed, match="HTTP"):
            await get(make_outbound(rule(uri)), uri)
