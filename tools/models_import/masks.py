"""What a published bundle has beside its networks: masks of real bodies, and usual sizes of organs."""

import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import NamedTuple

from gateway.imaging.maisi.candidates import ARCHIVE, CATALOGUE, Candidate
from gateway.imaging.maisi.labels import CONTROLLABLE
from gateway.imaging.maisi.mask_generator import SIZES
from tools.models_import.checkpoints import BadCheckpoint

PLACES = (".", "datasets", "configs")


class Masks(NamedTuple):
    """What was found of it."""

    catalogue: Path | None
    archive: Path | None
    sizes: list[list[float]] | None
    """Of each body, in the order of `CONTROLLABLE`."""


def find_masks(bundle: Path) -> Masks:
    """Find and check them; what a bundle lacks is None.

    Raises
    ------
    BadCheckpoint
        A file cannot be read, or a catalogue of masks names others than there are.
    """
    catalogue = _last(bundle, "candidate_masks_flexible_size_and_spacing_*.json")
    archive = _last(bundle, "all_masks_flexible_size_and_spacing_*.zip")
    sizes = _last(bundle, "all_anatomy_size_condi*ions.json")
    if catalogue is None or archive is None:
        catalogue = archive = None
    else:
        _check(catalogue, archive)
    return Masks(catalogue, archive, None if sizes is None else _sizes(sizes))


def write_masks(masks: Masks, repository: Path) -> None:
    """Put them into `maisi_mask`; the archive, which is gigabytes, is linked to on the same disk."""
    folder = repository / "maisi_mask" / "1"
    if masks.sizes is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SIZES).write_text(json.dumps(masks.sizes), encoding="utf-8")
    if masks.catalogue is not None and masks.archive is not None:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(masks.catalogue, folder / CATALOGUE)
        (folder / ARCHIVE).unlink(missing_ok=True)
        try:
            os.link(masks.archive, folder / ARCHIVE)
        except OSError:
            shutil.copyfile(masks.archive, folder / ARCHIVE)


def _last(bundle: Path, pattern: str) -> Path | None:
    """Give the file with the greatest number in its name: that is the database of the rectified flow."""
    return max((path for place in PLACES for path in (bundle / place).glob(pattern)), default=None)


def _check(catalogue: Path, archive: Path) -> None:
    try:
        entries = [Candidate.of(entry) for entry in json.loads(catalogue.read_text("utf-8"))]
        with zipfile.ZipFile(archive) as opened:
            held = {f"/{name}" for name in opened.namelist()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise BadCheckpoint(
            f"{catalogue} and {archive.name}: expected MAISI's masks and their catalogue"
        ) from error
    ends = {name[at:] for name in held for at in range(len(name)) if name[at] == "/"}
    if absent := [each.file for each in entries if f"/{each.file}" not in ends]:
        raise BadCheckpoint(f"{archive}: lacks {len(absent)} masks of {catalogue.name}, first {absent[0]}")


def _sizes(path: Path) -> list[list[float]]:
    try:
        rows = [[float(size) for size in each["organ_size"]] for each in json.loads(path.read_text("utf-8"))]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadCheckpoint(f"{path}: expected a list of organ_size") from error
    if not rows or any(len(row) != len(CONTROLLABLE) for row in rows):
        raise BadCheckpoint(f"{path}: expected {len(CONTROLLABLE)} sizes in each organ_size")
    return rows
