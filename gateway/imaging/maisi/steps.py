"""The three steps that make a synthetic CT: labels, latent image, image. Each yields what its model streams.

The networks are arguments, so all of this runs without Triton.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gateway.imaging.maisi.asked import Asked
from gateway.imaging.maisi.conditioning import embedding_slabs
from gateway.imaging.maisi.masks import MaskSource
from gateway.imaging.maisi.sampling import noise_of, sample
from gateway.imaging.maisi.windows import FACTOR, decode_windows, to_hu

Tensors = dict[str, np.ndarray]
Run = Callable[[Mapping[str, np.ndarray]], Tensors]
"""Runs a network: arrays by tensor name both ways, batch axis first."""

LATENT_CHANNELS = 4
SLAB_SLICES = 32
"""Greatest depth of what one response holds."""
_NO_LABELS = np.empty((0, 0, 0), np.uint8)
_NO_LATENT = np.empty((0, 0, 0, 0), np.float32)
_NO_IMAGE = np.empty((0, 0, 0), np.int16)


def mask_parts(request: np.ndarray, by_size: MaskSource, by_name: MaskSource) -> Iterator[Tensors]:
    """Make the labels of one sample, and yield what `model_repository/maisi_mask/config.pbtxt` says.

    Parameters
    ----------
    request
        One JSON document, shape (1,), dtype object; see `Asked`.
    by_size, by_name
        Where labels come from when sizes of organs are asked for, and when they are not.

    Raises
    ------
    ImageError
        Such a body cannot be made.
    """
    asked = Asked.parse(request[0])
    source = by_size if asked.controllable_anatomy_size else by_name
    for step, labels in enumerate(source.labels(asked)):
        if labels is None:
            yield {"event": _progress(min(step, source.steps), source.steps), "labels": _NO_LABELS}
        else:
            yield {"event": _event("labels"), "labels": labels}


@dataclass(frozen=True)
class Sampler:
    """From labels and noise to a latent image."""

    hint: Run
    """`bits` to `hint`: what the ControlNet takes of the labels."""
    velocity: Run
    """`latent`, `timestep`, `hint`, `spacing_mm` and `modality` to `velocity`."""
    steps: int
    """Where none are asked for."""
    scale_factor: float
    """By which the networks' latents are greater than the decoder's."""
    modality: int
    truncated: bool
    """See `sampling.step_lengths`."""

    @classmethod
    def of(cls, variant: Mapping[str, Any], *, hint: Run, velocity: Run, truncated: bool) -> "Sampler":
        """Take the rest from the document beside the networks."""
        names = ("steps", "scale_factor", "modality")
        return cls(hint, velocity, **{name: variant[name] for name in names}, truncated=truncated)

    def parts(
        self, labels: np.ndarray, spacing_mm: np.ndarray, seed: np.ndarray, num_inference_steps: np.ndarray
    ) -> Iterator[Tensors]:
        """Make a latent image, and yield what `model_repository/maisi_latent/config.pbtxt` says.

        Parameters
        ----------
        labels
            uint8 [x, y, z], each side a multiple of `asked.SIDE_MULTIPLE`.
        spacing_mm
            float32 (3,).
        seed, num_inference_steps
            One each; 0 steps are the networks' own number.
        """
        steps = int(num_inference_steps[0]) or self.steps
        slabs = []
        for slab in embedding_slabs(labels, lambda bits: self.hint({"bits": bits})["hint"]):
            yield {"event": _progress(0, steps), "latent": _NO_LATENT}
            slabs.append(slab)
        constant = {
            "hint": np.concatenate(slabs, axis=4),
            "spacing_mm": spacing_mm[np.newaxis],
            "modality": np.array([self.modality], np.int64),
        }
        noise = noise_of(int(seed[0]), (1, LATENT_CHANNELS, *(side // FACTOR for side in labels.shape)))
        for step, latent in enumerate(self._sample(noise, steps, constant), 1):
            yield {"event": _progress(step, steps), "latent": _NO_LATENT}
            if step == steps:
                yield {"event": _event("latent"), "latent": latent[0] / np.float32(self.scale_factor)}

    def _sample(self, noise: np.ndarray, steps: int, constant: Tensors) -> Iterator[np.ndarray]:
        def velocity(latent: np.ndarray, timestep: np.ndarray) -> np.ndarray:
            return self.velocity({"latent": latent, "timestep": timestep, **constant})["velocity"]

        return sample(noise, velocity, steps=steps, truncated=self.truncated)


@dataclass(frozen=True)
class Decoder:
    """From a latent image to one in HU."""

    image: Run
    """`latent` to `image`."""
    window: int
    """See `windows.decode_windows`."""
    overlap: float
    model: Mapping[str, str]
    """Name and version of the networks."""

    @classmethod
    def of(cls, variant: Mapping[str, Any], *, image: Run) -> "Decoder":
        """Take the rest from the document beside the network."""
        model = {"name": f"maisi {variant['name']}", "version": variant["version"]}
        return cls(image, variant["window"], variant["overlap"], model)

    def parts(self, latent: np.ndarray) -> Iterator[Tensors]:
        """Decode, and yield what `model_repository/maisi_decode/config.pbtxt` says.

        Parameters
        ----------
        latent
            float32 [channel, x, y, z], divided by the scale of the networks.
        """
        windows = decode_windows(
            latent,
            lambda part: self.image({"latent": part})["image"],
            window=self.window,
            overlap=self.overlap,
        )
        for done, count, first, image in windows:
            yield {"event": _progress(done, count), "image_hu": _NO_IMAGE}
            if image is not None:
                yield from _slabs(image[0], first)
        yield {"event": _event("done", model=self.model), "image_hu": _NO_IMAGE}


def _slabs(image: np.ndarray, first: int) -> Iterator[Tensors]:
    for z in range(0, image.shape[2], SLAB_SLICES):
        slab = to_hu(image[:, :, z : z + SLAB_SLICES])
        yield {"event": _event("slab", z=first + z), "image_hu": slab}


def _progress(step: int, steps: int) -> np.ndarray:
    return _event("progress", step=step, steps=steps)


def _event(event: str, **fields: Any) -> np.ndarray:
    return np.array([json.dumps({"event": event, **fields}).encode()], np.object_)
