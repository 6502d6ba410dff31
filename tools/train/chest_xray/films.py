"""The films to learn from: NIH ChestX-ray14 with labels, and the MedNIST thumbnails."""

import csv
import zipfile
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from gateway.imaging.chest_xray import FINDINGS
from gateway.imaging.radiograph import square_input
from tools.train.chest_xray.layout import SIZE

NIH_LABELS = {
    "Cardiomegaly": ("Cardiomegaly",),
    "Pleural Thickening": ("Pleural_Thickening",),
    "Pleural Effusion": ("Effusion",),
    "Pneumothorax": ("Pneumothorax",),
    "Consolidation": ("Consolidation",),
    "Atelectasis": ("Atelectasis",),
    "Nodule Mass": ("Nodule", "Mass"),
    "Fibrosis": ("Fibrosis",),
    "Infiltration": ("Infiltration",),
}
"""Finding to the NIH labels any of which stands for it; the other three findings have no label."""

LABELLED = np.array([name in NIH_LABELS for name in FINDINGS])
AUXILIARY = ("Edema", "Emphysema", "Pneumonia", "Hernia")
"""NIH labels outside the twelve, read so that the folds share them out evenly too."""

CHEST_CLASS = "CXR"
OTHER_CLASSES = ("AbdomenCT", "BreastMRI", "ChestCT", "Hand", "HeadCT")


class Films(NamedTuple):
    """Labelled chest films, one per patient."""

    pixels: np.ndarray
    """uint8 (N, 256, 256)."""
    labels: np.ndarray
    """bool (N, 16): FINDINGS, then AUXILIARY; False throughout for a finding without labels."""
    comparator: np.ndarray
    """float32 (N, 16): the published CheXNet's probabilities, 0 for a finding it does not know."""
    normal: np.ndarray
    """bool (N,): labelled No Finding."""


class Thumbnails(NamedTuple):
    """MedNIST thumbnails of one class."""

    name: str
    pixels: np.ndarray
    """uint8 (N, 64, 64)."""


def read_films(folder: Path) -> Films:
    """Read the NIH films and their `labels.csv` from a folder."""
    with (folder / "labels.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    images = [cv2.imread(str(folder / row["image"]), cv2.IMREAD_GRAYSCALE) for row in rows]
    found = [set(row["labels"].split("|")) for row in rows]
    sources = [NIH_LABELS.get(name, ()) for name in FINDINGS] + [(name,) for name in AUXILIARY]
    return Films(
        pixels=np.stack([fitted(image) for image in images]),
        labels=np.array([[bool(labels.intersection(source)) for source in sources] for labels in found]),
        comparator=np.array([[_comparator(row, source) for source in sources] for row in rows], np.float32),
        normal=np.array(["No Finding" in labels for labels in found]),
    )


def fitted(pixels: np.ndarray) -> np.ndarray:
    """Fit an image, uint8, into the network's square as the server does; uint8 (256, 256)."""
    return np.asarray(np.rint(square_input(pixels, SIZE)[0] * 255), np.uint8)


def _comparator(row: dict[str, str], labels: tuple[str, ...]) -> float:
    """Give the highest of the published probabilities that stand for one finding."""
    return max((float(row[f"prob_{label}"]) for label in labels), default=0.0)


def read_thumbnails(archive: Path) -> tuple[Thumbnails, ...]:
    """Read the MedNIST thumbnails, the chest films first."""
    with zipfile.ZipFile(archive) as source:
        names = sorted(name for name in source.namelist() if name.endswith(".jpeg"))
        return tuple(
            Thumbnails(label, np.stack([_decode(source.read(n)) for n in names if f"{label}/" in n]))
            for label in (CHEST_CLASS, *OTHER_CLASSES)
        )


def _decode(data: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE))


def folds(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Deal the films into folds that have alike shares of each label.

    Parameters
    ----------
    labels
        bool (N, K).
    count, seed
        Number of folds, and the seed of the order in which films are dealt.

    Returns
    -------
    int64 (N,), the fold of each film. Rare labels are dealt first (iterative stratification).
    """
    generator = np.random.default_rng(seed)
    fold = np.full(len(labels), -1)
    for column in [*np.argsort(labels.sum(0)), None]:
        open_films = fold < 0 if column is None else (fold < 0) & labels[:, column]
        for film in generator.permutation(np.flatnonzero(open_films)):
            of_label = fold[labels[:, column]] if column is not None else fold
            counts = np.bincount(of_label[of_label >= 0], minlength=count)
            sizes = np.bincount(fold[fold >= 0], minlength=count)
            fold[film] = np.lexsort((sizes, counts))[0]
    return fold
