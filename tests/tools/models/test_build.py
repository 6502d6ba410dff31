"""`radgate models build` on both generations of TensorRT; the processes, files and locks are real."""

import json
import logging
import subprocess
import sys
from dataclasses import asdict

import onnx
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2
from typer.testing import CliRunner

from gateway.triton.networks import Network
from gateway.triton.networks.engine import EngineUnfit
from tests.onnx_graphs import toy
from tools.__main__ import app
from tools.models.engine_cache import EngineCache
from tools.models.process import ask
from tools.models.worker import Order

PROFILE = {"image": [[1, 1, 8, 8], [2, 1, 8, 8], [4, 1, 8, 8]]}


def head_of(plan) -> dict:
    """What the fake TensorRT wrote before the graph."""
    return json.loads(plan.read_bytes().partition(b"\0")[0])


def graph_of(plan) -> onnx.ModelProto:
    return onnx.load_from_string(plan.read_bytes().partition(b"\0")[2])


@pytest.mark.parametrize("generation", ["10", "11", "11-bare"])
def test_builds_compares_and_installs(models, fake_gpu, repository, generation):
    fake_gpu(FAKE_TENSORRT=generation)
    code, (built,), _ = models("build")
    assert (code, built["model"], built["outcome"], built["from_cache"]) == (0, "toy", "built", False)
    assert built["parity"]["phantoms"] == 4
    assert set(built["parity"]["tensors"]) == {"scores"}
    assert 0 < built["parity"]["tensors"]["scores"]["value"] <= built["parity"]["tensors"]["scores"]["limit"]
    assert built["log"] == ["WARNING: a tactic needs more memory than there is"]
    plan = repository / "toy" / "1" / "model.sm90.plan"
    config = text_format.Parse(
        (repository / "toy" / "configs" / "gpu.pbtxt").read_text(), model_config_pb2.ModelConfig()
    )
    assert config.cc_model_filenames["9.0"] == plan.name
    assert json.loads(plan.with_name("model.sm90.plan.json").read_text())["outcome"] == "built"
    assert head_of(plan)["flags"] == ["STRICT_NANS"]  # TF32 is on unless cleared
    assert head_of(plan)["profile"] == {"image": [[1, 1, 8, 8], [4, 1, 8, 8], [4, 1, 8, 8]]}
    assert onnx.TensorProto.FLOAT16 in {tensor.data_type for tensor in graph_of(plan).graph.initializer}


def test_full_precision_on_demand(models, fake_gpu, repository):
    fake_gpu()
    _, (built,), _ = models("build", "--precision", "fp32")
    assert built["made_of"]["precision"] == "fp32"
    assert built["parity"]["tensors"]["scores"]["value"] < 1e-5
    graph = graph_of(repository / "toy" / "1" / "model.sm90.plan").graph
    assert {tensor.data_type for tensor in graph.initializer} == {onnx.TensorProto.FLOAT}


def test_takes_an_engine_from_the_cache(models, fake_gpu, repository):
    fake_gpu()
    graph = repository / "toy" / "1" / "model.onnx"
    assert Network(graph).runtime == "cpu"
    _, (first,), _ = models("build")
    assert Network(graph).runtime == "tensorrt"
    plan = graph.with_name("model.sm90.plan")
    plan.unlink()
    assert Network(graph).runtime == "cpu"
    code, (second,), _ = models("build")
    assert (code, second["from_cache"], second["key"]) == (0, True, first["key"])
    assert second["built_at"] == first["built_at"]
    assert plan.exists()


def test_whatever_an_engine_depends_on_gets_it_an_engine_of_its_own(models, fake_gpu, repository):
    keys = set()
    for variables in (
        {"FAKE_TENSORRT": "10"},
        {"FAKE_TENSORRT": "11", "FAKE_GPU": "NVIDIA H100 80GB HBM3/9.0/60"},  # a slice of it
        {"FAKE_GPU": "NVIDIA H200/9.0/132"},
    ):
        fake_gpu(**variables)
        keys.add(models("build").answer[0]["key"])
    keys.add(models("build", "--precision", "fp32").answer[0]["key"])
    config = repository / "toy" / "config.pbtxt"
    config.write_text(config.read_text().replace("max_batch_size: 4", "max_batch_size: 2"))
    keys.add(models("build").answer[0]["key"])
    model = toy()
    model.doc_string = "retrained"
    onnx.save(model, str(repository / "toy" / "1" / "model.onnx"))
    keys.add(models("build").answer[0]["key"])
    assert len(keys) == 6


def test_measures_kernels_once_for_a_gpu_and_version(models, fake_gpu, repository):
    plan = repository / "toy" / "1" / "model.sm90.plan"
    fake_gpu()
    models("build")
    assert head_of(plan)["timings_known"] == 0
    models("build", "--precision", "fp32")
    assert head_of(plan)["timings_known"] == 1
    fake_gpu(FAKE_TENSORRT="10")
    models("build")
    assert head_of(plan)["timings_known"] == 0


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        (
            {"FAKE_TENSORRT_FAULT": "build", "FAKE_TENSORRT": "10"},
            "Could not find any implementation for node /trunk/Conv",
        ),
        ({"FAKE_TENSORRT_FAULT": "crash"}, "its process was ended by SIGSEGV"),
        ({"FAKE_TENSORRT_FAULT": "wrong"}, "it differs from ONNX Runtime: scores 0.5"),
        ({"FAKE_TENSORRT_UNSUPPORTED": "Conv"}, "no importer registered for op: Conv"),
    ],
)
def test_falls_back_to_the_cpu_variant_with_an_alarm(
    models, fake_gpu, repository, tmp_path, caplog, variables, reason
):
    fake_gpu(**variables)
    output = tmp_path / "served"
    code, (failed,), _ = models("build", "--output", str(output))
    assert (code, failed["outcome"]) == (1, "failed")
    assert reason in failed["reason"]
    alarms = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert [alarm.startswith("toy is left to its CPU variant: ") for alarm in alarms] == [True]
    # What Triton is given is whole without an engine: the GPU variant is gone from the copy, and only there.
    assert not (output / "toy" / "configs" / "gpu.pbtxt").exists()
    assert not (output / "toy" / "1" / "model.sm90.plan").exists()
    assert (output / "toy" / "config.pbtxt").exists()
    assert (repository / "toy" / "configs" / "gpu.pbtxt").exists()
    assert Network(output / "toy" / "1" / "model.onnx").runtime == "cpu"
    code, (seen,), _ = models("verify", "--repository", str(output))
    assert (code, seen["state"]) == (1, "failed")
    assert reason in seen["detail"]


def test_a_build_that_hangs_is_ended(fake_gpu, tmp_path):
    fake_gpu(FAKE_TENSORRT_FAULT="hang")
    onnx.save(toy(), str(tmp_path / "model.onnx"))
    order = Order("toy", str(tmp_path / "model.onnx"), "fp16", PROFILE, "", str(tmp_path / "model.plan"))
    with pytest.raises(EngineUnfit, match="it did not end within 3 s"):
        ask("build", asdict(order), timeout_seconds=3)


def test_a_failure_is_tried_again_and_takes_the_old_engine_away(models, fake_gpu, repository, tmp_path):
    plan = repository / "toy" / "1" / "model.sm90.plan"
    plan.write_bytes(b"of an older TensorRT")
    fake_gpu(FAKE_TENSORRT_FAULT="wrong")
    assert models("build").exit_code == 1
    assert not plan.exists()
    # Nothing half built stays in the cache.
    assert [path.suffix for path in (tmp_path / "data" / "engines").iterdir()] == [".lock"]
    fake_gpu(FAKE_TENSORRT_FAULT="")
    assert models("build").exit_code == 0
    assert plan.exists()


def test_a_spoilt_engine_in_the_cache_is_built_anew(models, fake_gpu, tmp_path):
    fake_gpu()
    _, (first,), _ = models("build")
    (tmp_path / "data" / "engines" / first["key"] / "model.plan").write_bytes(b"half of a plan")
    code, (second,), _ = models("build")
    assert (code, second["from_cache"]) == (0, False)
    assert models("verify").answer[0]["state"] == "engine"


def test_the_copy_is_what_triton_serves(models, fake_gpu, tmp_path):
    fake_gpu()
    output = tmp_path / "served"
    assert models("build", "--output", str(output)).exit_code == 0
    names = {path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file()}
    assert names == {
        "other/config.pbtxt", "toy/config.pbtxt", "toy/configs/gpu.pbtxt", "toy/1/model.onnx",
        "toy/1/model.sm90.plan", "toy/1/model.sm90.plan.json",
    }  # fmt: skip


def test_a_gpu_that_the_config_does_not_know_is_left_to_the_cpu(models, fake_gpu):
    fake_gpu(FAKE_GPU="NVIDIA L4/8.9/58")
    code, (failed,), _ = models("build")
    assert code == 1
    assert failed["reason"] == "configs/gpu.pbtxt names no model.sm89.plan for compute capability 8.9"


def test_two_machines_build_an_engine_once(fake_gpu, repository, tmp_path):
    """Two processes with one cache: one builds, the other takes what it built."""
    fake_gpu()
    command = [sys.executable, "-m", "tools", "models", "build", "--json", "--cache", str(tmp_path / "cache")]
    both = [
        subprocess.Popen(
            [*command, "--repository", str(repository), "--output", str(tmp_path / f"served{number}")],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    answers = [json.loads(process.communicate(timeout=120)[0])[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(answer["from_cache"] for answer in answers) == [False, True]
    assert answers[0]["built_at"] == answers[1]["built_at"]


def test_waits_for_another_no_longer_than_told(tmp_path):
    cache = EngineCache(tmp_path)
    with (
        cache.building("key", timeout_seconds=1),
        pytest.raises(EngineUnfit, match="another process has been building it"),
        cache.building("key", timeout_seconds=0.1),
    ):
        pass
    with cache.building("key", timeout_seconds=1):
        pass


def test_without_a_gpu_it_says_so_and_touches_nothing(models, fake_gpu, tmp_path):
    fake_gpu(FAKE_GPU="none")
    output = tmp_path / "served"
    code, answer, stderr = models("build", "--output", str(output))
    assert (code, answer) == (2, None)
    assert "radgate: CUDA finds no GPU" in stderr
    assert not output.exists()


def test_refuses_to_build_for_a_server_of_another_version(models, fake_gpu, repository):
    fake_gpu(FAKE_TENSORRT="10")
    code, _, stderr = models("build", "--server-tensorrt", "11.1.0.106")
    assert code == 2
    assert "Python's TensorRT is 10.13.3.9, the server's 11.1.0.106" in stderr
    assert not list(repository.rglob("*.plan*"))
    assert models("build", "--server-tensorrt", "10.13.3").exit_code == 0


def test_without_the_extra_it_says_which(models):
    code, _, stderr = models("build")
    assert code == 2
    assert "the extras `gpu` and `tensorrt` are not installed" in stderr


def test_refuses_a_network_that_is_not_there(models, fake_gpu):
    fake_gpu()
    code, _, stderr = models("build", "tox")
    assert code == 2
    assert "has no network tox" in stderr


def test_text_has_a_row_for_each_network(models, fake_gpu):
    fake_gpu()
    result = CliRunner().invoke(app, ["models", "build"])
    assert result.exit_code == 0
    assert "toy" in result.stdout
    assert "1 - cosine" in result.stdout
