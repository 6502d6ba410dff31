"""One small synthetic CT by the networks in the repository, as `maisi` makes it, without Triton."""

import json
from pathlib import Path

import numpy as np
import pytest

from gateway.imaging.errors import WrongContent
from gateway.imaging.maisi.generation import Incomplete, generate
from gateway.imaging.maisi.labels import LABELS
from gateway.imaging.maisi.masks import DrawnMasks
from gateway.imaging.maisi.quality import organ_quality
from gateway.imaging.maisi.steps import Decoder, Sampler, mask_parts
from gateway.triton.leases import Lease, while_wanted
from gateway.triton.networks import Network

REPOSITORY = Path(__file__).parents[3] / "model_repository"
ASKED = {
    "seed": 4,
    "output_size": [32, 32, 64],
    "spacing_mm": [5.0, 5.0, 2.0],
    "body_region": ["abdomen"],
    "anatomy_list": ["liver"],
    "controllable_anatomy_size": [],
    "num_inference_steps": 2,
}


def network(model: str, name: str):
    return Network(REPOSITORY / model / "1" / f"{name}.onnx", threads=1).run


def variant(model: str, **other) -> dict:
    return {**json.loads((REPOSITORY / model / "1" / "variant.json").read_text()), **other}


def drawn_parts(request):
    return mask_parts(request, DrawnMasks(), DrawnMasks())


@pytest.fixture(scope="module")
def models():
    sampler = Sampler.of(
        variant("maisi_latent"),
        hint=network("maisi_latent", "hint"),
        velocity=network("maisi_latent", "velocity"),
        truncated=False,
    )
    decoder = Decoder.of(variant("maisi_decode", window=8), image=network("maisi_decode", "decoder"))
    return {"maisi_mask": drawn_parts, "maisi_latent": sampler.parts, "maisi_decode": decoder.parts}


def generated(models, *, is_cancelled=lambda: False, log=None, **other):
    def call(model, inputs, outputs):
        inputs = dict(inputs)
        lease = inputs.pop("lease")
        for part in while_wanted(models[model](**inputs), lease, lambda: False):
            if log is not None:
                log.append(model)
            yield {name: part[name] for name in outputs}

    request = np.array([json.dumps({**ASKED, **other}).encode()], np.object_)
    with Lease() as lease:
        for part in generate(request, call, lease=lease, is_cancelled=is_cancelled):
            yield json.loads(part["event"][0]), part["image_hu"], part["labels"]


def volume_of(parts):
    slabs = [(image, labels) for event, image, labels in parts if event["event"] == "slab"]
    return tuple(np.concatenate(arrays, axis=2) for arrays in zip(*slabs, strict=True))


@pytest.fixture(scope="module")
def parts(models):
    return list(generated(models))


def test_gives_what_was_asked_for_and_how_good_it_is(parts):
    image, labels = volume_of(parts)
    assert image.shape == labels.shape == (32, 32, 64)
    assert (labels == LABELS["liver"].index).any()
    assert (image[labels == 0] == -1000).all()
    assert image[labels != 0].std() > 0
    done = parts[-1][0]
    assert (done["event"], done["seed"]) == ("done", 4)
    assert done["model"] == {"name": "maisi small", "version": variant("maisi_decode")["version"]}
    assert done["quality"] == json.loads(json.dumps(organ_quality(image, labels).document()))


def test_says_how_far_it_is(parts):
    events = [event for event, _, _ in parts]
    steps = [(each["stage"], each["step"], each["steps"]) for each in events if each["event"] == "progress"]
    assert steps[:4] == [("mask", 0, 1), ("latent", 0, 2), ("latent", 1, 2), ("latent", 2, 2)]
    decoded = [step for stage, step, _ in steps[4:] if stage == "decode"]
    assert decoded == list(range(1, steps[-1][2] + 1))
    assert [each["z"] for each in events if each["event"] == "slab"] == [0, 32]


def test_the_seed_decides_every_byte(models, parts):
    again, other = (volume_of(generated(models, seed=seed)) for seed in (4, 5))
    for first, second in zip(volume_of(parts), again, strict=True):
        assert first.tobytes() == second.tobytes()
    assert (volume_of(parts)[0] != other[0]).mean() > 0.1


def test_the_labels_and_the_spacing_decide_what_the_networks_make(models):
    """The same noise with other labels, or the same labels closer together, gives another latent image."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 133, (32, 32, 32), np.uint8)

    def latent(labels, mm):
        *_, last = models["maisi_latent"](
            labels, np.full(3, mm, np.float32), np.array([1], np.int64), np.array([1], np.int32)
        )
        return last["latent"]

    base = latent(labels, 1.5)
    assert base.shape == (4, 8, 8, 8)
    assert not np.allclose(base, latent(labels[::-1], 1.5))
    assert not np.allclose(base, latent(labels, 3.0))


def test_ends_soon_when_nobody_wants_it(models):
    log = []
    parts = generated(models, is_cancelled=lambda: "maisi_latent" in log, log=log)
    events = [event["event"] for event, _, _ in parts]
    assert "done" not in events
    assert log.count("maisi_latent") == 1
    assert "maisi_decode" not in log


@pytest.mark.parametrize("model", ["maisi_mask", "maisi_latent", "maisi_decode"])
def test_a_model_that_ends_before_its_result_is_a_failure(models, model):
    cut = {**models, model: lambda **inputs: list(models[model](**inputs))[:-1]}
    with pytest.raises(Incomplete, match=model):
        list(generated(cut))


def test_what_cannot_be_drawn_is_refused(models):
    with pytest.raises(WrongContent, match="Not in the field of view: brain"):
        list(generated(models, anatomy_list=["brain"]))


@pytest.mark.parametrize(
    ("field", "value"),
    [("body_region", ["tail"]), ("anatomy_list", ["livr"]), ("controllable_anatomy_size", [["spleen", 0.5]])],
)
def test_names_that_there_are_not_are_named(models, field, value):
    with pytest.raises(WrongContent, match=rf"^{field}: '\w+' is none of the \d+ names"):
        list(generated(models, **{field: value}))
