"""The films that benchmarks run on."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from tools.phantoms.chest_film import chest_film_dicom

PHANTOM_SEEDS = 6
PHANTOM_SIDE_PX = 2048


def bench_films(folder: Path | None, made_in: Path, count: int) -> Sequence[Path]:
    """Give `count` films, repeating as needed: those in `folder`, or phantoms made in `made_in`."""
    films = sorted(folder.rglob("*.dcm")) if folder else _phantoms(made_in)
    if not films:
        raise FileNotFoundError(f"no .dcm file in {folder}")
    return list(itertools.islice(itertools.cycle(films), count))


def _phantoms(folder: Path) -> list[Path]:
    folder.mkdir(parents=True)
    paths = []
    for seed in range(PHANTOM_SEEDS):
        path = folder / f"phantom{seed}.dcm"
        film = chest_film_dicom(
            seed, patient_id=f"BENCH{seed}", rows=PHANTOM_SIDE_PX, columns=PHANTOM_SIDE_PX
        )
        path.write_bytes(film)
        paths.append(path)
    return paths
