"""A database of masks, laid out as MAISI's: for tests."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from gateway.imaging.maisi.candidates import ARCHIVE, CATALOGUE
from gateway.imaging.maisi.labels import BODY

Mask = tuple[np.ndarray, Sequence[float], Mapping[str, Any]]
"""Labels, spacing in mm, and further fields of the catalogue's entry."""


def body(size: tuple[int, int, int], *organs: int) -> np.ndarray:
    """Draw organs side by side in a body; the first is at the left, low and at the back."""
    labels = np.full(size, BODY, np.uint8)
    for number, organ in enumerate(organs):
        labels[2 + 6 * number : 7 + 6 * number, 2:9, 2:12] = organ
    return labels


def write_database(folder: Path, *masks: Mask) -> None:
    """Write the archive and its catalogue."""
    entries = []
    with zipfile.ZipFile(folder / ARCHIVE, "w") as archive:
        for number, (labels, spacing_mm, more) in enumerate(masks):
            name = f"set_{number}/mask_{number}.nii.gz"
            nibabel.save(nibabel.Nifti1Image(labels, np.diag([*spacing_mm, 1.0])), folder / "mask.nii.gz")
            archive.write(folder / "mask.nii.gz", f"all_masks_flexible_size_and_spacing_4000/{name}")
            entries.append(
                {
                    "pseudo_label_filename": f"./{name}",
                    "dim": list(labels.shape),
                    "spacing": list(spacing_mm),
                    "label_list": [int(label) for label in np.unique(labels) if label],
                    **more,
                }
            )
    (folder / CATALOGUE).write_text(json.dumps(entries))
