"""The committed networks of MAISI: what they take and give, and whether they draw what labels ask for."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from gateway.imaging.maisi.anatomy import draw_anatomy
from gateway.imaging.maisi.labels import LABELS
from gateway.imaging.maisi.quality import organ_quality
from tools.train.maisi.evaluate import Graphs

REPOSITORY = Path(__file__).parents[2] / "model_repository"
SPACING_MM = (2.4, 2.4, 2.4)


@pytest.mark.parametrize(
    ("graph", "inputs", "outputs"),
    [
        ("maisi_latent/1/hint.onnx", {"bits": 5}, {"hint": 5}),
        (
            "maisi_latent/1/velocity.onnx",
            {"latent": 5, "timestep": 1, "hint": 5, "spacing_mm": 2, "modality": 1},
            {"velocity": 5},
        ),
        ("maisi_decode/1/decoder.onnx", {"latent": 5}, {"image": 5}),
    ],
)
def test_graphs_have_the_tensors_that_are_run(graph, inputs, outputs):
    """Names and numbers of axes; all axes of space are free."""
    document = onnx.load(REPOSITORY / graph).graph
    for tensors, expected in ((document.input, inputs), (document.output, outputs)):
        axes = {each.name: each.type.tensor_type.shape.dim for each in tensors}
        assert {name: len(each) for name, each in axes.items()} == expected
        spatial = [each[2:] for each in axes.values() if len(each) == 5]
        assert all(dimension.dim_param for each in spatial for dimension in each)


def test_both_halves_are_of_one_variant():
    variants = [
        json.loads((REPOSITORY / model / "1" / "variant.json").read_text())
        for model in ("maisi_latent", "maisi_decode")
    ]
    assert len({(each["name"], each["version"]) for each in variants}) == 1


@pytest.fixture(scope="module")
def generated():
    """Generate a chest and upper abdomen of 307 by 307 by 230 mm."""
    labels = draw_anatomy(
        output_size=(128, 128, 96),
        spacing_mm=SPACING_MM,
        body_regions=["chest", "abdomen"],
        anatomy_names=["liver", "spleen"],
        organ_sizes={},
        seed=4_004,
    )
    return labels, Graphs(REPOSITORY).image_of(labels, SPACING_MM, 11)


def test_an_image_passes_the_control_of_hu(generated):
    labels, image_hu = generated
    quality = organ_quality(image_hu, labels)
    judged = {each.group: each.median_hu for each in quality.groups if each.median_hu is not None}
    assert {"lung", "bone", "liver", "spleen"} <= set(judged)
    assert quality.passed, judged


def test_organs_are_where_labels_say(generated):
    """Air is exactly air; lungs and vertebrae stand out from soft tissue, and so does blood."""
    labels, image_hu = generated
    assert (image_hu[labels == 0] == -1000).all()

    def median(*names):
        return np.median(image_hu[np.isin(labels, [LABELS[name].index for name in names])])

    soft = median("liver", "spleen")
    assert median("left lung upper lobe", "right lung lower lobe") < soft - 600
    assert median("vertebrae T8", "vertebrae T9", "vertebrae T10") > soft + 100
    assert soft < median("aorta") < soft + 200
    assert abs(median("liver") - median("spleen")) < 100
