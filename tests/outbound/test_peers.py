import json

import pytest
from pydantic import ValidationError

from gateway.errors import InvalidRequest, PeerRefused
from gateway.outbound.connection import Connection
from gateway.outbound.locations import locate
from gateway.outbound.peers import AllowList, load_peers
from tests.outbound.conftest import rule

PACS = "https://pacs.example.org:8443/dicom-web/"


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        (PACS, PACS),
        ("HTTPS://PACS.Example.ORG:8443/dicom-web", PACS),  # the slash that RFC 3986 would lose a segment for
        ("https://pacs.example.org:8443//dicom-web///", PACS),
        ("https://pacs.example.org", "https://pacs.example.org:443/"),
        ("http://[0:0::1]:8042/x/", "http://[::1]:8042/x/"),
    ],
)
def test_a_place_is_written_in_one_way(uri, url):
    assert locate(uri).url == url


@pytest.mark.parametrize(
    ("uri", "fault"),
    [
        ("https://pacs.example.org:8443@127.0.0.1/", "user information"),
        ("https://u:p@pacs.example.org:8443/dicom-web/", "user information"),
        ("https://127.0.0.1\\@pacs.example.org:8443/dicom-web/", "escape or a backslash"),
        ("https://pacs.example.org:8443/dicom-web/../admin/", "segment"),
        ("https://pacs.example.org:8443/dicom-web/%2e%2e/admin/", "escape"),
        ("https://pacs.example.org:8443/dicom-web/?x=", "query"),
        ("https://pacs.example.org:8443/dicom-web/#", "query"),
        ("https://pacs.example.org:0/dicom-web/", "port"),
        ("https://pacs.example.org:99999/dicom-web/", "port"),
        ("https://pacs.example.org:8443/dicom-web/\r\nX: y", "plain characters"),
        ("https://pacs。example.org/", "plain characters"),
        ("ftp://pacs.example.org/", "http"),
        ("file:///etc/passwd", "http"),
        ("//pacs.example.org/", "http"),
        ("", "http"),
        ("https://[::1", "plain characters"),
        (f"https://pacs.example.org/{'a' * 3000}", "2048"),
    ],
)
def test_what_hides_a_place_is_refused_without_quoting_it(uri, fault):
    with pytest.raises(PeerRefused, match=fault) as refused:
        AllowList([rule(PACS)]).find(uri, "")
    assert "example" not in refused.value.message
    assert "127" not in refused.value.message


@pytest.mark.parametrize(
    "uri",
    [
        "http://pacs.example.org:8443/dicom-web/",
        "https://pacs.example.org/dicom-web/",
        "https://pacs.example.org.evil.org:8443/dicom-web/",
        "https://pacs.example.org.:8443/dicom-web/",
        "https://pacs.example.org:8443/",
        "https://pacs.example.org:8443/dicom-web2/",
        "https://127.0.0.1:8443/dicom-web/",
        "https://2130706433:8443/dicom-web/",
        "https://0x7f.1:8443/dicom-web/",
        "https://127.1:8443/dicom-web/",
        "https://[::ffff:127.0.0.1]:8443/dicom-web/",
        "https://[::1]:8443/dicom-web/",
        "https://169.254.169.254/latest/meta-data/",
        "https://localhost:8443/dicom-web/",
    ],
)
def test_only_what_a_rule_names_is_allowed(uri):
    with pytest.raises(PeerRefused, match="none allows"):
        AllowList([rule(PACS)]).find(uri, "")


def test_nothing_is_allowed_without_rules():
    with pytest.raises(PeerRefused):
        AllowList([]).find(PACS, "")


def test_the_most_particular_rule_holds():
    rules = AllowList([rule(PACS, name="wide"), rule(f"{PACS}archive/", name="narrow")])
    assert rules.find(f"{PACS}archive/2020/", "")[0].name == "narrow"
    assert rules.find(f"{PACS}archive2/", "")[0].name == "wide"


def test_a_peer_of_some_accounts_is_not_there_for_others():
    rules = AllowList([rule(PACS, accounts=("a",))])
    assert rules.find(PACS, "a")[0].name == "pacs"
    with pytest.raises(PeerRefused):
        rules.find(PACS, "b")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"url": "http://pacs.example.org/"}, "plain_http"),
        ({"url": "https://10.0.0.9/"}, "outside networks"),
        ({"url": "https://[::ffff:10.0.0.9]/", "networks": ["10.1.0.0/16"]}, "outside networks"),
        ({"url": "https://u@pacs.example.org/"}, "user information"),
        ({"networks": []}, "at least 1"),
        ({"networks": ["10.0.0.1/8"]}, "not a valid IPv4 or IPv6 network"),
        ({"name": "a b"}, "pattern"),
        ({"client_key_file": "/key.pem"}, "client_certificate_file"),
        ({"transfer_syntaxes": ["a, b"]}, "pattern"),
        ({"verify": False}, "Extra inputs"),
    ],
)
def test_a_rule_that_cannot_hold_is_refused(changes, fault):
    with pytest.raises(ValidationError, match=fault):
        rule(**{"url": PACS, "plain_http": False, **changes})


def test_rules_are_read_from_a_file(tmp_path):
    file = tmp_path / "peers.json"
    file.write_text(json.dumps([{"name": "pacs", "url": PACS, "networks": ["10.0.0.0/8"]}]))
    assert [peer.name for peer in load_peers(file)] == ["pacs"]
    assert load_peers(None) == ()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("{", "JSON"),
        ('[{"name": "pacs", "url": "https://secret.example.org/"}]', r"0\.networks: Field required"),
        (json.dumps([{"name": "a", "url": PACS, "networks": ["10.0.0.0/8"]}] * 2), "same name"),
    ],
)
def test_a_file_with_a_fault_names_the_field_and_no_value(tmp_path, content, fault):
    file = tmp_path / "peers.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=fault) as refused:
        load_peers(file)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("credential", [None, "", " ", "a b", "a\r\nX: y", "ü", "x" * 20000])
def test_a_credential_that_no_header_holds_is_refused_without_quoting_it(credential):
    with pytest.raises(InvalidRequest) as refused:
        Connection(PACS, "Bearer", credential).headers()
    assert refused.value.field == "authID"
    assert len(refused.value.message) < 100


def test_a_credential_is_not_shown():
    connection = Connection(PACS, "Basic", "c2VjcmV0")
    assert "c2VjcmV0" not in repr(connection) + str(connection) + f"{connection}"
    assert connection.headers() == {"Authorization": "Basic c2VjcmV0"}
    assert Connection(PACS, "None", "c2VjcmV0").headers() == {}
