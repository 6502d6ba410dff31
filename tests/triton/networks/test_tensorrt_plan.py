"""The TensorRT runtime, against a TensorRT and a CuPy that answer as theirs do (tests/fakes/gpu)."""

import numpy as np
import onnx
import pytest

from gateway.triton.networks.engine import EngineUnfit
from gateway.triton.networks.onnx_runtime import OnnxRuntimeNetwork
from tests.onnx_graphs import toy
from tools.models.tensorrt_build import build_plan

PROFILE = {"image": [[1, 1, 8, 8], [2, 1, 8, 8], [4, 1, 8, 8]]}


@pytest.fixture
def opened(fake_gpu):
    """Build the toy's plan on the fake and open it; gives the network."""

    def build(**variables):
        from gateway.triton.networks.tensorrt_plan import TensorRTNetwork

        fake_gpu(**variables)
        return TensorRTNetwork(build_plan(toy(), PROFILE, b"").plan)

    return build


@pytest.fixture
def reference(tmp_path):
    onnx.save(toy(), str(tmp_path / "model.onnx"))
    return OnnxRuntimeNetwork(tmp_path / "model.onnx", cpu=True)


def images(count: int) -> np.ndarray:
    return np.random.default_rng(count).random((count, 1, 8, 8), np.float32)


@pytest.mark.parametrize("generation", ["10", "11", "11-bare"])
@pytest.mark.parametrize("count", [1, 3, 4])
def test_answers_as_the_graph_does(opened, reference, generation, count):
    network = opened(FAKE_TENSORRT=generation)
    answer = network.run({"image": images(count)})
    assert list(answer) == ["scores"]
    np.testing.assert_allclose(answer["scores"], reference.run({"image": images(count)})["scores"], rtol=1e-4)


def test_sizes_of_batches_may_alternate(opened, reference):
    network = opened()
    for count in (4, 1, 3, 1, 4):
        expected = reference.run({"image": images(count)})["scores"]
        np.testing.assert_allclose(network.run({"image": images(count)})["scores"], expected, rtol=1e-4)


def test_runs_more_than_the_largest_batch_in_parts(opened, reference):
    answer = opened().run({"image": images(9)})["scores"]
    np.testing.assert_allclose(answer, reference.run({"image": images(9)})["scores"], rtol=1e-4)


def test_an_answer_is_not_overwritten_by_the_next(opened):
    network = opened()
    first = network.run({"image": images(2)})["scores"]
    kept = first.copy()
    network.run({"image": images(4)})
    assert np.array_equal(first, kept)


def test_captures_a_graph_of_each_size(opened):
    assert sorted(opened()._graphs) == [1, 2, 3, 4]


def test_runs_without_graphs_where_they_cannot_be_captured(opened, reference):
    network = opened(FAKE_TENSORRT_FAULT="uncapturable")
    assert network._graphs == {}
    for count in (3, 1):
        expected = reference.run({"image": images(count)})["scores"]
        np.testing.assert_allclose(network.run({"image": images(count)})["scores"], expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("inputs", "error"),
    [
        ({"picture": images(1)}, ValueError),
        ({"image": images(1), "other": images(1)}, ValueError),
        ({"image": images(1)[:, :, :4]}, ValueError),
        ({"image": images(1).astype(np.float64)}, TypeError),
        ({"image": (images(1) * 255).astype(np.uint8)}, TypeError),
    ],
)
def test_refuses_what_the_engine_does_not_take(opened, inputs, error):
    with pytest.raises(error):
        opened().run(inputs)


@pytest.mark.parametrize("plan", [b"", b"no plan", b"{}\0"])
def test_refuses_what_is_no_plan(fake_gpu, plan):
    from gateway.triton.networks.tensorrt_plan import TensorRTNetwork

    fake_gpu()
    with pytest.raises(EngineUnfit):
        TensorRTNetwork(plan)


def test_refuses_a_plan_of_another_gpu_or_version(fake_gpu):
    from gateway.triton.networks.tensorrt_plan import TensorRTNetwork

    fake_gpu(FAKE_TENSORRT="10")
    plan = build_plan(toy(), PROFILE, b"").plan
    for variables in ({"FAKE_TENSORRT": "11"}, {"FAKE_TENSORRT": "10", "FAKE_GPU": "NVIDIA L4/8.9/58"}):
        fake_gpu(**variables)
        with pytest.raises(EngineUnfit, match="take the plan"):
            TensorRTNetwork(plan)
