"""The films that `radgate bench vhs` runs on."""

import io
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tools.phantoms.canine_thorax import canine_thorax

PHANTOM_SEEDS = 6
PHANTOM_SIDE_PX = 1800
QUALITY = 92
SUFFIXES = (".jpg", ".jpeg", ".png")


def bench_films(folder: Path | None, count: int) -> Sequence[bytes]:
    """Give `count` files' bytes, repeating as needed: those in `folder`, or phantoms as JPEG."""
    films = _files(folder) if folder else [_phantom(seed) for seed in range(PHANTOM_SEEDS)]
    if not films:
        raise FileNotFoundError(f"no JPEG or PNG file in {folder}")
    return list(itertools.islice(itertools.cycle(films), count))


def _files(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES]


def _phantom(seed: int) -> bytes:
    film = canine_thorax(np.random.default_rng(seed), long_side_px=PHANTOM_SIDE_PX)
    target = io.BytesIO()
    Image.fromarray(film.picture).save(target, "JPEG", quality=QUALITY)
    return target.getvalue()
