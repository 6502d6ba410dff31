"""Triton's door: what it refuses, in which words, and who may knock."""

import re
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tritonclient import grpc as triton_grpc
from tritonclient.utils import InferenceServerException

from tests.dicom_files import dicom_file
from tests.integration.instances import ROOT, Instance, infer
from tests.integration.processes import listeners

FILM = dicom_file(np.zeros((8, 8), np.uint8), PatientID="SECRET-ID", PatientName="Hidden^Name")
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}
LEAKS = re.compile(
    rf'Traceback|File "|\.py\b|/tmp/|/usr/|/home/|site-packages|{re.escape(str(ROOT))}|SECRET-ID|Hidden', re.I
)


def tensor(name: str, values: np.ndarray, datatype: str) -> triton_grpc.InferInput:
    made = triton_grpc.InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values)
    return made


def octets(data: bytes, *shape: int) -> np.ndarray:
    return np.frombuffer(data, np.uint8).reshape(shape or (1, len(data)))


def refusal(
    instance: Instance, call: Callable[[triton_grpc.InferenceServerClient], object]
) -> tuple[str, str]:
    """Give the code and the sentence that a call is refused with."""
    with instance.grpc() as client, pytest.raises(InferenceServerException) as caught:
        call(client)
    return caught.value.status().removeprefix("StatusCode."), caught.value.message()


def assert_is_a_sentence(message: str) -> None:
    assert 10 < len(message) < 500 and "\n" not in message, message
    assert not LEAKS.search(message), message


@pytest.mark.parametrize(
    ("name", "values", "datatype"),
    [
        pytest.param("dicom", np.zeros((1, 9), np.float32), "FP32", id="wrong dtype"),
        pytest.param("dicom", np.array([[FILM]], np.object_), "BYTES", id="bytes as one string"),
        pytest.param("dicom", octets(FILM, len(FILM)), "UINT8", id="no batch axis"),
        pytest.param("dicom", octets(FILM, 1, 1, len(FILM)), "UINT8", id="an axis too many"),
        pytest.param("dicom", octets(FILM * 2, 2, len(FILM)), "UINT8", id="two films"),
        pytest.param("image", octets(FILM), "UINT8", id="wrong name"),
        pytest.param("dicom", np.zeros((1, 0), np.uint8), "UINT8", id="nothing"),
        pytest.param("dicom", np.zeros((0, 5), np.uint8), "UINT8", id="no batch"),
    ],
)
def test_refuses_a_wrong_tensor_in_a_sentence(instance, name, values, datatype):
    code, message = refusal(
        instance, lambda client: client.infer("chest_xray", [tensor(name, values, datatype)])
    )
    assert code == "INVALID_ARGUMENT", message
    assert_is_a_sentence(message)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\0", id="one byte"),
        pytest.param(b"\xff" * 70_000, id="ones"),
        pytest.param(np.random.default_rng(1).bytes(300_000), id="noise"),
        pytest.param(b"%PDF-1.7\nHidden Name /home/secret.py", id="another format"),
        pytest.param(FILM[:200], id="cut off in the file meta"),
        pytest.param(FILM[:-100], id="cut off in the header"),
        pytest.param(FILM[:-10], id="cut off in the pixels"),
        pytest.param(FILM[:132] + b"\xff" * 2000, id="only the magic is right"),
        pytest.param(dicom_file(np.zeros((8, 8), np.uint8), Modality="Hidden^Name"), id="name as modality"),
    ],
)
def test_refuses_garbage_in_a_sentence(instance, data):
    code, message = refusal(instance, lambda client: infer(client, data))
    assert code == "INVALID_ARGUMENT", message
    assert_is_a_sentence(message)


def test_refuses_no_tensor_and_an_unknown_output(instance):
    code, message = refusal(instance, lambda client: client.infer("chest_xray", []))
    assert code == "INVALID_ARGUMENT", message
    wanted = [triton_grpc.InferRequestedOutput("diagnosis")]
    inputs = [tensor("dicom", octets(FILM), "UINT8")]
    code, message = refusal(instance, lambda client: client.infer("chest_xray", inputs, outputs=wanted))
    assert code in ("INVALID_ARGUMENT", "NOT_FOUND"), message
    assert_is_a_sentence(message)


@pytest.mark.parametrize(("model", "version"), [("chest_ct", ""), ("chest_xray", "7"), ("../chest_xray", "")])
def test_finds_no_unknown_model(instance, model, version):
    inputs = [tensor("dicom", octets(FILM), "UINT8")]
    code, message = refusal(instance, lambda client: client.infer(model, inputs, model_version=version))
    assert code == "NOT_FOUND", message
    assert_is_a_sentence(message)


def test_a_step_that_is_given_nonsense_says_no_more_than_that_it_failed(instance):
    """Whoever reaches Triton may call the steps alone; what they choke on stays inside."""
    inputs = [
        tensor("logits", np.zeros((1, 12), np.float32), "FP32"),
        tensor("activation_maps", np.zeros((1, 12, 16, 16), np.float32), "FP32"),
        tensor("chest_logit", np.ones((1, 1), np.float32), "FP32"),
        tensor("source_image", np.zeros((1, 8, 8), np.uint8), "UINT8"),
        tensor("header", np.array([[b"Hidden^Name is not JSON"]], np.object_), "BYTES"),
    ]
    code, message = refusal(instance, lambda client: client.infer("chest_xray_postprocess", inputs))
    assert (code, message) == ("INTERNAL", "the model failed")


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(
            lambda c: c.register_system_shared_memory("r", "/psm_r", 64), id="register shared memory"
        ),
        pytest.param(lambda c: c.get_system_shared_memory_status(), id="list shared memory"),
        pytest.param(lambda c: c.unregister_system_shared_memory(), id="unregister shared memory"),
        pytest.param(
            lambda c: c.register_cuda_shared_memory("r", b"\0" * 64, 0, 64), id="register CUDA memory"
        ),
        pytest.param(lambda c: c.get_model_repository_index(), id="list models"),
        pytest.param(lambda c: c.load_model("chest_xray"), id="load"),
        pytest.param(
            lambda c: c.load_model("x", config="{}", files={"file:1/model.py": b"raise SystemExit"}),
            id="load a model of one's own",
        ),
        pytest.param(lambda c: c.unload_model("chest_xray"), id="unload"),
        pytest.param(lambda c: c.get_trace_settings(), id="read trace settings"),
        pytest.param(
            lambda c: c.update_trace_settings(settings={"trace_level": "TENSORS", "trace_file": "/tmp/t"}),
            id="trace",
        ),
        pytest.param(lambda c: c.get_log_settings(), id="read log settings"),
        pytest.param(lambda c: c.update_log_settings({"log_verbose_level": 4}), id="log"),
        pytest.param(lambda c: c.get_inference_statistics(), id="statistics"),
    ],
)
def test_what_could_change_or_watch_the_server_is_shut(instance, call):
    code, message = refusal(instance, call)
    assert code in ("UNAVAILABLE", "PERMISSION_DENIED"), message
    assert "restricted" in message


def test_shared_memory_cannot_be_named_in_a_request(instance):
    reference = triton_grpc.InferInput("dicom", [1, 64], "UINT8")
    reference.set_shared_memory("radgate", 64)
    code, message = refusal(instance, lambda client: client.infer("chest_xray", [reference]))
    assert code in ("INVALID_ARGUMENT", "NOT_FOUND"), message


def test_triton_listens_on_loopback_for_grpc_and_metrics_only(instance):
    found = listeners(instance.triton().pid)
    assert {port for _, port in found} == {instance.grpc_port, instance.metrics_port}
    assert {address for address, _ in found} <= LOOPBACK


def test_the_gateway_listens_on_loopback_on_its_own_ports_only(instance):
    found = listeners(instance.pid)
    ours = {instance.port, instance.chest_xray_port, instance.acr_port, instance.admin_port}
    ours |= {instance.maisi_port}
    assert {port for _, port in found} == ours
    assert {address for address, _ in found} <= LOOPBACK


def test_no_stub_and_no_worker_listens(instance):
    for each in instance.processes():
        if each not in (instance.gateway(), instance.triton()):
            assert listeners(each.pid) == set(), each.command


def test_films_in_shared_memory_are_closed_to_other_users(instance):
    modes = {name: oct(Path("/dev/shm", name).stat().st_mode & 0o777) for name in instance.shared_memory()}
    assert modes and set(modes.values()) == {"0o600"}, modes


def test_triton_and_its_stubs_hold_no_secret_in_their_environment(instance):
    secret = (instance.data_dir / "secrets" / "jwt_secret").read_bytes().strip()
    for each in instance.processes()[1:]:
        environment = Path(f"/proc/{each.pid}/environ").read_bytes()
        assert secret not in environment and b"RADGATE_JWT" not in environment, each.command


def test_tritons_metrics_say_what_runs_each_network(instance):
    with urllib.request.urlopen(f"http://127.0.0.1:{instance.metrics_port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    for model in ("chest_xray_classifier", "screen_corners", "screen_sides", "vhs_landmarks"):
        assert f'radgate_network_runtime{{model="{model}",runtime="cpu"}} 1' in lines
