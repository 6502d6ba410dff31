"""The films that benchmarks run on."""

import io
import itertools
from collections.abc import Sequence
from pathlib import Path

import pydicom
from pydicom.uid import UID

from tools.phantoms.chest_film import chest_film_dicom

PHANTOM_SEEDS = 6
PHANTOM_SIDE_PX = 2048


def bench_films(folder: Path | None, made_in: Path, count: int) -> Sequence[Path]:
    """Give `count` films, repeating as needed: those in `folder`, or phantoms made in `made_in`."""
    films = sorted(folder.rglob("*.dcm")) if folder else _phantoms(made_in)
    if not films:
        raise FileNotFoundError(f"no .dcm file in {folder}")
    return list(itertools.islice(itertools.cycle(films), count))


def numbered_copies(films: Sequence[Path], folder: Path, *, start: int = 0) -> None:
    """Copy films into a folder, as if each were another patient's."""
    folder.mkdir(parents=True, exist_ok=True)
    datasets = {film: pydicom.dcmread(film) for film in dict.fromkeys(films)}
    for number, film in enumerate(films, start):
        dataset = datasets[film]
        dataset.PatientID = f"BENCH-{number:05}"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(f"2.25.{number + 1}")
        copy = io.BytesIO()
        dataset.save_as(copy)
        (folder / f"{number:05}.dcm").write_bytes(copy.getvalue())


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
