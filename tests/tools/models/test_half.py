"""Graphs in half precision between their convolutions."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from tests.models.test_repository import NETWORKS, REPOSITORY
from tests.onnx_graphs import toy
from tools.models.half import NotHalved, halved, unpacked
from tools.models.tasks import task_of

COMPARED = 3


def types_of(model: onnx.ModelProto) -> dict[str, int]:
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = [*graph.input, *graph.output, *graph.value_info]
    return {value.name: value.type.tensor_type.elem_type for value in values}


def computed_in_half(model: onnx.ModelProto) -> set[str]:
    """Names of the nodes that give a float16 tensor, casts apart."""
    types = types_of(model)
    return {
        node.name
        for node in model.graph.node
        if node.op_type != "Cast" and types.get(node.output[0]) == TensorProto.FLOAT16
    }


def run(model: onnx.ModelProto, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feed), strict=True))


def rounding(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph in float32, with each float16 tensor rounded to float16's eleven bits of mantissa.

    ONNX Runtime has no float16 kernels for CPUs: it computes in float32 and does away with the casts.
    """
    half = {name for name, kind in types_of(model).items() if kind == TensorProto.FLOAT16}
    split = numpy_helper.from_array(np.array(2.0**13 + 1, np.float32), "split")  # Veltkamp's
    nodes = []
    for node in model.graph.node:
        name = node.output[0]
        if node.op_type == "Cast" and half & {node.input[0], name}:
            node = helper.make_node("Identity", list(node.input), list(node.output))
        nodes.append(node)
        if name in half:
            node.output[0] = f"{name}.raw"
            parts = [f"{name}.{part}" for part in ("raw", "scaled", "low")]
            nodes += [
                helper.make_node("Mul", [parts[0], "split"], [parts[1]]),
                helper.make_node("Sub", [parts[1], parts[0]], [parts[2]]),
                helper.make_node("Sub", [parts[1], parts[2]], [name]),
            ]
    weights = [
        numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name)
        if tensor.data_type == TensorProto.FLOAT16
        else tensor
        for tensor in model.graph.initializer
    ]
    graph = helper.make_graph(nodes, "rounding", model.graph.input, model.graph.output, [*weights, split])
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def test_half_begins_at_the_first_convolution_and_ends_at_the_last():
    assert computed_in_half(halved(toy())) == {"first_conv", "relu", "second_conv"}


def test_inputs_and_outputs_keep_their_types():
    types = types_of(halved(toy()))
    assert types["image"] == types["scores"] == TensorProto.FLOAT


def test_the_tail_is_never_rounded_to_half():
    """What decodes coordinates goes from one float32 node to several others without a cast in between."""
    model = halved(toy())
    tail = {"mean", "tail_one", "tail_two"}
    inputs = {name for node in model.graph.node if node.name in tail for name in node.input}
    casts = {node.output[0]: node for node in model.graph.node if node.op_type == "Cast"}
    assert {name for name in inputs if name in casts} == {"maps"}  # from the last convolution


def test_weights_are_stored_once_and_in_half():
    stored = {tensor.name: tensor.data_type for tensor in halved(toy()).graph.initializer}
    assert stored == {
        "first.half": TensorProto.FLOAT16,
        "second.half": TensorProto.FLOAT16,
        "two": TensorProto.FLOAT,
    }


def test_answers_are_nearly_the_same():
    image = np.random.default_rng(0).random((3, 1, 8, 8), np.float32)
    full = run(toy(), {"image": image})["scores"]
    half = ReferenceEvaluator(halved(toy())).run(None, {"image": image})[0]  # in true float16
    rounded = run(rounding(halved(toy())), {"image": image})["scores"]
    assert 0 < np.abs(full - half).max() < 0.01
    assert 0 < np.abs(full - rounded).max() < 0.01


def test_unpacking_changes_no_answer():
    image = np.random.default_rng(0).random((3, 1, 8, 8), np.float32)
    assert not any(node.op_type == "Cast" for node in unpacked(toy()).graph.node)
    assert np.array_equal(
        run(toy(), {"image": image})["scores"], run(unpacked(toy()), {"image": image})["scores"]
    )


def test_refuses_a_weight_that_half_cannot_hold():
    model = toy()
    large = np.full((4, 1, 3, 3), 7e4, np.float32)
    model.graph.initializer.append(numpy_helper.from_array(large, "first"))
    model.graph.node.remove(model.graph.node[0])
    with pytest.raises(NotHalved, match="70000 does not fit"):
        halved(model)


def test_refuses_a_graph_without_convolutions():
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "none", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(NotHalved, match="no convolution"):
        halved(model)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_networks_outputs_come_from_float32(name):
    model = halved(onnx.load(REPOSITORY / name / "1" / "model.onnx"))
    types = types_of(model)
    producers = {output: node for node in model.graph.node for output in node.output}
    half = computed_in_half(model)
    assert len(half) > 20
    for output in model.graph.output:
        last = producers[output.name]
        assert last.name not in half
        assert types[output.name] == TensorProto.FLOAT


@pytest.mark.parametrize("name", NETWORKS)
def test_the_networks_do_the_same_in_half(name):
    """By the bars of an engine's gate, which is asked again on the GPU; here with rounding to float16."""
    version = REPOSITORY / name / "1"
    model = onnx.load(version / "model.onnx")
    inputs = {
        value.name: tuple(d.dim_value for d in value.type.tensor_type.shape.dim)[1:]
        for value in model.graph.input
    }
    task = task_of(name, version, inputs)
    feed = {tensor: array[:COMPARED] for tensor, array in task.phantoms().items()}
    expected, got = run(model, feed), run(rounding(halved(model)), feed)
    for metric, value in task.metrics(expected, got).items():
        assert value <= task.bars[metric], metric
