"""Labels of real bodies: the mask database of a published bundle, where one is imported."""

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gateway.imaging.errors import WrongContent
from gateway.imaging.maisi.asked import Asked
from gateway.imaging.maisi.labels import LABELS, TUMOURS
from gateway.imaging.maisi.masks import missing, not_there, resampled
from gateway.imaging.volume.nifti import read_labels

CATALOGUE, ARCHIVE = "masks.json", "masks.zip"
POOL = 5
"""How many of the masks whose field is most like the asked one are drawn from."""
LESS_VOXELS = 128
"""A mask that has so much fewer voxels along an axis than are asked for is not taken."""
ZOOM = 0.01
"""Each mask is made larger or smaller by up to this part, so that no two volumes have the same."""
REGIONS: Mapping[str, int] = {"head": 0, "chest": 1, "thorax": 1, "abdomen": 2, "pelvis": 3, "lower": 3}


@dataclass(frozen=True)
class Candidate:
    """One mask, as the catalogue describes it."""

    file: str
    size: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    labels: frozenset[int]
    regions: range | None
    """Those that it shows, numbered from the head down; None: the catalogue does not say."""

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Candidate":
        """Read an entry of the published catalogue."""
        ends = [entry[key] for key in ("top_region_index", "bottom_region_index") if key in entry]
        return cls(
            file=entry["pseudo_label_filename"].removeprefix("./"),
            size=tuple(entry["dim"]),
            spacing_mm=tuple(entry["spacing"]),
            labels=frozenset(map(int, entry["label_list"])),
            regions=range(ends[0].index(1), ends[1].index(1) + 1) if len(ends) == 2 else None,
        )

    def fits(self, asked: Asked) -> bool:
        """Whether it has all structures and regions that are asked for, and no tumour that is not."""
        wanted = {LABELS[name].index for name in asked.anatomy_list}
        tumours = {LABELS[name].index for name in TUMOURS}
        regions = {REGIONS[name] for name in asked.body_region}
        return (
            wanted <= self.labels
            and not (self.labels & tumours) - wanted
            and (self.regions is None or regions <= set(self.regions))
        )

    def is_exact(self, asked: Asked) -> bool:
        """Whether it has the asked grid."""
        return self.size == asked.output_size and np.allclose(self.spacing_mm, asked.spacing_mm, atol=1e-4)

    def is_large_enough(self, asked: Asked) -> bool:
        """Whether it has about as many voxels as are asked for."""
        return all(have > n - LESS_VOXELS for have, n in zip(self.size, asked.output_size, strict=True))

    def distance(self, asked: Asked) -> float:
        """Give how unlike its grid and the asked one are, as MAISI's bundle 1.0.0 weighs it."""
        size, have = np.array(asked.output_size), np.array(self.size)
        mm, have_mm = np.array(asked.spacing_mm), np.array(self.spacing_mm)
        terms = np.abs(size * mm - have * have_mm) / 10 + np.abs(size - have) / 100 + np.abs(mm - have_mm)
        return float(terms.sum())


class CandidateMasks:
    """Picks a mask that shows what is asked for, and fits it to the asked grid.

    Tumours are not moved about in their organs, as the original does.

    Parameters
    ----------
    folder
        Has `CATALOGUE` and `ARCHIVE`; see `radgate models import maisi`.

    References
    ----------
    MONAI, bundle `maisi_ct_generative` 1.0.0: `find_masks`, `find_closest_masks`, `augmentation`.
    """

    steps = 1

    def __init__(self, folder: Path) -> None:
        self._candidates = [Candidate.of(entry) for entry in json.loads((folder / CATALOGUE).read_text())]
        self._archive = folder / ARCHIVE

    def labels(self, asked: Asked) -> Iterator[np.ndarray | None]:
        """Give the labels of a sample: None, then uint8 [x, y, z].

        Raises
        ------
        WrongContent
            No mask shows all that is asked for.
        """
        yield None
        rng = np.random.default_rng([asked.seed, 7])
        absent: list[str] = []
        for candidate in self._drawn(asked, rng):
            zoom = rng.uniform(1 - ZOOM, 1 + ZOOM)
            have_mm = [zoom * mm for mm in candidate.spacing_mm]
            labels = resampled(self._read(candidate.file), have_mm, asked.output_size, asked.spacing_mm)
            if not (absent := missing(labels, asked.anatomy_list)):
                yield labels
                return
        raise not_there(absent)

    def _drawn(self, asked: Asked, rng: np.random.Generator) -> Sequence[Candidate]:
        """Give those that come into question, in an order that follows from the seed."""
        fitting = [each for each in self._candidates if each.fits(asked)]
        pool = [each for each in fitting if each.is_exact(asked)]
        if not pool:
            large = [each for each in fitting if each.is_large_enough(asked)]
            pool = sorted(large, key=lambda each: each.distance(asked))[:POOL]
        if not pool:
            raise WrongContent("Cannot find body region with given anatomy list.")
        return [pool[number] for number in rng.permutation(len(pool))]

    def _read(self, file: str) -> np.ndarray:
        """Read a mask: uint8 [x, y, z] in RAS+ axes, native indices."""
        with zipfile.ZipFile(self._archive) as archive:
            # The archive has a folder about all that it holds.
            (name,) = (each for each in archive.namelist() if f"/{each}".endswith(f"/{file}"))
            packed = archive.read(name)
        return read_labels(packed)
