"""`radgate doctor`: what it looks at, and what it makes of it."""

import http.server
import json
import socket
import threading

import pytest
from typer.testing import CliRunner

from gateway.triton.installation import Installation, TritonNotInstalled
from gateway.triton.networks.engine import Manifest
from tests.onnx_graphs import toy_repository
from tools import doctor as doctor_module
from tools.__main__ import app
from tools.at_hand import free_ports
from tools.models import health

NAMES = (
    "PORT", "CHEST_XRAY_PORT", "ACR_PORT", "MAISI_PORT", "ADMIN_PORT", "TRITON_GRPC_PORT",
    "TRITON_METRICS_PORT",
)  # fmt: skip


@pytest.fixture
def ports(monkeypatch, no_environment):
    """Set free ports, of a machine that has what is needed and runs nothing."""
    found = dict(zip(NAMES, free_ports(len(NAMES)), strict=True))
    for name, port in found.items():
        monkeypatch.setenv(f"RADGATE_{name}", str(port))
    monkeypatch.setenv("RADGATE_TRITON_URL", "127.0.0.1:9")
    monkeypatch.setattr(doctor_module, "problems", list)
    return found


@pytest.fixture
def doctor(ports):
    """Run it; gives the exit code and the checks by name."""

    def run():
        result = CliRunner().invoke(app, ["doctor", "--json"])
        checks = json.loads(result.stdout)
        assert all(list(check) == ["name", "ok", "detail"] for check in checks)
        return result.exit_code, {check["name"]: (check["ok"], check["detail"]) for check in checks}

    return run


def test_a_machine_where_all_is_well(doctor):
    code, checks = doctor()
    assert code == 0
    assert all(ok for ok, _ in checks.values())
    assert checks["instance"] == (True, "not running")
    assert checks["ports"] == (True, "all free")
    assert "chest_xray" in checks["models"][1]


def test_text_has_a_line_for_each_check(doctor):
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines() if line.startswith(("ok", "fail"))] == [
        "ok"
    ] * len(doctor()[1])


@pytest.mark.parametrize("name", ["PORT", "CHEST_XRAY_PORT", "ACR_PORT", "MAISI_PORT", "ADMIN_PORT"])
def test_names_the_port_that_is_taken(doctor, ports, name):
    with socket.socket() as other:
        other.bind(("127.0.0.1", ports[name]))
        code, checks = doctor()
    assert code == 1
    assert checks["ports"] == (False, f"taken by another program: {ports[name]} (RADGATE_{name})")


def test_an_external_tritons_ports_may_be_taken(doctor, ports):
    with socket.socket() as triton:
        triton.bind(("127.0.0.1", ports["TRITON_GRPC_PORT"]))
        triton.listen()
        assert doctor()[0] == 0


def test_an_embedded_tritons_ports_may_not(doctor, ports, monkeypatch):
    monkeypatch.delenv("RADGATE_TRITON_URL")
    with socket.socket() as other:
        other.bind(("127.0.0.1", ports["TRITON_GRPC_PORT"]))
        other.listen()
        _, checks = doctor()
    assert not checks["ports"][0]
    assert "RADGATE_TRITON_GRPC_PORT" in checks["ports"][1]


def test_takes_free_ports_of_any_address_for_free(doctor, monkeypatch, tmp_path):
    for name in ("INPUT_ROOTS", "OUTPUT_ROOTS"):
        monkeypatch.setenv(f"RADGATE_{name}", str(tmp_path))
    monkeypatch.setenv("RADGATE_ACR_AUTH", "jwt")
    monkeypatch.setenv("RADGATE_MAISI_AUTH", "jwt")
    for host in ("::1", "localhost", "0.0.0.0"):
        monkeypatch.setenv("RADGATE_HOST", host)
        assert doctor()[1]["ports"] == (True, "all free")


def test_passes_on_what_the_machine_lacks(doctor, monkeypatch):
    monkeypatch.setattr(doctor_module, "problems", lambda: ["[no] disk", "no library"])
    code, checks = doctor()
    assert (code, checks["machine"]) == (1, (False, "[no] disk; no library"))
    assert "[no] disk" in CliRunner().invoke(app, ["doctor"]).stdout


def test_says_that_triton_is_not_installed(doctor, monkeypatch):
    def absent():
        raise TritonNotInstalled("install nvidia-pytriton")

    monkeypatch.delenv("RADGATE_TRITON_URL")
    monkeypatch.setattr(Installation, "find", absent)
    code, checks = doctor()
    assert (code, checks["embedded Triton"]) == (1, (False, "install nvidia-pytriton"))


def test_stops_at_wrong_settings_and_names_the_variable(doctor, monkeypatch):
    monkeypatch.setenv("RADGATE_PORT", "http")
    code, checks = doctor()
    assert (code, list(checks)) == (1, ["machine", "settings"])
    assert checks["settings"][1].startswith("RADGATE_PORT: ")


@pytest.mark.parametrize("secret", ["short", ""])
def test_looks_at_the_secret(doctor, monkeypatch, tmp_path, secret):
    file = tmp_path / "secret"
    file.write_text("x" * 40)
    file.chmod(0o644)
    monkeypatch.setenv("RADGATE_JWT_SECRET", secret)
    monkeypatch.setenv("RADGATE_JWT_SECRET_FILE", str(file))
    code, checks = doctor()
    assert (code, checks["token secret"][0]) == (1, False)
    assert ("shorter than 32 bytes" if secret else "open to others") in checks["token secret"][1]


def test_makes_no_secret_itself(doctor, tmp_path):
    assert doctor()[1]["token secret"] == (True, "will be made on the first start")
    assert not (tmp_path / "var").exists()


def test_says_that_there_are_no_models(doctor, monkeypatch, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "absent"):
        monkeypatch.setenv("RADGATE_MODEL_REPOSITORY", str(tmp_path / folder))
        code, checks = doctor()
        assert (code, checks["models"][0]) == (1, False)


@pytest.mark.parametrize(("ready", "code"), [(200, 0), (503, 1)])
def test_asks_a_running_instance_whether_it_is_ready(doctor, ports, ready, code):
    class Admin(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/live" else ready)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", ports["ADMIN_PORT"]), Admin) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        found, checks = doctor()
        server.shutdown()
        thread.join()
    assert (found, checks["pipelines"][0]) == (code, ready == 200)
    assert "ports" not in checks  # its own


def test_says_that_there_is_no_gpu_and_no_engine(doctor, monkeypatch, tmp_path):
    monkeypatch.setattr(health, "DRIVER", tmp_path / "none")
    _, checks = doctor()
    assert checks["GPU"] == (True, "no NVIDIA driver here: networks run on the CPU")
    assert checks["engines"][0]
    assert "vhs_landmarks none" in checks["engines"][1]


@pytest.fixture
def gpu_machine(monkeypatch, tmp_path, ports, fake_gpu):
    """A machine with a GPU and a repository of one network."""
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95")
    monkeypatch.setattr(health, "DRIVER", tmp_path / "version")
    monkeypatch.setenv("RADGATE_MODEL_REPOSITORY", str(toy_repository(tmp_path / "models")))
    fake_gpu()
    return tmp_path / "models" / "toy" / "1"


def test_names_the_gpu_and_tensorrt(doctor, gpu_machine):
    code, checks = doctor()
    assert (code, checks["engines"]) == (0, (True, "TensorRT: toy none"))
    assert checks["GPU"] == (True, "NVIDIA H100 80GB HBM3, compute capability 9.0, TensorRT 11.4.0.106")


def test_a_driver_without_a_gpu_is_a_fault(doctor, gpu_machine, fake_gpu):
    fake_gpu(FAKE_GPU="none")
    code, checks = doctor()
    assert (code, checks["GPU"][0]) == (1, False)
    assert checks["GPU"][1].startswith("an NVIDIA driver is here, but CUDA finds no GPU")


def test_an_engine_that_failed_is_a_fault(doctor, gpu_machine):
    made_of = {"target": {}}
    failed = Manifest("toy", "failed", "key", made_of, reason="it differs from ONNX Runtime")
    (gpu_machine / "model.sm90.plan.json").write_bytes(failed.written())
    code, checks = doctor()
    assert (code, checks["engines"][0]) == (1, False)
    assert checks["engines"][1] == "toy: it differs from ONNX Runtime. Run radgate models build"


def test_the_embedded_triton_has_no_tensorrt_backend(doctor, monkeypatch):
    monkeypatch.delenv("RADGATE_TRITON_URL")
    monkeypatch.setenv("RADGATE_TRITON_MODEL_CONFIG_NAME", "gpu")
    code, checks = doctor()
    assert (code, checks["GPU variant"][0]) == (1, False)
