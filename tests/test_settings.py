"""Which settings are taken, and which keep an instance from starting."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.accounts.secrets import SecretRefused
from gateway.apis.chest_xray import token_verifier
from gateway.settings import Settings, is_loopback

pytestmark = pytest.mark.usefixtures("no_environment")
SECRET = "x" * 32


def faults(error) -> list[str]:
    return [fault["msg"] for fault in error.value.errors()]


def test_serves_this_machine_only_unless_told_otherwise():
    settings = Settings()
    assert (settings.host, settings.admin_host) == ("127.0.0.1", "127.0.0.1")
    assert (settings.port, settings.chest_xray_port, settings.admin_port) == (8080, 8500, 9090)


def test_reads_the_environment(monkeypatch):
    monkeypatch.setenv("RADGATE_PORT", "8181")
    monkeypatch.setenv("RADGATE_CHEST_XRAY_GATE", "off")
    settings = Settings()
    assert (settings.port, settings.chest_xray_gate) == (8181, False)


def test_reads_a_file_and_lets_the_environment_win(monkeypatch):
    Path(".env").write_text("RADGATE_PORT=8181\nRADGATE_SITE=Here\nOTHER=1\n")
    monkeypatch.setenv("RADGATE_PORT", "8282")
    settings = Settings()
    assert (settings.port, settings.site) == (8282, "Here")


def test_cannot_be_changed_afterwards():
    with pytest.raises(ValidationError):
        Settings().port = 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("CHEST_XRAY_IN_FLIGHT", "0"),
        ("CHEST_XRAY_TIMEOUT_SECONDS", "0"),
        ("REPORT_WORKERS", "0"),
        ("SHUTDOWN_TIMEOUT_SECONDS", "-1"),
        ("LOG_LEVEL", "LOUD"),
        ("SITE", "x" * 201),
    ],
)
def test_refuses_values_that_make_no_sense(monkeypatch, name, value):
    monkeypatch.setenv(f"RADGATE_{name}", value)
    with pytest.raises(ValidationError):
        Settings()


# Roots


def test_splits_roots_at_colons(monkeypatch, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("RADGATE_INPUT_ROOTS", f"{tmp_path}/a:{tmp_path}/b:")
    assert Settings().input_roots == (tmp_path / "a", tmp_path / "b")


def test_takes_an_empty_variable_for_no_roots(monkeypatch):
    monkeypatch.setenv("RADGATE_INPUT_ROOTS", "")
    assert Settings().input_roots == ()


@pytest.mark.parametrize("root", ["relative", "/absent/folder", "~", "file"])
def test_refuses_a_root_that_is_no_folder(monkeypatch, tmp_path, root):
    (tmp_path / "file").touch()
    root = str(tmp_path / "file") if root == "file" else root
    monkeypatch.setenv("RADGATE_OUTPUT_ROOTS", root)
    with pytest.raises(ValidationError) as error:
        Settings()
    assert faults(error) == [f"Value error, {root} must be the absolute path of a folder that exists"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "radgate.example", ""])
def test_does_not_serve_a_network_without_roots(monkeypatch, tmp_path, host):
    monkeypatch.setenv("RADGATE_HOST", host)
    for given in ({}, {"INPUT_ROOTS": tmp_path}, {"INPUT_ROOTS": "", "OUTPUT_ROOTS": tmp_path}):
        for name, value in given.items():
            monkeypatch.setenv(f"RADGATE_{name}", str(value))
        with pytest.raises(ValidationError) as error:
            Settings()
        (message,) = faults(error)
        assert "reachable from other machines" in message
        assert "RADGATE_INPUT_ROOTS and RADGATE_OUTPUT_ROOTS" in message


def test_serves_a_network_with_roots(monkeypatch, tmp_path):
    monkeypatch.setenv("RADGATE_HOST", "0.0.0.0")
    monkeypatch.setenv("RADGATE_INPUT_ROOTS", str(tmp_path))
    monkeypatch.setenv("RADGATE_OUTPUT_ROOTS", str(tmp_path))
    monkeypatch.setenv("RADGATE_ACR_AUTH", "jwt")
    monkeypatch.setenv("RADGATE_MAISI_AUTH", "jwt")
    assert Settings().host == "0.0.0.0"
    monkeypatch.delenv("RADGATE_MAISI_AUTH")
    monkeypatch.setenv("RADGATE_MAISI", "0")
    assert Settings().host == "0.0.0.0"


@pytest.mark.parametrize("auth", ["", "jwt", "key", "open"])
@pytest.mark.parametrize(("api", "other"), [("ACR", "MAISI"), ("MAISI", "ACR")])
def test_serves_a_network_only_where_it_is_said_who_may_ask(monkeypatch, tmp_path, auth, api, other):
    for name, value in {
        "HOST": "0.0.0.0", "INPUT_ROOTS": tmp_path, "OUTPUT_ROOTS": tmp_path,
        f"{api}_AUTH": auth, f"{other}_AUTH": "jwt",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"RADGATE_{name}", str(value))
    if auth:
        assert getattr(Settings(), f"{api.lower()}_auth") == auth
        return
    with pytest.raises(ValidationError) as error:
        Settings()
    (message,) = faults(error)
    assert f"RADGATE_{api}_AUTH to jwt or key" in message


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),  # all of 127/8
        ("::1", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("example.org", False),  # may be anything
    ],
)
def test_knows_what_only_this_machine_reaches(host, expected):
    assert is_loopback(host) == expected


# Secrets


@pytest.mark.parametrize("secret", ["x" * 31, "short", " " * 40 + "x"])
def test_refuses_a_short_secret(monkeypatch, secret):
    monkeypatch.setenv("RADGATE_JWT_SECRET", secret)
    with pytest.raises(SecretRefused, match="shorter than 32 bytes"):
        token_verifier(Settings())


def test_refuses_a_short_previous_secret(monkeypatch):
    monkeypatch.setenv("RADGATE_JWT_SECRET", SECRET)
    monkeypatch.setenv("RADGATE_JWT_PREVIOUS_SECRET", "short")
    with pytest.raises(SecretRefused, match="shorter than 32 bytes"):
        token_verifier(Settings())


def test_counts_bytes_and_not_characters(monkeypatch):
    monkeypatch.setenv("RADGATE_JWT_SECRET", "é" * 16)
    token_verifier(Settings())


def test_makes_a_secret_of_its_own(tmp_path):
    settings = Settings(data_dir=tmp_path / "data")
    token_verifier(settings)
    assert settings.secret_file == tmp_path / "data" / "secrets" / "jwt_secret"
    assert settings.secret_file.stat().st_mode & 0o777 == 0o600


def test_takes_the_secret_out_of_a_file(monkeypatch, tmp_path, token_with):
    (tmp_path / "secret").write_text(SECRET + "\n")
    (tmp_path / "secret").chmod(0o600)
    monkeypatch.setenv("RADGATE_JWT_SECRET_FILE", str(tmp_path / "secret"))
    assert token_verifier(Settings()).verify(token_with(secret=SECRET)).subject == "tests"


def test_takes_tokens_of_the_previous_secret_too(monkeypatch, token_with):
    monkeypatch.setenv("RADGATE_JWT_SECRET", SECRET)
    monkeypatch.setenv("RADGATE_JWT_PREVIOUS_SECRET", "y" * 32)
    verifier = token_verifier(Settings())
    for secret in (SECRET, "y" * 32):
        assert verifier.verify(token_with(secret=secret)).subject == "tests"


def test_shows_a_secret_to_nobody(monkeypatch):
    monkeypatch.setenv("RADGATE_JWT_SECRET", SECRET)
    assert "xxx" not in repr(Settings())
    monkeypatch.setenv("RADGATE_HOST", "0.0.0.0")
    with pytest.raises(ValidationError) as error:
        Settings()
    assert "xxx" not in str(error.value)


# Clusters


@pytest.mark.parametrize(
    "url", ["", "triton:8001", "10.0.0.1:8001,10.0.0.2:8001", "[::1]:8001", "dns:///triton.radgate.svc:8001"]
)
def test_takes_one_triton_or_several(monkeypatch, url):
    monkeypatch.setenv("RADGATE_TRITON_URL", url)
    assert Settings().triton_url == url


@pytest.mark.parametrize("url", ["triton", "http://triton:8000", "a:1,b", "dns://triton:8001", "a:1, b:2"])
def test_refuses_what_leads_to_no_triton(monkeypatch, url):
    monkeypatch.setenv("RADGATE_TRITON_URL", url)
    with pytest.raises(ValidationError, match="must be host:port"):
        Settings()


def test_reads_the_database_url_from_a_file(monkeypatch, tmp_path):
    (tmp_path / "url").write_text("postgresql://u:p@db/radgate\n")
    monkeypatch.setenv("RADGATE_DATABASE_URL_FILE", str(tmp_path / "url"))
    assert Settings().database == "postgresql://u:p@db/radgate"


def test_names_a_database_url_file_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("RADGATE_DATABASE_URL_FILE", str(tmp_path / "url"))
    with pytest.raises(ValidationError, match=r"RADGATE_DATABASE_URL_FILE: .*url cannot be read"):
        Settings()


@pytest.mark.parametrize("role", ["gateway", "worker"])
def test_roles_need_a_database_to_meet_in(monkeypatch, role):
    monkeypatch.setenv("RADGATE_ROLE", role)
    with pytest.raises(ValidationError, match="needs a PostgreSQL"):
        Settings()
    monkeypatch.setenv("RADGATE_DATABASE_URL", "postgresql://u:p@db/radgate")
    assert Settings().role == role
