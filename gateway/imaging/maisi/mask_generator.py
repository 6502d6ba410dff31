"""Labels by the mask diffusion model, for sizes of organs; where its networks are imported."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gateway.imaging.errors import WrongContent
from gateway.imaging.maisi.asked import Asked
from gateway.imaging.maisi.denoising import denoise
from gateway.imaging.maisi.labels import BODY, BY_INDEX, CONTROLLABLE, HOSTS, LABELS, TUMOURS
from gateway.imaging.maisi.windows import decode_windows

Run = Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]

LATENT_SIDE = 64
SPACING_MM = 1.5
"""Of what the networks make: 256 voxels along each axis."""
UNASKED_SIZE, ABSENT = 0.5, -1.0
CHANNELS = np.zeros(125, np.uint8)
"""The label of each channel of the decoder."""
for _label in BY_INDEX.values():
    if _label.mask_channel is not None:
        CHANNELS[_label.mask_channel] = _label.index


@dataclass(frozen=True)
class MaskGenerator:
    """From sizes of organs to labels."""

    noise: Run
    """`latent`, `timestep` and `anatomy_size` to `noise`."""
    image: Run
    """`latent` to `image`, a logit for each channel."""
    steps: int
    scale_factor: float
    window: int
    """See `windows.decode_windows`."""
    overlap: float
    side: int = LATENT_SIDE

    @classmethod
    def of(cls, variant: Mapping[str, Any], *, noise: Run, image: Run) -> "MaskGenerator":
        """Take the rest from the document beside the networks."""
        names = ("steps", "scale_factor", "window", "overlap")
        return cls(noise, image, **{name: variant[name] for name in names})

    def labels(self, asked: Asked) -> Iterator[np.ndarray | None]:
        """Generate the labels of a sample: None after each step but the last, then uint8 [x, y, z].

        Raises
        ------
        WrongContent
            Something that is asked for did not come out.
        """
        latent = yield from self._denoised(asked)
        labels = yield from self._decoded(latent / np.float32(self.scale_factor))
        tidy(labels, [name for name, size in asked.controllable_anatomy_size if size >= 0])
        labels = resampled(labels, asked.output_size, asked.spacing_mm)
        _require(labels, asked)
        yield labels

    def _denoised(self, asked: Asked) -> Generator[None, None, np.ndarray]:
        sizes = anatomy_size(asked.controllable_anatomy_size)
        shape = (1, 4, self.side, self.side, self.side)

        def noise(latent: np.ndarray, timestep: np.ndarray) -> np.ndarray:
            return self.noise({"latent": latent, "timestep": timestep, "anatomy_size": sizes})["noise"]

        latent = np.empty(shape, np.float32)
        for step in denoise(np.random.default_rng(asked.seed), shape, noise, steps=self.steps):
            latent = step
            yield
        return np.asarray(latent[0])

    def _decoded(self, latent: np.ndarray) -> Generator[None, None, np.ndarray]:
        def image(part: np.ndarray) -> np.ndarray:
            return self.image({"latent": part})["image"]

        parts = []
        for _, _, _, logits in decode_windows(latent, image, window=self.window, overlap=self.overlap):
            if logits is not None:
                parts.append(CHANNELS[logits.argmax(0)])
            yield
        return np.concatenate(parts, axis=2)


def anatomy_size(sizes: Sequence[tuple[str, float]]) -> np.ndarray:
    """Give what the networks are told, float32 (1, 10), in the order of `CONTROLLABLE`.

    Organs that are not named get a middling size, tumours none. The original takes these from the patient of
    its data whose named sizes are the most alike; that table is not part of the weights.
    """
    told = {name: ABSENT if name in TUMOURS else UNASKED_SIZE for name in CONTROLLABLE} | dict(sizes)
    return np.array([[told[name] for name in CONTROLLABLE]], np.float32)


def tidy(labels: np.ndarray, names: Sequence[str]) -> None:
    """Give tumours that are not asked for, and the vessels of the liver, back to their organs, in place."""
    for tumour in TUMOURS:
        if tumour not in names:
            host = BODY if tumour == "bone lesion" else LABELS[HOSTS[tumour][0]].index
            labels[labels == LABELS[tumour].index] = host
    labels[labels == LABELS["hepatic vessel"].index] = LABELS["liver"].index


def resampled(
    labels: np.ndarray, size: tuple[int, int, int], spacing_mm: tuple[float, float, float]
) -> np.ndarray:
    """Take the nearest voxel on the asked grid about the same middle; what lies outside is air."""
    framed = np.pad(labels, 1)
    places = []
    for n, mm, have in zip(size, spacing_mm, labels.shape, strict=True):
        at = np.rint((np.arange(n) - (n - 1) / 2) * mm / SPACING_MM + (have - 1) / 2).astype(int)
        places.append(np.clip(at + 1, 0, have + 1))
    return np.asarray(framed[np.ix_(*places)])


def _require(labels: np.ndarray, asked: Asked) -> None:
    names = [name for name, size in asked.controllable_anatomy_size if size >= 0]
    if missing := [name for name in names if not (labels == LABELS[name].index).any()]:
        raise WrongContent(
            f"Resampled mask does not contain required class labels: {', '.join(missing)}. "
            "Try another seed, or a larger field of view."
        )
