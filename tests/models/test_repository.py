"""Every config.pbtxt agrees with its neighbours, its variants and its ONNX graph."""

from pathlib import Path

import onnx
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from gateway.triton.networks.engine import plan_name

REPOSITORY = Path(__file__).parents[2] / "model_repository"
MODELS = sorted(folder.name for folder in REPOSITORY.iterdir() if folder.is_dir())
FORBIDDEN = ("priority_levels", "default_queue_policy", "priority_queue_policy", "default_priority_level")
ONNX_TYPES = {onnx.TensorProto.FLOAT: "TYPE_FP32", onnx.TensorProto.UINT8: "TYPE_UINT8"}


def config_of(model: str, variant: str = "config.pbtxt") -> model_config_pb2.ModelConfig:
    return text_format.Parse((REPOSITORY / model / variant).read_text(), model_config_pb2.ModelConfig())


def tensors(config, direction: str) -> dict[str, tuple]:
    type_name = model_config_pb2.DataType.Name
    return {t.name: (type_name(t.data_type), tuple(t.dims)) for t in getattr(config, direction)}


CONFIGS = {model: config_of(model) for model in MODELS}
ENSEMBLES = [model for model in MODELS if CONFIGS[model].platform == "ensemble"]
NETWORKS = [model for model in MODELS if (REPOSITORY / model / "1" / "model.onnx").exists()]
VARIANTS = [(model, path) for model in MODELS for path in (REPOSITORY / model).glob("configs/*.pbtxt")]


def test_repository_holds_nothing_but_models():
    assert "chest_xray" in MODELS
    for model in MODELS:
        assert (REPOSITORY / model / "config.pbtxt").exists(), f"{model} is no model: Triton would not start"
        assert CONFIGS[model].name == model
        assert (REPOSITORY / model / "1").is_dir()


@pytest.mark.parametrize("model", MODELS)
def test_no_config_uses_what_stalls_or_lies(model):
    text = "".join(path.read_text() for path in (REPOSITORY / model).rglob("*.pbtxt"))
    for word in (*FORBIDDEN, "response_cache", "graph_lower_bound"):
        assert word not in text, f"{model}: {word} is forbidden"


@pytest.mark.parametrize("model", MODELS)
def test_tensors_of_varying_size_are_let_into_batches(model):
    for tensor in CONFIGS[model].input:
        if -1 in tensor.dims and CONFIGS[model].max_batch_size > 0:
            assert tensor.allow_ragged_batch, f"{model}.{tensor.name}"


@pytest.mark.parametrize("model", [model for model in MODELS if CONFIGS[model].backend == "python"])
def test_python_models_have_a_shim_and_a_kind(model):
    source = (REPOSITORY / model / "1" / "model.py").read_text()
    assert "class TritonPythonModel" in source
    assert len(source.splitlines()) <= 45, f"{model}: logic belongs into gateway.imaging"
    kind = model_config_pb2.ModelInstanceGroup.Kind
    assert [kind.Name(group.kind) for group in CONFIGS[model].instance_group] == ["KIND_CPU"]


@pytest.mark.parametrize("ensemble", ENSEMBLES)
def test_ensembles_are_linear(ensemble):
    """Each step after the first takes something of the step right before it: no parallel branches."""
    steps = CONFIGS[ensemble].ensemble_scheduling.step
    for before, step in zip(steps, list(steps)[1:], strict=False):
        assert set(before.output_map.values()) & set(step.input_map.values()), step.model_name


@pytest.mark.parametrize("ensemble", ENSEMBLES)
def test_ensembles_match_their_steps(ensemble):
    config = CONFIGS[ensemble]
    known = tensors(config, "input")
    for step in config.ensemble_scheduling.step:
        inner = CONFIGS[step.model_name]
        assert set(step.input_map) == set(tensors(inner, "input")), step.model_name
        for name, outer in step.input_map.items():
            assert tensors(inner, "input")[name] == known[outer], f"{step.model_name}.{name}"
        for name, outer in step.output_map.items():
            known[outer] = tensors(inner, "output")[name]
    for name, kind in tensors(config, "output").items():
        assert known[name] == kind, name


@pytest.mark.parametrize("model", NETWORKS)
def test_networks_match_their_graph(model):
    graph = onnx.load(REPOSITORY / model / "1" / "model.onnx").graph
    for direction in ("input", "output"):
        expected = tensors(CONFIGS[model], direction)
        values = {value.name: value.type.tensor_type for value in getattr(graph, direction)}
        assert set(values) == set(expected)
        for name, value in values.items():
            dims = tuple(d.dim_value for d in value.shape.dim)[1:]  # the first is the batch
            assert (ONNX_TYPES[value.elem_type], dims) == expected[name], f"{model}.{name}"


@pytest.mark.parametrize(("model", "path"), VARIANTS, ids=lambda value: getattr(value, "name", value))
def test_variants_keep_the_contract(model, path):
    variant = config_of(model, str(path.relative_to(REPOSITORY / model)))
    config = CONFIGS[model]
    assert variant.name == config.name
    assert variant.max_batch_size == config.max_batch_size
    for direction in ("input", "output"):
        assert tensors(variant, direction) == tensors(config, direction)


@pytest.mark.parametrize("model", NETWORKS)
def test_networks_have_a_gpu_variant(model):
    """It differs from the CPU variant in what runs it and how, and names plans as they are installed."""
    variant = config_of(model, "configs/gpu.pbtxt")
    kind = model_config_pb2.ModelInstanceGroup.Kind
    assert variant.platform == "tensorrt_plan"
    assert [kind.Name(group.kind) for group in variant.instance_group] == ["KIND_GPU"]
    assert variant.version_policy == CONFIGS[model].version_policy
    assert len(variant.cc_model_filenames) >= 10
    for capability, name in variant.cc_model_filenames.items():
        assert name == plan_name(capability)


@pytest.mark.parametrize("model", NETWORKS)
def test_gpu_variants_warm_up_the_sizes_of_batches_that_graphs_are_captured_for(model):
    variant = config_of(model, "configs/gpu.pbtxt")
    expected = tensors(variant, "input")
    sizes = {sample.batch_size for sample in variant.model_warmup}
    assert {1, variant.max_batch_size} <= sizes
    assert max(variant.dynamic_batching.preferred_batch_size) <= variant.max_batch_size
    for sample in variant.model_warmup:
        name_of = model_config_pb2.DataType.Name
        given = {name: (name_of(value.data_type), tuple(value.dims)) for name, value in sample.inputs.items()}
        assert given == expected


def test_network_input_is_what_the_pipeline_prepares():
    from gateway.imaging.chest_xray_steps import INPUT_SIZE_PX

    _, dims = tensors(CONFIGS["chest_xray_classifier"], "input")["image"]
    assert dims == (1, INPUT_SIZE_PX, INPUT_SIZE_PX)


def test_landmark_network_fits_the_pipeline():
    from gateway.imaging.vhs.folds import FOLDS
    from gateway.imaging.vhs.landmarks import LANDMARKS
    from gateway.imaging.vhs.network_input import INPUT_SIZE_PX

    network = CONFIGS["vhs_landmarks"]
    assert tensors(network, "input") == {"letterbox": ("TYPE_FP32", (1, INPUT_SIZE_PX, INPUT_SIZE_PX))}
    assert tensors(network, "output")["fold_landmarks"] == ("TYPE_FP32", (FOLDS, len(LANDMARKS), 2))


def test_the_network_of_the_sides_fits_the_pipeline():
    from gateway.imaging.screen.sides import PLACES, SIDES
    from gateway.imaging.screen.view import VIEW_PX

    graph = onnx.load(REPOSITORY / "screen_sides" / "1" / "sides.onnx").graph
    shapes = {
        value.name: [d.dim_value for d in value.type.tensor_type.shape.dim][1:]
        for value in (*graph.input, *graph.output)
    }
    places = [SIDES, PLACES, VIEW_PX]
    assert shapes == {"view": [1, VIEW_PX, VIEW_PX], "side_places": places, "view_screen": []}
