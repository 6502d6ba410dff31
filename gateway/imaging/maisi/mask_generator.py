"""Labels by the mask diffusion model, for sizes of organs; where its networks are imported."""

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gateway.imaging.maisi.asked import Asked
from gateway.imaging.maisi.denoising import denoise
from gateway.imaging.maisi.labels import BY_INDEX, CONTROLLABLE, TUMOURS
from gateway.imaging.maisi.masks import missing, not_there, resampled
from gateway.imaging.maisi.tidying import tidy
from gateway.imaging.maisi.windows import decode_windows

Run = Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]

SIZES = "anatomy_sizes.json"
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
    known_sizes: np.ndarray | None = None
    """See `anatomy_size`."""
    side: int = LATENT_SIDE

    @classmethod
    def of(cls, folder: Path, *, noise: Run, image: Run) -> "MaskGenerator":
        """Take the rest from the documents beside the networks."""
        variant = json.loads((folder / "variant.json").read_text())
        fields = {name: variant[name] for name in ("steps", "scale_factor", "window", "overlap")}
        if (sizes := folder / SIZES).exists():
            fields["known_sizes"] = np.array(json.loads(sizes.read_text()), np.float32)
        return cls(noise, image, **fields)

    def labels(self, asked: Asked) -> Iterator[np.ndarray | None]:
        """Generate the labels of a sample: None after each step but the last, then uint8 [x, y, z].

        Raises
        ------
        WrongContent
            Something that is asked for did not come out.
        """
        latent = yield from self._denoised(asked)
        labels = yield from self._decoded(latent / np.float32(self.scale_factor))
        wanted = [name for name, size in asked.controllable_anatomy_size if size >= 0]
        tidy(labels, next((name for name in wanted if name in TUMOURS), None))
        labels = resampled(labels, [SPACING_MM] * 3, asked.output_size, asked.spacing_mm)
        if absent := missing(labels, wanted):
            raise not_there(absent)
        yield labels

    def _denoised(self, asked: Asked) -> Generator[None, None, np.ndarray]:
        sizes = anatomy_size(asked.controllable_anatomy_size, self.known_sizes)
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


def anatomy_size(sizes: Sequence[tuple[str, float]], known: np.ndarray | None = None) -> np.ndarray:
    """Give what the networks are told, float32 (1, 10), in the order of `CONTROLLABLE`.

    Parameters
    ----------
    sizes
        Those that are asked for.
    known
        (n, 10), of bodies that the networks learnt from: the others are those of the one whose asked sizes
        are the most alike. None: organs get a middling size, and tumours none.
    """
    asked = dict(sizes)
    told = [ABSENT if name in TUMOURS else UNASKED_SIZE for name in CONTROLLABLE]
    if known is not None:
        places = [CONTROLLABLE.index(name) for name in asked]
        unlike = np.abs(known[:, places] - np.array(list(asked.values()))).sum(1)
        told = known[np.argmin(unlike)].tolist()
    row = [asked.get(name, other) for name, other in zip(CONTROLLABLE, told, strict=True)]
    return np.array([row], np.float32)
