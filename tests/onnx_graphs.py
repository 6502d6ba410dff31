"""Small networks for tests, as ONNX graphs."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 8
FEATURES = 4

CONFIG = """
name: "toy" {kind} max_batch_size: 4
input [{{ name: "image" data_type: TYPE_FP32 dims: [ 1, 8, 8 ] }}]
output [{{ name: "scores" data_type: TYPE_FP32 dims: [ 4 ] }}]
"""


def toy() -> onnx.ModelProto:
    """Two convolutions between a normalisation and a mean; weights are stored as trainings store them."""
    rng = np.random.default_rng(4)
    weights = {
        "first": rng.normal(size=(FEATURES, 1, 3, 3)).astype(np.float16),
        "second": (rng.normal(size=(FEATURES, FEATURES, 3, 3)) / 4).astype(np.float16),
    }
    initializers = [numpy_helper.from_array(array, f"{name}.stored") for name, array in weights.items()]
    initializers.append(numpy_helper.from_array(np.array([2.0], np.float32), "two"))
    load = [helper.make_node("Cast", [f"{name}.stored"], [name], to=TensorProto.FLOAT) for name in weights]
    nodes = [
        *load,
        helper.make_node("Mul", ["image", "two"], ["bright"], name="normalise"),
        helper.make_node("Conv", ["bright", "first"], ["edges"], name="first_conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["edges"], ["active"], name="relu"),
        helper.make_node("Conv", ["active", "second"], ["maps"], name="second_conv", pads=[1, 1, 1, 1]),
        helper.make_node("ReduceMean", ["maps"], ["means"], name="mean", axes=[2, 3], keepdims=0),
        helper.make_node("Mul", ["means", "two"], ["doubled"], name="tail_one"),
        helper.make_node("Add", ["doubled", "means"], ["scores"], name="tail_two"),
    ]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", FEATURES])],
        initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def toy_repository(folder: Path) -> Path:
    """A repository of one network that has a GPU variant, and of a model that is none."""
    model = folder / "toy"
    (model / "1").mkdir(parents=True)
    (model / "configs").mkdir()
    onnx.save(toy(), str(model / "1" / "model.onnx"))
    (model / "config.pbtxt").write_text(CONFIG.format(kind='backend: "python"'))
    names = 'cc_model_filenames [{ key: "9.0" value: "model.sm90.plan" }]'
    (model / "configs" / "gpu.pbtxt").write_text(CONFIG.format(kind='platform: "tensorrt_plan"') + names)
    (folder / "other" / "1").mkdir(parents=True)
    (folder / "other" / "config.pbtxt").write_text('name: "other" platform: "ensemble"')
    return folder
