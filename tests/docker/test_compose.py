"""The Dockerfiles and compose.yaml, as far as they can be looked at without an engine."""

import json
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

import gateway.metrics  # noqa: F401  registers what is looked for
from gateway.outbound.peers import load_peers
from gateway.settings import ROOT, Settings
from gateway.triton.installation import Installation, TritonNotInstalled, environment
from tests.docker.conftest import DOCKER

DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
NEWER_FLAGS = {"--grpc-infer-thread-count", "--grpc-max-response-pool-size"}
"""Of Triton 25.04 and later, which the wheel's server does not know."""


@pytest.fixture(scope="module")
def compose():
    found = shutil.which("docker-compose", path=str(Path(sys.executable).parent)) or shutil.which(
        "docker-compose"
    )
    if found is None:
        pytest.skip("docker compose is not to be had on this machine")

    def config(profile):
        done = subprocess.run(
            [found, "-f", DOCKER / "compose.yaml", "--profile", profile, "config", "--format", "json"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "warn" not in done.stderr.lower(), done.stderr
        return json.loads(done.stdout)

    return config


@pytest.fixture(scope="module", params=["cpu", "gpu"])
def services(compose, request):
    return compose(request.param)["services"]


def test_each_profile_has_its_triton(compose):
    common = {"gateway", "worker", "postgres", "prometheus", "grafana", "orthanc"}
    assert set(compose("cpu")["services"]) == common | {"triton-cpu"}
    assert set(compose("gpu")["services"]) == common | {"triton-gpu", "engines"}


def test_every_variable_is_a_setting(services):
    for service in services.values():
        ours = {n[8:].lower() for n in service.get("environment", {}) if n.startswith("RADGATE_")}
        assert ours <= set(Settings.model_fields)


def test_every_part_is_shut_in(services):
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory"} <= set(limits), name


def test_secrets_are_files_and_nowhere_else(services):
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"SECRET|PASSWORD|DATABASE_URL", name):
                assert name.endswith("_FILE") and value.startswith("/run/secrets/"), name
                assert value.rsplit("/", 1)[1] in {each["source"] for each in service["secrets"]}


def test_every_file_that_is_mounted_is_there(compose):
    config = compose("cpu")
    for each in config["configs"].values():
        assert Path(each["file"]).is_file()
    binds = [m for s in config["services"].values() for m in s.get("volumes", ()) if m["type"] == "bind"]
    assert binds and all(Path(each["source"]).exists() for each in binds)


def test_the_sample_peer_is_one(compose):
    (peer,) = load_peers(DOCKER / "peers.json")
    assert [str(each) for each in peer.networks] == [
        compose("cpu")["networks"]["inside"]["ipam"]["config"][0]["subnet"]
    ]


def test_make_secrets_makes_what_compose_asks_for(compose, tmp_path):
    shutil.copy(DOCKER / "make-secrets.sh", tmp_path)
    for _ in range(2):
        subprocess.run([tmp_path / "make-secrets.sh"], check=True)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert set(made) == set(compose("cpu")["secrets"])
    assert all(len(value) >= 32 for value in made.values())
    assert made["database_url"] == f"postgresql://radgate:{made['postgres_password']}@postgres:5432/radgate"
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
class TestDockerfile:
    def test_hadolint_finds_nothing(self, path):
        found = shutil.which("hadolint")
        if found is None:
            pytest.skip("hadolint is not on this machine")
        done = subprocess.run([found, path], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "")

    def test_every_file_that_is_copied_is_there_and_sent(self, path):
        sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
        for line in path.read_text().splitlines():
            words = line.split()
            if words[:1] == ["COPY"] and not words[1].startswith("--"):
                for name in words[1:-1]:
                    assert (ROOT / name).exists(), name
                    assert name in sent, name

    def test_ends_as_a_user_without_rights(self, path):
        users = re.findall(r"^USER (\S+)$", path.read_text(), re.MULTILINE)
        assert users and users[-1].split(":")[0] not in ("0", "root")

    def test_takes_bases_by_release(self, path):
        for base in re.findall(r"^FROM (\S+)", path.read_text(), re.MULTILINE):
            assert re.fullmatch(r"\S+:\d[\w.-]*", base), base


def test_the_gateway_image_has_all_but_triton():
    pytest.importorskip("tomllib")
    command = [sys.executable, DOCKER / "requirements.py", ROOT / "pyproject.toml", "train"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert any(line.startswith("aiohttp") for line in listed)
    assert any(line.startswith("torch") for line in listed)
    assert not any("pytriton" in line for line in listed)


def test_triton_knows_its_flags():
    try:
        installation = Installation.find()
    except TritonNotInstalled as error:
        pytest.skip(str(error))
    text = (DOCKER / "triton-entrypoint.sh").read_text()
    asked = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+(?==)", text[text.index("exec tritonserver") :]))
    done = subprocess.run(
        [installation.server, "--help"],
        env=environment(installation),
        capture_output=True,
        text=True,
        check=False,
    )
    known = set(re.findall(r"--[a-z][a-z-]+", done.stdout + done.stderr))
    assert len(asked) > 10
    assert asked - known <= NEWER_FLAGS


def test_panels_and_alerts_ask_for_what_is_counted():
    exported = {
        f"{m.name}{s}" for m in REGISTRY.collect() for s in ("", "_total", "_bucket", "_count", "_sum")
    }
    files = [*DOCKER.glob("grafana/dashboards/*.json"), DOCKER / "prometheus" / "alerts.yml"]
    files += DOCKER.glob("helm/radgate/templates/keda.yaml")
    asked = {name for path in files for name in re.findall(r"\bradgate_[a-z_]+", path.read_text())}
    assert len(asked) > 10
    assert asked <= exported


@pytest.mark.parametrize("path", sorted(DOCKER.glob("*.sh")), ids=lambda path: path.name)
def test_scripts_parse(path):
    subprocess.run(["sh", "-n", path], check=True)
