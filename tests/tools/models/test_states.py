"""`radgate models ls` and `verify`: what they say of engines that changed, moved or never were."""

import json

import onnx
import pytest

from gateway.triton.networks import Network
from gateway.triton.networks.engine import digest_of
from tests.onnx_graphs import toy


@pytest.fixture
def built(models, fake_gpu):
    fake_gpu()
    assert models("build").exit_code == 0


def test_without_a_gpu_no_engine_is_no_alarm(models):
    assert models("ls").answer[0]["state"] == "none"
    assert models("verify").exit_code == 0


def test_with_a_gpu_it_is_one(models, fake_gpu):
    fake_gpu()
    code, (seen,), _ = models("verify")
    assert (code, seen["state"], seen["detail"]) == (1, "none", "the CPU variant runs: no engine was built")


def test_an_engine_for_this_gpu(models, built):
    code, (seen,), _ = models("verify", "--compare")
    assert (code, seen["state"], seen["precision"]) == (0, "engine", "fp16")
    assert seen["target"]["gpu"] == "NVIDIA H100 80GB HBM3"
    assert seen["detail"] == "model.sm90.plan, fp16, NVIDIA H100 80GB HBM3, TensorRT 11.4.0.106"
    assert models("ls").answer == [seen]


def test_an_engine_for_another(models, built, fake_gpu):
    fake_gpu(FAKE_GPU="NVIDIA H100 80GB HBM3/9.0/60")  # a slice of it
    code, (seen,), _ = models("verify")
    assert (code, seen["state"]) == (1, "unfit")
    assert seen["detail"] == "model.sm90.plan was built for multiprocessors 132, not 60"
    fake_gpu(FAKE_GPU="NVIDIA L4/8.9/58")
    assert models("verify").exit_code == 1
    assert models("ls").answer[0]["state"] == "elsewhere"
    fake_gpu(FAKE_GPU="none")
    code, (seen,), _ = models("verify")
    assert (code, seen["state"]) == (0, "elsewhere")


def spoil_plan(version):
    (version / "model.sm90.plan").write_bytes(b"half of a plan")


def lose_plan(version):
    (version / "model.sm90.plan").unlink()


def retrain(version):
    model = toy()
    model.doc_string = "retrained"
    onnx.save(model, str(version / "model.onnx"))


def spoil_manifest(version):
    (version / "model.sm90.plan.json").write_text("{")


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        (spoil_plan, "model.sm90.plan is not the file that was built"),
        (lose_plan, "model.sm90.plan is gone"),
        (retrain, "model.onnx changed since model.sm90.plan was built"),
        (spoil_manifest, "model.sm90.plan.json cannot be read as an engine's manifest"),
    ],
)
@pytest.mark.parametrize("gpu", ["NVIDIA H100 80GB HBM3/9.0/132", "none"])
def test_an_engine_that_changed_is_found_and_not_used(
    models, built, fake_gpu, repository, caplog, change, detail, gpu
):

    change(repository / "toy" / "1")
    fake_gpu(FAKE_GPU=gpu)
    code, (seen,), _ = models("verify")
    assert (code, seen["state"], seen["detail"]) == (1, "unfit", detail)
    network = Network(repository / "toy" / "1" / "model.onnx")
    assert network.runtime == "cpu"
    assert "toy runs without its TensorRT engine" in caplog.text


def test_comparing_finds_an_engine_that_errs(models, built, repository):
    """As one that was good when it was built, on a driver that is not any more."""
    plan = repository / "toy" / "1" / "model.sm90.plan"
    manifest = plan.with_name("model.sm90.plan.json")
    head, _, graph = plan.read_bytes().partition(b"\0")
    spoilt = json.dumps({**json.loads(head), "wrong": True}).encode() + b"\0" + graph
    plan.unlink()  # a link of the cache's file
    plan.write_bytes(spoilt)
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "plan_sha256": digest_of(plan)}))
    assert models("verify").exit_code == 0
    code, (seen,), _ = models("verify", "--compare")
    assert (code, seen["state"]) == (1, "unfit")
    assert seen["detail"].startswith("it differs from ONNX Runtime: scores 0.5")
