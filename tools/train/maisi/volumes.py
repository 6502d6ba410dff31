"""Drawn volumes to learn from: anatomy and CT, drawn once and kept on disk."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from gateway.imaging.errors import WrongContent
from gateway.imaging.maisi.anatomy import draw_anatomy
from gateway.imaging.maisi.labels import TUMOURS
from tools.phantoms.ct import ct_of

logger = logging.getLogger(__name__)

LEARNT, HELD_OUT = range(2)
"""What a volume is for; part of its generator's seed, so that none is both."""
REGIONS: Sequence[tuple[str, ...]] = (
    ("abdomen",), ("chest",), ("chest", "abdomen"), ("pelvis",), ("abdomen", "pelvis"), ("head",),
)  # fmt: skip
USUAL_MM = 1.5
"""Half of the volumes have this spacing; the others have any."""
FIELD_MM = 384.0
MAX_SIDE = 384
SLICES = 128
SIDE_MULTIPLE = 32


class Volume(NamedTuple):
    """One drawn volume, of which only what is looked at is read."""

    image_hu: np.ndarray
    """int16 [x, y, z]."""
    labels: np.ndarray
    """uint8 [x, y, z]."""
    spacing_mm: tuple[float, float, float]


def volumes(folder: Path, seed: int, purpose: int, count: int) -> list[Volume]:
    """Give the volumes of a seed and purpose; those that the folder does not hold are drawn.

    Parameters
    ----------
    folder
        Where they lie, about 25 MB each.
    seed
        The same seed gives the same volumes.
    """
    cv2.setNumThreads(1)  # its threads and torch's would wait for each other
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _volume(folder / f"{seed}_{purpose}_{number}", [seed, purpose, number]) for number in range(count)
    ]


def _volume(stem: Path, seeds: list[int]) -> Volume:
    paths = [stem.with_suffix(suffix) for suffix in (".hu.npy", ".labels.npy", ".json")]
    if not paths[-1].exists():
        drawn = draw(np.random.default_rng(seeds), REGIONS[seeds[-1] % len(REGIONS)])
        np.save(paths[0], drawn.image_hu)
        np.save(paths[1], drawn.labels)
        paths[2].write_text(json.dumps(drawn.spacing_mm))
        logger.info("%s drawn: %s at %s mm", stem.name, drawn.labels.shape, drawn.spacing_mm)
    spacing = tuple(json.loads(paths[2].read_text()))
    return Volume(np.load(paths[0], mmap_mode="r"), np.load(paths[1], mmap_mode="r"), spacing)


def draw(rng: np.random.Generator, regions: Sequence[str]) -> Volume:
    """Draw a volume of body regions, in half of the cases with a tumour that lies in them."""
    usual = rng.random() < 0.5
    across = USUAL_MM if usual else float(rng.uniform(0.7, 2.4))
    along = USUAL_MM if usual else float(rng.uniform(0.8, 3.0))
    side = int(min(FIELD_MM / across, MAX_SIDE) // SIDE_MULTIPLE) * SIDE_MULTIPLE
    seed = int(rng.integers(2**31))
    tumours = [name for name in TUMOURS if _lies_in(name, regions)]
    named = [str(rng.choice(tumours))] if tumours and rng.random() < 0.5 else []
    spacing = across, across, along

    def anatomy(names: Sequence[str]) -> np.ndarray:
        return draw_anatomy(
            output_size=(side, side, SLICES),
            spacing_mm=spacing,
            body_regions=regions,
            anatomy_names=names,
            organ_sizes={},
            seed=seed,
        )

    try:
        labels = anatomy(named)
    except WrongContent:  # the tumour fell where this field does not reach
        labels = anatomy([])
    return Volume(ct_of(labels, spacing, seed), labels, spacing)


def _lies_in(tumour: str, regions: Sequence[str]) -> bool:
    """Whether a tumour's host is in view of every volume of these regions."""
    return {"lung tumor": "chest", "hepatic tumor": "abdomen"}.get(tumour) in regions
