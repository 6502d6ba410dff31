"""Labels out of the mask diffusion model's loop, with networks whose right answer is known."""

import json

import numpy as np
import pytest

from gateway.imaging.errors import WrongContent
from gateway.imaging.maisi.denoising import denoise, kept
from gateway.imaging.maisi.labels import CONTROLLABLE, LABELS
from gateway.imaging.maisi.mask_generator import CHANNELS, MaskGenerator, anatomy_size
from gateway.imaging.maisi.masks import DrawnMasks
from gateway.imaging.maisi.steps import mask_parts

STEPS, SIDE = 50, 8
ASKED = {
    "seed": 3,
    "output_size": [32, 32, 32],
    "spacing_mm": [1.5, 1.5, 1.5],
    "controllable_anatomy_size": [["liver", 0.5]],
}


def toward(image):
    """The network that knows that there is but one image: it sees all else as noise."""
    power = kept(STEPS)

    def noise(latent, timestep):
        left = power[int(timestep[0])]
        return ((latent - left**0.5 * image) / (1 - left) ** 0.5).astype(np.float32)

    return noise


def test_arrives_at_the_image_that_all_noise_was_added_to():
    image = np.random.default_rng(5).standard_normal((1, 4, 6, 6, 6)).astype(np.float32)
    *_, latent = denoise(np.random.default_rng(0), image.shape, toward(image), steps=STEPS)
    np.testing.assert_allclose(latent, image, atol=1e-5)


def test_keeps_the_spread_of_what_it_learnt():
    """A network that knows a normal distribution of spread 0.5 gives images of that spread, no sharper."""
    power = kept(1000)

    def noise(latent, timestep):
        left = power[int(timestep[0])]
        return latent * np.float32((1 - left) ** 0.5 / (left * 0.25 + 1 - left))

    *_, latent = denoise(np.random.default_rng(0), (1, 4, 16, 16, 16), noise, steps=1000)
    assert latent.std() == pytest.approx(0.5, abs=0.015)


def test_each_channel_has_its_label():
    labels = [label for label in LABELS.values() if label.mask_channel is not None]
    assert [CHANNELS[label.mask_channel] for label in labels] == [label.index for label in labels]
    assert (CHANNELS[0], CHANNELS[124]) == (0, 200)


def generator(organ="liver"):
    """Networks of a cube of an organ in the midst of air."""
    latent = np.zeros((1, 4, SIDE, SIDE, SIDE), np.float32)
    latent[:, :, 2:6, 2:6, 2:6] = 1
    predict, told = toward(2 * latent), []

    def noise(inputs):
        told.append(inputs["anatomy_size"])
        return {"noise": predict(inputs["latent"], inputs["timestep"])}

    def image(inputs):
        logit = inputs["latent"][0, 0] - 0.5  # it is 1 after the scale was divided away
        for axis in range(3):
            logit = logit.repeat(4, axis)
        logits = np.zeros((1, 125, *logit.shape), np.float32)
        logits[0, LABELS[organ].mask_channel] = logit
        return {"image": logits}

    made = MaskGenerator(noise, image, STEPS, scale_factor=2.0, window=SIDE, overlap=0.25, side=SIDE)
    return made, told


def parts(made, **other):
    request = np.array([json.dumps({**ASKED, **other}).encode()], np.object_)
    return [
        (json.loads(part["event"][0]), part["labels"]) for part in mask_parts(request, made, DrawnMasks())
    ]


def test_generates_labels_where_sizes_are_asked_for():
    made, told = generator()
    found = parts(made)
    expected = np.zeros((32, 32, 32), np.uint8)
    expected[8:24, 8:24, 8:24] = LABELS["liver"].index
    np.testing.assert_array_equal(found[-1][1], expected)
    steps = [(event["step"], event["steps"]) for event, _ in found[:-1]]
    assert (steps[0], steps[-1]) == ((0, STEPS), (STEPS, STEPS))
    sizes = dict(zip(CONTROLLABLE, told[0][0], strict=True))
    assert (sizes["liver"], sizes["colon"], sizes["hepatic tumor"]) == (0.5, 0.5, -1)


def test_says_what_did_not_come_out():
    made, _ = generator("spleen")
    with pytest.raises(WrongContent, match="does not contain required class labels: liver"):
        parts(made)
    *_, (_, labels) = parts(made, controllable_anatomy_size=[["liver", -1]])
    assert (labels == LABELS["spleen"].index).any()


def test_sizes_are_told_in_the_networks_order():
    sizes = anatomy_size([("bone lesion", 0.3), ("pancreas", -1)])
    assert sizes.dtype == np.float32
    np.testing.assert_allclose(sizes, [[0.5, 0.5, 0.5, -1, 0.5, -1, -1, -1, -1, 0.3]])


def test_sizes_that_nobody_asked_for_are_those_of_the_most_similar_body():
    known = np.full((3, 10), 0.2, np.float32)
    known[1, CONTROLLABLE.index("liver")] = 0.9
    known[1, CONTROLLABLE.index("stomach")] = 0.7
    (told,) = anatomy_size([("liver", 0.8), ("hepatic tumor", -1)], known)
    sizes = dict(zip(CONTROLLABLE, told, strict=True))
    assert (sizes["liver"], sizes["hepatic tumor"]) == (pytest.approx(0.8), -1)
    assert (sizes["stomach"], sizes["colon"]) == (pytest.approx(0.7), pytest.approx(0.2))
